//! The messages of a datagram, told apart and not looked into (`struct nlmsghdr`, netlink(7)).

use netlink_packet_core::NetlinkBuffer;

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// `nlmsg_type`
    pub kind: u16,
    /// `nlmsg_flags`
    pub flags: u16,
    /// `nlmsg_seq`: of the request that it answers, 0 where nobody asked.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
    /// With its header.
    pub whole: &'a [u8],
}

/// The length field of a message is impossible: nobody knows where the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Torn;

/// What is left of a datagram.
pub(super) struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    /// From its first byte.
    pub(super) fn of(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Raw<'a>, Torn>;

    fn next(&mut self) -> Option<Self::Item> {
        let datagram = self.0;
        if datagram.is_empty() {
            return None;
        }
        let Ok(buffer) = NetlinkBuffer::new_checked(datagram) else {
            self.0 = &[];
            return Some(Err(Torn));
        };
        let length = usize::try_from(buffer.length()).unwrap_or(usize::MAX);
        // Messages are aligned to four bytes (NLMSG_ALIGN).
        self.0 = datagram.get(length.saturating_add(3) & !3..).unwrap_or_default();
        Some(Ok(Raw {
            kind: buffer.message_type(),
            flags: buffer.flags(),
            sequence: buffer.sequence_number(),
            payload: buffer.payload(),
            whole: datagram.get(..length).unwrap_or(datagram),
        }))
    }
}
