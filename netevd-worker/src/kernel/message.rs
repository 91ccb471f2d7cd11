//! A datagram of rtnetlink to values. One bad message costs itself and nothing else.

use crate::kernel::interest::RouteInterest;
use crate::kernel::raw::{Messages, Raw};
use crate::kernel::{Link, Rule};
use crate::model::{Address, Route};
use netlink_packet_core::{DecodeError, NLM_F_REPLACE, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc::{RTM_DELROUTE, RTM_DELRULE, RTM_NEWROUTE, RTM_NEWRULE};
use protocol::Ifindex;
use std::net::IpAddr;

/// `RTM_NEWNEXTHOP`, `RTM_DELNEXTHOP` (linux/rtnetlink.h): routes made of the object change without a message.
const NEXTHOPS: [u16; 2] = [104, 105];

/// What the kernel said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelMessage {
    /// A link is there, in this form.
    Link(Link),
    /// A link is gone from this namespace.
    LinkGone(Ifindex),
    /// An address is there, in this form.
    Address(Ifindex, Address),
    /// An address is gone.
    AddressGone(Ifindex, Address),
    /// A route is there; the flag says that it replaced one of the same key.
    Route(Route, bool),
    /// A route is gone.
    RouteGone(Route),
    /// A rule is there.
    Rule(Rule),
    /// A rule is gone.
    RuleGone(Rule),
}

/// What a datagram had beside the messages that were handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that did not parse.
    pub faults: usize,
    /// Messages of no interest: of routes that are there, and of those that are gone.
    pub passed_over: [u64; 2],
    /// Messages that are not handed over, and say that something changed which is read when it is needed.
    pub rings: u64,
}

/// Calls `each` for every message in a datagram that means something, in order; returns how many
/// did not parse. A message whose length field is impossible ends the datagram.
pub fn parse(datagram: &[u8], each: impl FnMut(KernelMessage)) -> usize {
    let mut tally = Tally::default();
    read(datagram, None, &mut tally, each);
    tally.faults
}

/// The same without the routes that are of no interest, which cost no more than a look.
pub(super) fn read(
    datagram: &[u8],
    interest: Option<RouteInterest>,
    tally: &mut Tally,
    mut each: impl FnMut(KernelMessage),
) {
    for message in Messages::of(datagram) {
        let Ok(message) = message else {
            tally.faults += 1;
            return;
        };
        if NEXTHOPS.contains(&message.kind) {
            tally.rings += 1;
            continue;
        }
        if let Some(interest) = interest.filter(|interest| !interest.wants(&message)) {
            tally.rings += u64::from(interest.rings(&message));
            tally.passed_over[usize::from(message.kind == RTM_DELROUTE)] += 1;
            continue;
        }
        match value(&message) {
            Ok(value) => value.into_iter().for_each(&mut each),
            Err(_) => tally.faults += 1,
        }
    }
}

/// The value of one message, if it means something here.
pub(super) fn value(message: &Raw<'_>) -> Result<Option<KernelMessage>, DecodeError> {
    let replaced = message.flags & NLM_F_REPLACE != 0;
    match message.kind {
        RTM_NEWROUTE => Ok(Route::read(message.payload)?.map(|route| KernelMessage::Route(route, replaced))),
        RTM_DELROUTE => Ok(Route::read(message.payload)?.map(KernelMessage::RouteGone)),
        RTM_NEWRULE => Ok(Rule::read(message.payload)?.map(KernelMessage::Rule)),
        RTM_DELRULE => Ok(Rule::read(message.payload)?.map(KernelMessage::RuleGone)),
        _ => NetlinkMessage::<RouteNetlinkMessage>::deserialize(message.whole).map(convert),
    }
}

