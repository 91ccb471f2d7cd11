//! The netlink socket: a dump, or changes and their acknowledgements.
//!
//! Blocking, one exchange at a time. It knows messages, not what they mean; nothing here decides.

use crate::start::log;
use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP,
    NLMSG_OVERRUN, NetlinkBuffer, NlasIterator,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;

/// What a burst of answers needs: the default of 208 KiB was overrun by 300 acknowledgements. And what the
/// largest batch needs.
const BUFFER: usize = 4 << 20;
/// The kernel fills at most 32 KiB a read, whatever is offered (`netlink_recvmsg`).
const READ: usize = 32 << 10;
/// How often a dump is repeated that the kernel calls inconsistent.
const ATTEMPTS: usize = 5;
/// `NLMSGERR_ATTR_MSG` (linux/netlink.h): the kernel's own words.
const EXPLANATION: u16 = 1;
/// An error's code and the header of the request, after which the attributes stand (with
/// NETLINK_CAP_ACK, which leaves the rest of the request out).
const ERROR: usize = 4 + HEADER;
/// `struct nlmsghdr`
const HEADER: usize = 16;

/// Maximum number of changes in one call; one may have 64 KiB.
const BATCH: usize = 64;

/// A message without its header: the type, `RTM_*` (linux/rtnetlink.h), and flags beside REQUEST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) bytes: Vec<u8>,
}

/// What the kernel says to each message.
type Results = Result<Vec<Result<(), Errno>>, Errno>;
/// Reads an object, or takes it.
type Read<'a, T> = &'a dyn Fn(&[u8]) -> Result<Option<T>, DecodeError>;
type Each<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), DecodeError>;

/// The socket, and the kernel's words on the last refusal.
pub(crate) struct Netlink {
    pub(crate) socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
    /// What the kernel said about its last error, if it said anything.
    pub(crate) explanation: Option<String>,
}

impl Netlink {
    /// Opens the socket with strict checking and extended acknowledgements.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        // Without the right to it only the longest routes of many hops are refused.
        let _ = setsockopt(&socket, sockopt::SndBufForce, &BUFFER);
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            // In a user namespace only the system's own limit is to be had.
            setsockopt(&socket, sockopt::RcvBuf, &BUFFER)?;
            log(
                "the netlink receive buffer is not forced, as in a user namespace: large dumps may be repeated",
            );
        }
        // A refused filter is an error then, and not a dump of everything.
        socket.set_netlink_get_strict_chk(true)?;
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        // An answer that the kernel had to drop must not hang the helper.
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(5)).map_err(io::Error::from)?;
        socket.bind_auto()?;
        // Connected to the kernel it takes messages from nobody else.
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; READ], explanation: None })
    }

    /// Makes these changes in their order, many in one call, and waits for what the kernel says to each.
    pub(crate) fn change(&mut self, changes: &[Message]) -> Results {
        let each = |batch| self.exchange(batch, NLM_F_ACK, &mut |_| Ok(()));
        Ok(changes.chunks(BATCH).map(each).collect::<Result<Vec<_>, Errno>>()?.concat())
    }

    /// Dumps, keeping what `read` makes of each object. A dump that the
    /// kernel calls interrupted, or whose messages were lost, is worth nothing and is repeated.
    pub(crate) fn dump<T>(&mut self, kind: u16, bytes: Vec<u8>, read: Read<'_, T>) -> Result<Vec<T>, Errno> {
        let message = [Message { kind, flags: 0, bytes }];
        let mut result = Err(Errno::EAGAIN);
        for _ in 0..ATTEMPTS {
            let mut kept = Vec::new();
            let exchanged = self.exchange(&message, NLM_F_DUMP, &mut |payload| {
                kept.extend(read(payload)?);
                Ok(())
            });
            match exchanged.and_then(|results| results.into_iter().collect()) {
                Ok(()) => return Ok(kept),
                // EBUSY: the rest of a dump that was given up is still on its way.
                Err(errno @ (Errno::EAGAIN | Errno::ENOBUFS | Errno::EBUSY)) => result = Err(errno),
                Err(errno) => return Err(errno),
            }
        }
        result
    }

    /// Sends these and receives until each is answered; `each` gets what is no acknowledgement.
    fn exchange(&mut self, messages: &[Message], flags: u16, each: Each<'_>) -> Results {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            let length = u32::try_from(HEADER + message.bytes.len()).map_err(|_| Errno::EMSGSIZE)?;
            bytes.extend(length.to_ne_bytes());
            bytes.extend(message.kind.to_ne_bytes());
            bytes.extend((message.flags | flags | NLM_F_REQUEST).to_ne_bytes());
            bytes.extend(self.sequence.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(&message.bytes);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        self.socket.send(&bytes, 0).map_err(errno)?;
        let mut results = vec![None; messages.len()];
        let mut interrupted = false;
        while results.contains(&None) {
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
                let position = packet.sequence_number().wrapping_sub(first) as usize;
                // Else the remains of an exchange that was given up.
                let Some(result) = results.get_mut(position) else { continue };
                interrupted |= packet.flags() & NLM_F_DUMP_INTR != 0;
                match packet.message_type() {
                    // A refused filter is named at the end of the dump and nowhere else: without
                    // this look it would pass for an empty table.
                    kind @ (NLMSG_ERROR | NLMSG_DONE) => {
                        let code = packet.payload().first_chunk().map_or(0, |b| i32::from_ne_bytes(*b));
                        *result = Some(if code < 0 {
                            self.explanation = explanation(packet.payload());
                            Err(Errno::from_raw(code.saturating_neg()))
                        } else if kind == NLMSG_DONE && interrupted {
                            Err(Errno::EAGAIN)
                        } else {
                            Ok(())
                        });
                    }
                    NLMSG_OVERRUN => return Err(Errno::ENOBUFS),
                    NLMSG_NOOP => {}
                    // What cannot be read may be the very object that forbids a request: no
                    // answer is safe then.
                    _ => each(packet.payload()).map_err(|_| Errno::EBADMSG)?,
                }
            }
        }
        Ok(results.into_iter().flatten().collect())
    }
}

fn explanation(error: &[u8]) -> Option<String> {
    let attributes = NlasIterator::new(error.get(ERROR..)?).flatten();
    let text = attributes.filter(|a| a.kind() == EXPLANATION).last()?;
    Some(String::from_utf8_lossy(text.value()).trim_end_matches('\0').to_owned())
}

fn errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_words_are_found() {
        let mut error = vec![0; ERROR];
        assert_eq!(explanation(&error), None);
        error.extend([8, 0, 1, 0, b'n', b'o', b'!', 0]);
        assert_eq!(explanation(&error).as_deref(), Some("no!"));
        assert_eq!(explanation(&error[..3]), None);
    }

    #[test]
    fn a_refused_filter_is_an_error_and_no_empty_table() {
        let mut netlink = Netlink::open().expect("a socket");
        // Strict checking permits no scope (the seventh byte) in a dump request.
        let mut header = vec![2, 0, 0, 0, 0, 0, 253, 0, 0, 0, 0, 0];
        let dump = netlink.dump(libc::RTM_GETROUTE, header.clone(), &|_| Ok(Some(())));
        assert_eq!(dump, Err(Errno::EINVAL));
        assert!(netlink.explanation.take().is_none_or(|words| !words.is_empty()));
        header[6] = 0;
        assert!(netlink.dump(libc::RTM_GETROUTE, header, &|_| Ok(Some(()))).is_ok());
    }
}
