//! The helper's questions, answered by whatever bytes: it may get an error, never a wrong object, and
//! always an end.

use crate::bytes::Bytes;
use crate::kernel::Kernel;
use crate::netlink::Netlink;
use crate::socket::{Peer, connect_to};
use protocol::{Family, Ifindex, Prefix, TableId};

/// What is left of the input, as datagrams: two bytes of length, then the bytes.
struct Answers {
    rest: Bytes,
    sequence: [u8; 4],
}

/// A receive that waited too long.
const EAGAIN: i32 = 11;

impl Peer for Answers {
    fn sent(&mut self, datagram: &[u8]) {
        self.sequence.copy_from_slice(&datagram[8..12]);
    }

    fn next(&mut self) -> Result<(Vec<u8>, usize), i32> {
        if self.rest.is_empty() {
            return Err(EAGAIN);
        }
        let length = usize::from(u16::from_le_bytes([self.rest.byte(), self.rest.byte()]));
        // Larger than what it was read into, as MSG_TRUNC tells it.
        let told = if length > 0xff00 { Some(length) } else { None };
        let mut datagram = self.rest.some(length);
        // The fuzzer need not guess the number: 0 stands for the right one.
        let mut at = 0;
        while let Some(header) = datagram.get_mut(at..at + 16) {
            if header[8..12] == [0; 4] {
                header[8..12].copy_from_slice(&self.sequence);
            }
            let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
            at += usize::try_from(length).expect("32 bits").next_multiple_of(4).max(16);
        }
        let length = told.unwrap_or(datagram.len());
        Ok((datagram, length))
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let mut rest = Bytes::new(bytes);
    let question = rest.byte();
    connect_to(Answers { rest, sequence: [0; 4] });
    let mut kernel = Kernel { netlink: Netlink::open().expect("a socket") };
    let ifindex = Ifindex::try_from(2).expect("valid");
    match question % 7 {
        0 => {
            if let Ok(Some(link)) = kernel.link(2) {
                assert!(!link.name.is_empty());
            }
        }
        1 => {
            for address in kernel.addresses(Some(ifindex), Family::V4).unwrap_or_default() {
                assert!(address.subnet.length() <= Prefix::host(address.subnet.address()).length());
            }
        }
        2 => {
            for rule in kernel.rules().unwrap_or_default() {
                // Of another's rule nothing can be deleted; of ours always something.
                assert_eq!(rule.deletion().is_some(), rule.is_ours());
                if let Some(ours) = rule.as_ours() {
                    assert_eq!(rule.deletion(), Some(ours.message()));
                }
            }
        }
        3 => {
            for route in kernel.table(TableId(202), Family::V4, &|_, _| true).unwrap_or_default() {
                let key = route.key();
                assert!(key.destination.length() <= 128);
                let _ = route.message();
            }
        }
        4 => _ = kernel.look_up("192.0.2.1".parse().expect("an address"), Some(ifindex)),
        5 => _ = kernel.routes_by(2, Family::V6, &|_, _| true),
        _ => {
            let prefix = "192.0.2.0/24".parse().expect("a prefix");
            let route = crate::route::Route::subnet(TableId(202), ifindex, prefix);
            let _ = (kernel.add_route(&route), kernel.delete_route(&route));
        }
    }
    if let Some(words) = kernel.netlink.explanation.take() {
        assert!(words.len() <= 3 * bytes.len());
    }
}
