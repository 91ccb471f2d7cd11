//! The netlink socket: a dump, or a change and its acknowledgement.
//!
//! Blocking, one exchange at a time. It knows messages, not what they mean; nothing here decides.

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
    NetlinkBuffer,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use protocol::Reply;
use std::io;

/// The kernel fills at most 32 KiB a read, whatever is offered (`netlink_recvmsg`).
const READ: usize = 32 << 10;
/// How often a dump is repeated that the kernel calls inconsistent.
const REPEATS: usize = 4;
/// `struct nlmsghdr`
const HEADER: usize = 16;

/// A message without its header: the type, `RTM_*` (linux/rtnetlink.h), and flags beside REQUEST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) bytes: Vec<u8>,
}

/// Reads an object, or does without it; it knows what the same dump has brought so far.
type Read<'a, T> = &'a dyn Fn(&[T], &[u8]) -> Result<Option<T>, DecodeError>;
type Each<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), DecodeError>;

/// What a kernel's error is to the worker.
pub(crate) fn failed(errno: Errno) -> Reply {
    Reply::Kernel(errno as i32)
}

/// The socket.
pub(crate) struct Netlink {
    pub(crate) socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens the socket with strict checking and extended acknowledgements.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        // A refused filter is an error then, and not a dump of everything.
        socket.set_netlink_get_strict_chk(true)?;
        socket.set_cap_ack(true)?;
        // An answer that the kernel had to drop must not hang the helper.
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(5)).map_err(io::Error::from)?;
        socket.bind_auto()?;
        // Connected to the kernel it takes messages from nobody else.
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; READ] })
    }

    /// Makes a change, and waits for what the kernel says to it.
    pub(crate) fn change(&mut self, change: &Message) -> Result<(), Errno> {
        self.exchange(change, NLM_F_ACK, &mut |_| Ok(()))
    }

    /// Dumps, keeping what `read` makes of each object. A dump that the
    /// kernel calls interrupted, or whose messages were lost, is worth nothing and is repeated.
    pub(crate) fn dump<T>(&mut self, kind: u16, bytes: Vec<u8>, read: Read<'_, T>) -> Result<Vec<T>, Reply> {
        let message = Message { kind, flags: 0, bytes };
        let mut repeats = 0..REPEATS;
        loop {
            let mut kept = Vec::new();
            let exchanged = self.exchange(&message, NLM_F_DUMP, &mut |payload| {
                kept.extend(read(&kept, payload)?);
                Ok(())
            });
            match exchanged {
                Ok(()) => return Ok(kept),
                // EBUSY: the rest of a dump that was given up is still on its way.
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EBUSY) if repeats.next().is_some() => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }

    /// Sends this and receives until it is answered; `each` gets what is no acknowledgement.
    fn exchange(&mut self, message: &Message, flags: u16, each: Each<'_>) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(HEADER + message.bytes.len()).map_err(|_| Errno::EMSGSIZE)?;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(message.kind.to_ne_bytes());
        bytes.extend((message.flags | flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend(self.sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(&message.bytes);
        self.socket.send(&bytes, 0).map_err(errno)?;
        let mut interrupted = false;
        loop {
            let read = match self.socket.recv(&mut &mut self.buffer[..], libc::MSG_TRUNC).map_err(errno) {
                // A call with a timeout is interrupted by SIGCONT too, signal(7).
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let mut rest = self.buffer.get(..read).ok_or(Errno::EMSGSIZE)?;
            while !rest.is_empty() {
                let packet = NetlinkBuffer::new_checked(rest).map_err(|_| Errno::EBADMSG)?;
                let length = usize::try_from(packet.length()).map_err(|_| Errno::EBADMSG)?;
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
                if packet.sequence_number() != self.sequence {
                    // The remains of an exchange that was given up.
                    continue;
                }
                interrupted |= packet.flags() & NLM_F_DUMP_INTR != 0;
                match packet.message_type() {
                    // A refused filter is named at the end of the dump and nowhere else: without
                    // this look it would pass for an empty table.
                    NLMSG_ERROR | NLMSG_DONE => {
                        let code = packet.payload().first_chunk().map_or(0, |b| i32::from_ne_bytes(*b));
                        if code < 0 {
                            return Err(Errno::from_raw(code.saturating_neg()));
                        }
                        return if interrupted { Err(Errno::EAGAIN) } else { Ok(()) };
                    }
                    // What cannot be read may be the very object that forbids a request: no
                    // answer is safe then.
                    _ => each(packet.payload()).map_err(|_| Errno::EBADMSG)?,
                }
            }
        }
    }
}

fn errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_filter_is_an_error_and_no_empty_table() {
        let mut netlink = Netlink::open().expect("a socket");
        // Strict checking permits no scope (the seventh byte) in a dump request.
        let mut header = vec![2, 0, 0, 0, 0, 0, 253, 0, 0, 0, 0, 0];
        let dump = netlink.dump(libc::RTM_GETROUTE, header.clone(), &|_, _| Ok(Some(())));
        assert_eq!(dump, Err(failed(Errno::EINVAL)));
        header[6] = 0;
        assert!(netlink.dump(libc::RTM_GETROUTE, header, &|_, _| Ok(Some(()))).is_ok());
    }
}
