//! Typed questions to the kernel, and the four kinds of change that the helper makes.
//!
//! Each question is asked anew: nothing here is remembered from one request to the next.

use crate::netlink::Netlink;
use crate::route::{Route, address_family};
use crate::rule::{OurRule, Rule};
use netlink_packet_core::{
    DecodeError, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NlasIterator, Parseable, parse_string, parse_u32,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage, AddressScope,
};
use netlink_packet_route::link::{LinkFlags, LinkHeader};
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteType};
use netlink_packet_route::rule::RuleMessage;
use nix::errno::Errno;
use nix::libc;
use protocol::{Family, Ifindex, PROTOCOL, Prefix, TableId};
use std::net::IpAddr;

/// What the checks need to know of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) loopback: bool,
    pub(crate) enslaved: bool,
    /// `IFF_POINTOPOINT`
    pub(crate) point_to_point: bool,
}

/// One address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) address: IpAddr,
    /// The connected subnet; of a point-to-point address, the peer's.
    pub(crate) subnet: Prefix,
    /// Global scope, not tentative, not failed its duplicate check.
    pub(crate) usable: bool,
}

/// Objects of one kind; none is no error.
type Found<T> = Result<Vec<T>, Errno>;
/// Which routes are kept while a dump is read, which may be of a million; so many are kept already.
pub(crate) type Keep<'a> = &'a dyn Fn(&Route, usize) -> bool;

/// The kernel's side of the helper.
pub(crate) struct Kernel {
    pub(crate) netlink: Netlink,
}

