//! The netlink socket: one request, its acknowledgement, its answer or its dump.
//!
//! Blocking, one exchange at a time. It knows messages, not what they mean; nothing here decides.

use crate::start::log;
use netlink_packet_core::{
    DecodeError, Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTIPART, NLM_F_REQUEST,
    NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer, NetlinkHeader, NlasIterator,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;

/// What a burst of answers needs: the default of 208 KiB was overrun by 300 acknowledgements.
const RECEIVE_BUFFER: usize = 4 << 20;
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

/// A message's type, `RTM_*` (linux/rtnetlink.h).
type Kind = u16;

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
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            // In a user namespace only the system's own limit is to be had.
            setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
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

    /// Sends a change and waits for its acknowledgement. `flags` beside REQUEST and ACK.
    pub(crate) fn change(&mut self, kind: Kind, message: &dyn Emitable, flags: u16) -> Result<(), Errno> {
        self.exchange(kind, message, flags | NLM_F_ACK, &mut |_| Ok(()))
    }

    /// Asks for one object, which `read` makes of the answer; an absent one is the kernel's errno.
    pub(crate) fn get<T>(
        &mut self,
        kind: Kind,
        message: &dyn Emitable,
        read: impl Fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<T, Errno> {
        let mut answer = None;
        self.exchange(kind, message, 0, &mut |payload| {
            answer = Some(read(payload)?);
            Ok(())
        })?;
        answer.ok_or(Errno::EBADMSG)
    }

    /// Dumps, keeping what `read` makes of each object; it is told how many are kept. A dump that the
    /// kernel calls interrupted, or whose messages were lost, is worth nothing and is repeated.
    pub(crate) fn dump<T>(
        &mut self,
        kind: Kind,
        message: &dyn Emitable,
        read: impl Fn(&[u8], usize) -> Result<Option<T>, DecodeError>,
    ) -> Result<Vec<T>, Errno> {
        let mut result = Err(Errno::EAGAIN);
        for _ in 0..ATTEMPTS {
            let mut kept = Vec::new();
            let exchanged = self.exchange(kind, message, NLM_F_DUMP, &mut |payload| {
                kept.extend(read(payload, kept.len())?);
                Ok(())
            });
            match exchanged {
                Ok(()) => return Ok(kept),
                // EBUSY: the rest of a dump that was given up is still on its way.
                Err(errno @ (Errno::EAGAIN | Errno::ENOBUFS | Errno::EBUSY)) => result = Err(errno),
                Err(errno) => return Err(errno),
            }
        }
        result
    }

    fn exchange(
        &mut self,
        kind: Kind,
        message: &dyn Emitable,
        flags: u16,
        each: &mut dyn FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = vec![0; HEADER + message.buffer_len()];
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(bytes.len()).map_err(|_| Errno::EMSGSIZE)?;
        header.message_type = kind;
        header.flags = flags | NLM_F_REQUEST;
        header.sequence_number = self.sequence;
        header.emit(&mut bytes);
        message.emit(&mut bytes[HEADER..]);
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
                // The remains of an exchange that was given up.
                if packet.sequence_number() != self.sequence {
                    continue;
                }
                interrupted |= packet.flags() & NLM_F_DUMP_INTR != 0;
                match packet.message_type() {
                    // A refused filter is told at the end of the dump and nowhere else: without
                    // this look it would pass for an empty table.
                    kind @ (NLMSG_ERROR | NLMSG_DONE) => {
                        let code = packet.payload().first_chunk().map_or(0, |b| i32::from_ne_bytes(*b));
                        if code < 0 {
                            self.explanation = explanation(packet.payload());
                            return Err(Errno::from_raw(code.saturating_neg()));
                        }
                        return if kind == NLMSG_DONE && interrupted { Err(Errno::EAGAIN) } else { Ok(()) };
                    }
                    NLMSG_OVERRUN => return Err(Errno::ENOBUFS),
                    NLMSG_NOOP => {}
                    // What cannot be read may be the very object that forbids a request: no
                    // answer is safe then.
                    _ => each(packet.payload()).map_err(|_| Errno::EBADMSG)?,
                }
                if packet.flags() & NLM_F_MULTIPART == 0 {
                    return Ok(());
                }
            }
        }
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
        let mut message = netlink_packet_route::route::RouteMessage::default();
        message.header.address_family = netlink_packet_route::AddressFamily::Inet;
        // Strict checking permits no scope in a dump request.
        message.header.scope = netlink_packet_route::route::RouteScope::Link;
        let dump = netlink.dump(libc::RTM_GETROUTE, &message, |_, _| Ok(Some(())));
        assert_eq!(dump, Err(Errno::EINVAL));
        assert!(netlink.explanation.take().is_none_or(|words| !words.is_empty()));
        message.header.scope = netlink_packet_route::route::RouteScope::Universe;
        assert!(netlink.dump(libc::RTM_GETROUTE, &message, |_, _| Ok(Some(()))).is_ok());
    }
}
