//! The socket to the worker: whole frames in, whole frames out.
//!
//! `AF_UNIX SOCK_SEQPACKET`, connected. It knows nothing of what a frame means.

use crate::start::cannot;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{PeerCredentials, SockType as TypeOption};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr};
use nix::sys::socket::{connect, getpeername, getsockopt, recvmsg, send, socket};
use protocol::MAX_FRAME;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};

/// The connected socket.
pub(crate) struct Channel(pub(crate) OwnedFd);

impl Channel {
    /// Takes the descriptor if it is a connected `AF_UNIX SOCK_SEQPACKET` socket.
    pub(crate) fn new(descriptor: OwnedFd) -> Option<Self> {
        let number = descriptor.as_raw_fd();
        let seqpacket = getsockopt(&descriptor, TypeOption) == Ok(SockType::SeqPacket);
        // Fails with ENOTCONN before a connection, and for the address of another family.
        let connected = getpeername::<UnixAddr>(number).is_ok();
        (seqpacket && connected).then_some(Self(descriptor))
    }

    /// Connects to the socket at `path`, if it is root who listens there: SO_PEERCRED names who
    /// called listen(2), unix(7). Under systemd that is process 1, on the worker's behalf.
    pub(crate) fn connect(path: &str) -> Result<Self, String> {
        let failed = cannot(format!("connect to {path} (systemctl start netevd.socket?)"));
        let own = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None);
        let own = own.map_err(&failed)?;
        UnixAddr::new(path).and_then(|to| connect(own.as_raw_fd(), &to)).map_err(&failed)?;
        match getsockopt(&own, PeerCredentials).map_err(&failed)?.uid() {
            0 => Ok(Self(own)),
            uid => Err(format!("uid {uid} listens at {path}, not root: systemctl restart netevd.socket")),
        }
    }

    /// The next frame's length in `buffer`; 0 when the other side is gone. An empty frame cannot
    /// be told from the end, unix(7), and is taken for it.
    pub(crate) fn receive(&self, buffer: &mut [u8; MAX_FRAME]) -> io::Result<usize> {
        let mut parts = [IoSliceMut::new(buffer)];
        let wrong = |how: &str| Err(io::Error::other(format!("a frame {how}")));
        // Without room for control data the kernel drops what was passed and says MSG_CTRUNC.
        // No signal handler is installed, so no call here is interrupted (signal(7)).
        match recvmsg::<()>(self.0.as_raw_fd(), &mut parts, None, MsgFlags::empty()) {
            Ok(got) if got.flags.contains(MsgFlags::MSG_CTRUNC) => wrong("with a descriptor or credentials"),
            Ok(got) if got.flags.contains(MsgFlags::MSG_TRUNC) => {
                wrong(&format!("of more than {MAX_FRAME} bytes"))
            }
            Ok(got) => Ok(got.bytes),
            // It closed with a reply of ours unread.
            Err(Errno::ECONNRESET) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Sends one frame; false when the other side is gone.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<bool> {
        match send(self.0.as_raw_fd(), frame, MsgFlags::MSG_NOSIGNAL) {
            Ok(_) => Ok(true),
            Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{ControlMessage, sendmsg, socketpair};
    use std::io::IoSlice;

    fn pair() -> (Channel, OwnedFd) {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::empty()).expect("a pair");
        (Channel::new(ours).expect("a channel"), theirs)
    }

    #[test]
    fn takes_nothing_but_a_connected_seqpacket_socket() {
        let (stream, _peer) = std::os::unix::net::UnixStream::pair().expect("a pair");
        assert!(Channel::new(stream.into()).is_none());
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        assert!(Channel::new(tcp.into()).is_none());
        let lone = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None);
        assert!(Channel::new(lone.expect("a socket")).is_none());
    }

    #[test]
    fn tells_frames_violations_and_the_end_apart() {
        let (channel, peer) = pair();
        let mut buffer = [0; MAX_FRAME];
        let say = |bytes: &[u8]| send(peer.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL).expect("sent");
        say(b"abc");
        say(&[7; MAX_FRAME]);
        say(&[7; MAX_FRAME + 1]);
        let mut receive = || channel.receive(&mut buffer).map_err(|error| error.to_string());
        assert_eq!(receive(), Ok(3));
        assert_eq!(receive(), Ok(MAX_FRAME));
        assert_eq!(receive(), Err("a frame of more than 2048 bytes".to_owned()));
        let rights = [peer.as_raw_fd()];
        let control = [ControlMessage::ScmRights(&rights)];
        sendmsg::<()>(peer.as_raw_fd(), &[IoSlice::new(b"x")], &control, MsgFlags::empty(), None)
            .expect("sent");
        assert_eq!(receive(), Err("a frame with a descriptor or credentials".to_owned()));
        drop(peer);
        assert_eq!(receive(), Ok(0));
        assert!(!channel.send(b"x").expect("no error"));
    }
}