impl Kernel {
    /// The interface of this index.
    pub(crate) fn link(&mut self, ifindex: u32) -> Result<Option<Link>, Errno> {
        let header = LinkHeader { index: ifindex, ..LinkHeader::default() };
        match self.netlink.get(libc::RTM_GETLINK, &header, read_link) {
            Err(Errno::ENODEV) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The addresses of one family: of one interface, or of all.
    pub(crate) fn addresses(&mut self, ifindex: Option<Ifindex>, family: Family) -> Found<Address> {
        let mut message = AddressMessage::default();
        message.header.family = address_family(family);
        message.header.index = ifindex.map_or(0, Ifindex::get);
        none_if_gone(self.netlink.dump(libc::RTM_GETADDR, &message, |payload, _| read_address(payload)))
    }

    /// All rules of both families: the kernel has no filter for them.
    pub(crate) fn rules(&mut self) -> Found<Rule> {
        self.netlink.dump(libc::RTM_GETRULE, &RuleMessage::default(), |payload, _| Rule::read(payload))
    }

    /// The routes of one table; none if there is no such table.
    pub(crate) fn table(&mut self, table: TableId, family: Family, keep: Keep<'_>) -> Found<Route> {
        self.routes(family, keep, &|filter| filter.attributes.push(RouteAttribute::Table(table.0)))
    }

    /// The unicast routes of all tables that leave by this interface.
    pub(crate) fn routes_by(&mut self, oif: u32, family: Family, keep: Keep<'_>) -> Found<Route> {
        self.routes(family, keep, &|filter| {
            filter.header.kind = RouteType::Unicast;
            filter.attributes.push(RouteAttribute::Oif(oif));
        })
    }

    /// Every route that carries our protocol number, of both families and in whatever table.
    pub(crate) fn our_routes(&mut self) -> Found<Route> {
        let set = &|filter: &mut RouteMessage| filter.header.protocol = RouteProtocol::Other(PROTOCOL);
        Ok([self.routes(Family::V4, &|_, _| true, set)?, self.routes(Family::V6, &|_, _| true, set)?]
            .concat())
    }

    fn routes(&mut self, family: Family, keep: Keep<'_>, set: &dyn Fn(&mut RouteMessage)) -> Found<Route> {
        let mut message = RouteMessage::default();
        message.header.address_family = address_family(family);
        set(&mut message);
        let read = |payload: &[u8], kept| Ok(Route::read(payload)?.filter(|route| keep(route, kept)));
        none_if_gone(self.netlink.dump(libc::RTM_GETROUTE, &message, read))
    }

    /// The route that the kernel would take to `address`, by interface `oif` if one is named, and
    /// not the cached result of it (`RTM_F_FIB_MATCH`); `None` when there is no way.
    pub(crate) fn look_up(&mut self, address: IpAddr, oif: Option<Ifindex>) -> Result<Option<Route>, Errno> {
        let mut message = RouteMessage::default();
        message.header.address_family = address_family(Family::of(address));
        message.header.destination_prefix_length = Prefix::host(address).length();
        message.header.flags = RouteFlags::FibMatch;
        message.attributes.push(RouteAttribute::Destination(address.into()));
        message.attributes.extend(oif.map(|oif| RouteAttribute::Oif(oif.get())));
        match self.netlink.get(libc::RTM_GETROUTE, &message, Route::read) {
            // No route; an unreachable, a prohibit, a blackhole route; no such interface.
            Err(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EACCES | Errno::EINVAL | Errno::ENODEV) => {
                Ok(None)
            }
            other => other,
        }
    }

    /// Adds a rule; EEXIST when the same one stands.
    pub(crate) fn add_rule(&mut self, rule: &OurRule) -> Result<(), Errno> {
        self.netlink.change(libc::RTM_NEWRULE, &rule.message(), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Deletes a rule; false when there is none.
    pub(crate) fn delete_rule(&mut self, message: RuleMessage) -> Result<bool, Errno> {
        absent(self.netlink.change(libc::RTM_DELRULE, &message, 0))
    }

    /// Adds a route; EEXIST when its destination and metric are taken.
    pub(crate) fn add_route(&mut self, route: &Route) -> Result<(), Errno> {
        self.netlink.change(libc::RTM_NEWROUTE, &route.message(), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Puts a route in the place of the one with its key, in one step. The kernel does not ask
    /// whose that was: the caller must have.
    pub(crate) fn replace_route(&mut self, route: &Route) -> Result<(), Errno> {
        self.netlink.change(libc::RTM_NEWROUTE, &route.message(), NLM_F_REPLACE)
    }

    /// Deletes a route; false when there is none.
    pub(crate) fn delete_route(&mut self, route: &Route) -> Result<bool, Errno> {
        absent(self.netlink.change(libc::RTM_DELROUTE, &route.message(), 0))
    }
}

/// "FIB table does not exist", and a filter's interface that has just gone.
fn none_if_gone<T>(found: Found<T>) -> Found<T> {
    if matches!(found, Err(Errno::ENOENT | Errno::ENODEV)) { Ok(Vec::new()) } else { found }
}

fn absent(deleted: Result<(), Errno>) -> Result<bool, Errno> {
    match deleted {
        Ok(()) => Ok(true),
        Err(Errno::ENOENT | Errno::ESRCH | Errno::ENODEV) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Attribute by attribute: two of them are of interest, and some sixty there may be.
fn read_link(payload: &[u8]) -> Result<Link, DecodeError> {
    const HEADER: usize = 16;
    let flags = LinkHeader::parse(payload)?.flags;
    let mut link = Link {
        name: String::new(),
        loopback: flags.contains(LinkFlags::Loopback),
        enslaved: false,
        point_to_point: flags.contains(LinkFlags::Pointopoint),
    };
    for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
        let attribute = attribute?;
        match attribute.kind() {
            libc::IFLA_IFNAME => link.name = parse_string(attribute.value())?,
            libc::IFLA_MASTER => link.enslaved = parse_u32(attribute.value())? != 0,
            _ => {}
        }
    }
    // Without a name no pattern could be asked.
    if link.name.is_empty() { Err("a link without a name".into()) } else { Ok(link) }
}

/// Attribute by attribute, without those that are not asked for: an interface may have thousands.
fn read_address(payload: &[u8]) -> Result<Option<Address>, DecodeError> {
    const HEADER: usize = 8;
    const WANTED: [u16; 3] = [1, 2, 8]; // IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS
    let header = AddressHeader::parse(payload)?;
    let (mut own, mut peer) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
    for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
        let attribute = attribute?;
        if !WANTED.contains(&attribute.kind()) {
            continue;
        }
        match AddressAttribute::parse(&attribute)? {
            AddressAttribute::Local(address) => own = Some(address),
            AddressAttribute::Address(address) => peer = Some(address),
            AddressAttribute::Flags(all) => flags = all,
            _ => {}
        }
    }
    // IFA_LOCAL is left out where it equals IFA_ADDRESS (IPv6 without a peer).
    let Some(address) = own.or(peer) else { return Ok(None) };
    let subnet = Prefix::containing(peer.unwrap_or(address), header.prefix_len);
    let subnet = subnet.map_err(|error| DecodeError::from(error.to_string()))?;
    let usable = header.scope == AddressScope::Universe
        && !flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed);
    Ok(Some(Address { address, subnet, usable }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::Emitable;

    fn read(attributes: Vec<AddressAttribute>, prefix_len: u8, scope: AddressScope) -> Address {
        let mut message = AddressMessage::default();
        message.header.prefix_len = prefix_len;
        message.header.scope = scope;
        message.attributes = attributes;
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        read_address(&bytes).expect("legible").expect("an address")
    }

    #[test]
    fn a_peer_s_subnet_is_the_peer_s() {
        let own = IpAddr::from([10, 0, 0, 1]);
        let peer = IpAddr::from([10, 9, 0, 2]);
        let both = vec![AddressAttribute::Address(peer), AddressAttribute::Local(own)];
        let address = read(both, 32, AddressScope::Universe);
        assert_eq!((address.address, address.subnet), (own, Prefix::host(peer)));
        let address = read(vec![AddressAttribute::Address(own)], 24, AddressScope::Universe);
        assert_eq!(address.subnet, "10.0.0.0/24".parse().expect("a prefix"));
        assert!(address.usable);
    }

    #[test]
    fn a_tentative_failed_or_local_address_is_not_usable() {
        let own = AddressAttribute::Address("2001:db8::1".parse().expect("an address"));
        let with = |flags, scope| read(vec![own.clone(), AddressAttribute::Flags(flags)], 64, scope).usable;
        assert!(!with(AddressFlags::Tentative, AddressScope::Universe));
        assert!(!with(AddressFlags::Tentative | AddressFlags::Dadfailed, AddressScope::Universe));
        assert!(!with(AddressFlags::Permanent, AddressScope::Link));
        assert!(!with(AddressFlags::Permanent, AddressScope::Site));
        assert!(with(AddressFlags::Deprecated, AddressScope::Universe));
    }
}