fn convert(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<KernelMessage> {
    let NetlinkPayload::InnerMessage(inner) = message.payload else { return None };
    match inner {
        // A bridge speaks of its ports with family AF_BRIDGE, and a port that leaves gives an
        // RTM_DELLINK although the link itself stays.
        RouteNetlinkMessage::NewLink(m) if m.header.interface_family == AddressFamily::Unspec => {
            Link::from_message(m).map(KernelMessage::Link)
        }
        RouteNetlinkMessage::DelLink(m) if m.header.interface_family == AddressFamily::Unspec => {
            Ifindex::try_from(m.header.index).ok().map(KernelMessage::LinkGone)
        }
        RouteNetlinkMessage::NewAddress(m) => address(m).map(|(i, a)| KernelMessage::Address(i, a)),
        RouteNetlinkMessage::DelAddress(m) => address(m).map(|(i, a)| KernelMessage::AddressGone(i, a)),
        _ => None,
    }
}

fn address(message: AddressMessage) -> Option<(Ifindex, Address)> {
    let header = message.header;
    let ifindex = Ifindex::try_from(header.index).ok()?;
    let (mut local, mut other, mut label) = (None, None, None);
    let mut address = Address {
        ip: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        prefix_length: header.prefix_len,
        scope: header.scope.into(),
        flags: header.flags.bits().into(),
        peer: None,
        broadcast: None,
        label: None,
        preferred_lifetime: u32::MAX,
        valid_lifetime: u32::MAX,
    };
    for attribute in message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(ip),
            AddressAttribute::Address(ip) => other = Some(ip),
            AddressAttribute::Label(text) => label = Some(text),
            AddressAttribute::Broadcast(ip) => address.broadcast = Some(ip),
            // Replaces the eight bits of the header.
            AddressAttribute::Flags(flags) => address.flags = flags.bits(),
            AddressAttribute::CacheInfo(info) => {
                address.preferred_lifetime = info.ifa_preferred;
                address.valid_lifetime = info.ifa_valid;
            }
            _ => {}
        }
    }
    // IFA_ADDRESS is the far end where IFA_LOCAL stands beside it, else the address itself.
    address.ip = local.or(other)?;
    address.peer = other.filter(|peer| *peer != address.ip);
    address.label = label;
    Some((ifindex, address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_route::link::{LinkAttribute, LinkMessage};
    use proptest::prelude::*;

    fn bytes(inner: RouteNetlinkMessage) -> Vec<u8> {
        let mut message = NetlinkMessage::from(inner);
        message.finalize();
        let mut buffer = vec![0; message.buffer_len()];
        message.serialize(&mut buffer);
        buffer
    }

    fn link(family: AddressFamily) -> LinkMessage {
        let mut link = LinkMessage::default();
        link.header.index = 7;
        link.header.interface_family = family;
        link.attributes.push(LinkAttribute::IfName("we+b".to_owned()));
        link
    }

    fn all(datagram: &[u8]) -> (Vec<KernelMessage>, usize) {
        let mut found = Vec::new();
        let faults = parse(datagram, |m| found.push(m));
        (found, faults)
    }

    #[test]
    fn a_port_that_leaves_its_bridge_is_not_gone() {
        let gone = bytes(RouteNetlinkMessage::DelLink(link(AddressFamily::Bridge)));
        assert_eq!(all(&gone), (vec![], 0));
        let gone = bytes(RouteNetlinkMessage::DelLink(link(AddressFamily::Unspec)));
        assert_eq!(all(&gone).0, vec![KernelMessage::LinkGone(Ifindex::try_from(7).expect("valid"))]);
    }

    #[test]
    fn one_bad_message_costs_itself() {
        let good = bytes(RouteNetlinkMessage::NewLink(link(AddressFamily::Unspec)));
        let mut bad = good.clone();
        bad.truncate(20);
        bad[0] = 20; // too short for its header
        let datagram = [good.clone(), bad, good].concat();
        let (found, faults) = all(&datagram);
        assert_eq!((found.len(), faults), (2, 1));
        assert_eq!(all(&datagram[..datagram.len() - 4]).1, 2);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(datagram in prop::collection::vec(any::<u8>(), 0..200)) {
            parse(&datagram, |_| {});
        }

        #[test]
        fn no_changed_byte_panics(position in 0usize..64, value: u8) {
            let mut datagram = bytes(RouteNetlinkMessage::NewLink(link(AddressFamily::Unspec)));
            let position = position % datagram.len();
            datagram[position] = value;
            parse(&datagram, |_| {});
        }
    }
}
