//! The helper's questions, answered by whatever bytes: it may get an error, never a wrong object, and
//! always an end.

use crate::bytes::Bytes;
use crate::kernel::{EVERY, Filter, View};
use crate::netlink::Netlink;
use crate::route::Route;
use crate::rule::Rule;
use crate::socket::{Peer, connect_to};
use nix::libc::RTN_UNREACHABLE;
use protocol::{Family, Policy, Prefix, TableId};
use std::collections::BTreeSet;
use std::rc::Rc;

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
    let mut netlink = Netlink::open().expect("a socket");
    let everything = BTreeSet::from([Prefix::everything(Family::V4)]);
    match question % 6 {
        0 => {
            if let Ok(view) = View::read(&Rc::new(Policy::default()), &mut netlink, Family::V4) {
                assert!(view.links.values().all(|link| !link.names.is_empty()));
                // What is read of a rule is what is written of it.
                for rule in &view.ours {
                    let again = Rule::read(&rule.deletion().bytes).expect("it was read once");
                    assert_eq!(again, *rule);
                }
            }
        }
        1 => routes(&mut netlink, Family::V4, Filter::Table(TableId(202), None)),
        2 => routes(&mut netlink, Family::V6, Filter::By(2)),
        3 => routes(&mut netlink, Family::V6, Filter::Ours),
        4 => routes(&mut netlink, Family::V4, Filter::Table(TableId(254), Some(&everything))),
        _ => {
            let prefix = "192.0.2.0/24".parse().expect("a prefix");
            let route = Route::ours(TableId(202), prefix, RTN_UNREACHABLE, None);
            for change in route.deletions().chain([route.addition(0)]) {
                // Each change has its answer, or fails.
                let _ = netlink.change(&change);
            }
        }
    }
}

/// Routes as they are read, in every form that the helper makes of them.
fn routes(netlink: &mut Netlink, family: Family, filter: Filter<'_>) {
    for route in netlink.routes(family, filter, EVERY).unwrap_or_default() {
        assert!(route.destination.length() <= Prefix::host(route.destination.address()).length());
        assert_eq!(route.parts().iter().map(|part| part.hops.len()).sum::<usize>(), route.hops.len());
        for part in route.parts() {
            assert!(part.is_part_of(&route) && part.has_ways_of(&route));
        }
        let copy = route.copy(TableId(202), route.hops.clone());
        assert!(copy.is_ours() && copy.is_part_of(&route));
        let _ = (copy.addition(0), copy.deletions().count(), route.slot());
    }
}
