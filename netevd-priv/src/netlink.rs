//! The netlink socket: one request, its acknowledgement, its answer or its dump.
//!
//! Blocking, one exchange at a time. It knows messages, not what they mean; nothing here decides.

use netlink_packet_core::{
    DefaultNla, ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTIPART, NLM_F_REQUEST,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, Nla, NlaBuffer, NlasIterator, Parseable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// What a burst of answers needs: the default of 208 KiB was overrun by 300 acknowledgements.
pub(crate) const RECEIVE_BUFFER: usize = 4 << 20;
/// The kernel fills at most 32 KiB a read, whatever is offered (`netlink_recvmsg`).
const READ: usize = 32 << 10;
/// How often a dump is repeated that the kernel calls inconsistent.
const ATTEMPTS: usize = 5;
/// `NLMSGERR_ATTR_MSG` (linux/netlink.h): the kernel's own words.
const EXPLANATION: u16 = 1;
const HEADER: usize = 16;

/// The socket, and the kernel's words on the last refusal.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
    explanation: Option<String>,
}

impl Netlink {
    /// Opens the socket with strict checking and extended acknowledgements.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            // In a user namespace only the system's own limit is to be had; see `buffer_size`.
            socket.set_rx_buf_sz(i32::try_from(RECEIVE_BUFFER).unwrap_or(i32::MAX))?;
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

    /// The descriptor's number.
    pub(crate) fn number(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// The effective receive buffer in bytes (the kernel doubles what was asked for).
    pub(crate) fn buffer_size(&self) -> io::Result<usize> {
        self.socket.get_rx_buf_sz()
    }

    /// What the kernel said about its last error, if it said anything.
    pub(crate) fn explanation(&mut self) -> Option<String> {
        self.explanation.take()
    }

    /// Sends a change and waits for its acknowledgement. `flags` beside REQUEST and ACK.
    pub(crate) fn change(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), Errno> {
        self.exchange(message, flags | NLM_F_ACK, &mut |_| Ok(()))
    }

    /// Asks for one object; an absent one is the kernel's errno.
    pub(crate) fn get(&mut self, message: RouteNetlinkMessage) -> Result<RouteNetlinkMessage, Errno> {
        let mut answer = None;
        self.exchange(message, 0, &mut |message| {
            answer = Some(message);
            Ok(())
        })?;
        answer.ok_or(Errno::EBADMSG)
    }

    /// Dumps, keeping what `keep` makes of each object. A dump that the kernel calls interrupted,
    /// or whose messages were lost, is worth nothing and is repeated.
    pub(crate) fn dump<T>(
        &mut self,
        message: &RouteNetlinkMessage,
        mut keep: impl FnMut(RouteNetlinkMessage) -> Result<Option<T>, Errno>,
    ) -> Result<Vec<T>, Errno> {
        let mut result = Err(Errno::EAGAIN);
        for _ in 0..ATTEMPTS {
            let mut kept = Vec::new();
            let exchanged = self.exchange(message.clone(), NLM_F_DUMP, &mut |message| {
                kept.extend(keep(message)?);
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
        message: RouteNetlinkMessage,
        flags: u16,
        each: &mut dyn FnMut(RouteNetlinkMessage) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags | NLM_F_REQUEST;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map_err(errno)?;
        let mut interrupted = false;
        loop {
            let read = loop {
                match self.socket.recv(&mut &mut self.buffer[..], libc::MSG_TRUNC).map_err(errno) {
                    Err(Errno::EINTR) => {}
                    other => break other?,
                }
            };
            let mut rest = self.buffer.get(..read).ok_or(Errno::EMSGSIZE)?;
            while rest.len() >= HEADER {
                let (packet, length) = decode(rest)?;
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
                // The remains of an exchange that was given up.
                if packet.header.sequence_number != self.sequence {
                    continue;
                }
                interrupted |= packet.header.flags & NLM_F_DUMP_INTR != 0;
                let multipart = packet.header.flags & NLM_F_MULTIPART != 0;
                match packet.payload {
                    NetlinkPayload::Error(error) => {
                        let code = error.raw_code();
                        if code != 0 {
                            self.explanation = explanation(&error);
                            return Err(Errno::from_raw(code.saturating_neg()));
                        }
                        return Ok(());
                    }
                    // A refused filter is told here and nowhere else: without this look it
                    // would pass for an empty table.
                    NetlinkPayload::Done(done) if done.code < 0 => {
                        return Err(Errno::from_raw(done.code.saturating_neg()));
                    }
                    NetlinkPayload::Done(_) if interrupted => return Err(Errno::EAGAIN),
                    NetlinkPayload::Done(_) => return Ok(()),
                    NetlinkPayload::InnerMessage(inner) => {
                        each(inner)?;
                        if !multipart {
                            return Ok(());
                        }
                    }
                    NetlinkPayload::Overrun(_) => return Err(Errno::ENOBUFS),
                    _ => {}
                }
            }
        }
    }
}

/// The first message of a datagram and its length in bytes.
fn decode(bytes: &[u8]) -> Result<(NetlinkMessage<RouteNetlinkMessage>, usize), Errno> {
    let length = bytes.first_chunk::<4>().map(|b| u32::from_ne_bytes(*b)).ok_or(Errno::EBADMSG)?;
    let length = usize::try_from(length).map_err(|_| Errno::EBADMSG)?;
    let message = bytes.get(..length).filter(|m| m.len() >= HEADER).ok_or(Errno::EBADMSG)?;
    // What cannot be read may be the very object that forbids a request: no answer is safe then.
    Ok((NetlinkMessage::deserialize(message).map_err(|_| Errno::EBADMSG)?, length))
}

fn explanation(error: &ErrorMessage) -> Option<String> {
    // With NETLINK_CAP_ACK the request's header alone stands before the attributes.
    let attributes = NlasIterator::new(error.header.get(HEADER..)?);
    let texts = attributes.flatten().filter(|a: &NlaBuffer<&[u8]>| a.kind() == EXPLANATION);
    let text = texts.last().and_then(|a| DefaultNla::parse(&a).ok())?;
    let mut bytes = vec![0; text.value_len()];
    text.emit_value(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim_end_matches('\0').to_owned())
}

fn errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_is_refused() {
        let whole = [20u32.to_ne_bytes(), [3, 0, 2, 0], [0; 4], [0; 4], [0; 4]].concat();
        assert_eq!(decode(&whole).map(|(_, length)| length), Ok(20));
        assert_eq!(decode(&whole[..19]).map(drop), Err(Errno::EBADMSG));
        let lying = [8u32.to_ne_bytes(), [3, 0, 2, 0], [0; 4], [0; 4]].concat();
        assert_eq!(decode(&lying).map(drop), Err(Errno::EBADMSG));
    }

    #[test]
    fn the_kernel_s_words_are_found() {
        let mut error = ErrorMessage::default();
        error.header = vec![0; 16];
        error.header.extend([8, 0, 1, 0, b'n', b'o', b'!', 0]);
        assert_eq!(explanation(&error).as_deref(), Some("no!"));
        error.header.truncate(16);
        assert_eq!(explanation(&error), None);
    }
}
