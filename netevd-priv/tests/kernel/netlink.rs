//! A netlink socket inside a namespace, so that the kernel can be read thousands of times without
//! starting a program. It dumps; what is dumped is for others to understand.
//!
//! Written by hand on purpose: the judge must not read with the code that it judges.

use crate::world::World;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, NetlinkAddr, SockFlag, SockProtocol,
    SockType, bind, recv, recvmsg, send, sendmsg, setsockopt, socket, socketpair, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, RawFd};
use std::process::Stdio;

/// Tells the test below that it is meant.
const CALLED: &str = "NETEVD_TEST_NETLINK";
const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const REQUEST_DUMP: u16 = 0x301;
const DUMP_INTERRUPTED: u16 = 0x10;

/// The socket. It belongs to the namespace in which it was opened, wherever it is used.
pub(crate) struct Netlink {
    socket: RawFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// One message of the kernel: its type, and what stands after the netlink header.
pub(crate) struct Message {
    pub(crate) kind: u16,
    pub(crate) payload: Vec<u8>,
}

impl World {
    /// A socket opened inside, by this program itself, run there for the purpose.
    pub(crate) fn netlink(&self) -> Netlink {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .expect("a pair");
        let own = std::env::current_exe().expect("its own name");
        let output = self
            .command(own.to_str().expect("UTF-8"))
            .args(["--exact", "netlink::hands_over_a_socket", "--ignored", "--nocapture"])
            .env(CALLED, "1")
            .stdin(Stdio::from(theirs))
            .output()
            .expect("nsenter(1)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut byte = [0];
        let mut parts = [IoSliceMut::new(&mut byte)];
        let mut space = cmsg_space!(RawFd);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(ours.as_raw_fd(), &mut parts, Some(&mut space), flags).expect("received");
        let rights = message.cmsgs().expect("whole").find_map(|message| match message {
            ControlMessageOwned::ScmRights(numbers) => numbers.first().copied(),
            _ => None,
        });
        Netlink { socket: rights.expect("a descriptor"), sequence: 0, buffer: vec![0; 32 << 10] }
    }
}

#[test]
#[ignore = "run by other tests, in their namespace"]
fn hands_over_a_socket() {
    if std::env::var_os(CALLED).is_none() {
        return;
    }
    let own =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
            .expect("a netlink socket");
    // In a user namespace only the system's own limit is to be had.
    let _ = setsockopt(&own, sockopt::RcvBufForce, &(8 << 20));
    setsockopt(&own, sockopt::ReceiveTimeout, &TimeVal::seconds(60)).expect("set");
    let rights = [own.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&rights)];
    let stdin = std::io::stdin();
    sendmsg::<()>(stdin.as_raw_fd(), &[IoSlice::new(b"x")], &control, MsgFlags::empty(), None).expect("sent");
}

impl Netlink {
    /// Subscribes to these groups (a mask, `RTMGRP_*`) instead of dumping.
    pub(crate) fn listen(&self, groups: u32) {
        bind(self.socket, &NetlinkAddr::new(0, groups)).expect("bound");
    }

    /// What has been multicast and not been taken yet.
    pub(crate) fn heard(&mut self) -> Vec<Message> {
        let mut heard = Vec::new();
        loop {
            match recv(self.socket, &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => each(&self.buffer[..length], |_, kind, payload| {
                    heard.push(Message { kind, payload: payload.to_vec() });
                }),
                Err(Errno::EAGAIN) => return heard,
                Err(errno) => panic!("multicast: {errno}"),
            }
        }
    }

    /// All objects that a dump of this type with this header gives, and that the kernel calls
    /// consistent. Panics on a refusal: the tests ask for nothing that could be refused.
    pub(crate) fn dump(&mut self, kind: u16, header: &[u8]) -> Vec<Message> {
        loop {
            if let Some(found) = self.try_dump(kind, header) {
                return found;
            }
        }
    }

    fn try_dump(&mut self, kind: u16, header: &[u8]) -> Option<Vec<Message>> {
        self.sequence += 1;
        let mut request = Vec::with_capacity(HEADER + header.len());
        request.extend(u32::try_from(HEADER + header.len()).expect("short").to_ne_bytes());
        request.extend(kind.to_ne_bytes());
        request.extend(REQUEST_DUMP.to_ne_bytes());
        request.extend(self.sequence.to_ne_bytes());
        request.extend([0; 4]);
        request.extend(header);
        send(self.socket, &request, MsgFlags::empty()).expect("sent");
        let (mut found, mut whole, mut done) = (Vec::new(), true, false);
        while !done {
            let length = match recv(self.socket, &mut self.buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                other => other.expect("a dump"),
            };
            each(&self.buffer[..length], |flags, kind, payload| {
                whole &= flags & DUMP_INTERRUPTED == 0;
                match kind {
                    DONE | ERROR => {
                        assert_eq!(number(payload), 0, "the kernel refuses a dump");
                        done = true;
                    }
                    _ => found.push(Message { kind, payload: payload.to_vec() }),
                }
            });
        }
        whole.then_some(found)
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        let _ = nix::unistd::close(self.socket);
    }
}

/// Calls `f` with flags, type and payload of each message of a datagram.
fn each(mut datagram: &[u8], mut f: impl FnMut(u16, u16, &[u8])) {
    while datagram.len() >= HEADER {
        let length = usize::try_from(number(datagram)).expect("32 bits");
        let short = |at: usize| u16::from_ne_bytes([datagram[at], datagram[at + 1]]);
        f(short(6), short(4), &datagram[HEADER..length]);
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

/// The attributes of a message whose own header has `skip` bytes: type without flags, and value.
pub(crate) fn attributes(payload: &[u8], skip: usize) -> Vec<(u16, &[u8])> {
    let mut rest = payload.get(skip..).unwrap_or_default();
    let mut found = Vec::new();
    while rest.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        found.push((u16::from_ne_bytes([rest[2], rest[3]]) & 0x3fff, &rest[4..length]));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The first four bytes as a number.
pub(crate) fn number(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes[..4].try_into().expect("four bytes"))
}
