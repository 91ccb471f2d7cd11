//! Typed questions to the kernel, and the four kinds of change that the helper makes.
//!
//! Each question is asked anew: nothing here is remembered from one request to the next.

use crate::netlink::Netlink;
use crate::route::{Route, address_family, everything};
use crate::rule::{OurRule, Rule};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteType};
use netlink_packet_route::rule::RuleMessage;
use nix::errno::Errno;
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

/// The kernel's side of the helper.
#[derive(Debug)]
pub(crate) struct Kernel {
    netlink: Netlink,
}

impl Kernel {
    pub(crate) fn new(netlink: Netlink) -> Self {
        Self { netlink }
    }

    /// What the kernel said about the last error, if it said anything.
    pub(crate) fn explanation(&mut self) -> Option<String> {
        self.netlink.explanation()
    }

    /// The interface of this index.
    pub(crate) fn link(&mut self, ifindex: u32) -> Result<Option<Link>, Errno> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        // Statistics are most of the answer otherwise.
        message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        match self.netlink.get(Message::GetLink(message)) {
            Ok(Message::NewLink(link)) => read_link(&link).map(Some),
            Ok(_) => Err(Errno::EBADMSG),
            Err(Errno::ENODEV) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// The addresses of one family: of one interface, or of all.
    pub(crate) fn addresses(
        &mut self,
        ifindex: Option<Ifindex>,
        family: Family,
    ) -> Result<Vec<Address>, Errno> {
        let mut message = AddressMessage::default();
        message.header.family = address_family(family);
        message.header.index = ifindex.map_or(0, Ifindex::get);
        let dump = self.netlink.dump(&Message::GetAddress(message), |answer| match answer {
            Message::NewAddress(address) => Ok(read_address(&address)),
            _ => Err(Errno::EBADMSG),
        });
        match dump {
            // The interface went away since the link was asked for.
            Err(Errno::ENODEV) => Ok(Vec::new()),
            other => other,
        }
    }

    /// All rules of both families: the kernel has no filter for them.
    pub(crate) fn rules(&mut self) -> Result<Vec<Rule>, Errno> {
        self.netlink.dump(&Message::GetRule(RuleMessage::default()), |answer| match answer {
            Message::NewRule(rule) => Ok(Rule::read(rule)),
            _ => Err(Errno::EBADMSG),
        })
    }

    /// The routes of one table; none if there is no such table.
    pub(crate) fn table(&mut self, table: TableId, family: Family) -> Result<Vec<Route>, Errno> {
        self.routes(family, |filter| filter.attributes.push(RouteAttribute::Table(table.0)))
    }

    /// The unicast routes of all tables that leave by this interface.
    pub(crate) fn routes_by(&mut self, ifindex: Ifindex, family: Family) -> Result<Vec<Route>, Errno> {
        self.routes(family, |filter| {
            filter.header.kind = RouteType::Unicast;
            filter.attributes.push(RouteAttribute::Oif(ifindex.get()));
        })
    }

    /// main's routes that leave by this interface.
    pub(crate) fn main_by(&mut self, oif: u32, family: Family) -> Result<Vec<Route>, Errno> {
        self.routes(family, |filter| {
            filter.attributes.push(RouteAttribute::Table(TableId::MAIN.0));
            filter.attributes.push(RouteAttribute::Oif(oif));
        })
    }

    /// Every route that carries our protocol number, in whatever table.
    pub(crate) fn our_routes(&mut self, family: Family) -> Result<Vec<Route>, Errno> {
        self.routes(family, |filter| filter.header.protocol = RouteProtocol::Other(PROTOCOL))
    }

    fn routes(
        &mut self,
        family: Family,
        filter: impl FnOnce(&mut RouteMessage),
    ) -> Result<Vec<Route>, Errno> {
        let mut message = RouteMessage::default();
        message.header.address_family = address_family(family);
        filter(&mut message);
        let dump = self.netlink.dump(&Message::GetRoute(message), |answer| match answer {
            Message::NewRoute(route) => Ok(Route::read(&route)),
            _ => Err(Errno::EBADMSG),
        });
        match dump {
            // "FIB table does not exist", and a filter's interface that has just gone.
            Err(Errno::ENOENT | Errno::ENODEV) => Ok(Vec::new()),
            other => other,
        }
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
        match self.netlink.get(Message::GetRoute(message)) {
            Ok(Message::NewRoute(route)) => Ok(Route::read(&route)),
            Ok(_) => Err(Errno::EBADMSG),
            // No route; an unreachable, a prohibit, a blackhole route; no such interface.
            Err(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EACCES | Errno::EINVAL | Errno::ENODEV) => {
                Ok(None)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Adds a rule; EEXIST when the same one stands.
    pub(crate) fn add_rule(&mut self, rule: &OurRule) -> Result<(), Errno> {
        self.netlink.change(Message::NewRule(rule.message()), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Deletes a rule; false when there is none.
    pub(crate) fn delete_rule(&mut self, message: RuleMessage) -> Result<bool, Errno> {
        absent(self.netlink.change(Message::DelRule(message), 0))
    }

    /// Adds a route; EEXIST when its destination and metric are taken.
    pub(crate) fn add_route(&mut self, route: &Route) -> Result<(), Errno> {
        self.netlink.change(Message::NewRoute(route.message()), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Puts a route in the place of the one with its key, in one step. The kernel does not ask
    /// whose that was: the caller must have.
    pub(crate) fn replace_route(&mut self, route: &Route) -> Result<(), Errno> {
        self.netlink.change(Message::NewRoute(route.message()), NLM_F_REPLACE)
    }

    /// Deletes a route; false when there is none.
    pub(crate) fn delete_route(&mut self, route: &Route) -> Result<bool, Errno> {
        absent(self.netlink.change(Message::DelRoute(route.message()), 0))
    }
}

fn absent(deleted: Result<(), Errno>) -> Result<bool, Errno> {
    match deleted {
        Ok(()) => Ok(true),
        Err(Errno::ENOENT | Errno::ESRCH | Errno::ENODEV) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn read_link(message: &LinkMessage) -> Result<Link, Errno> {
    let flags = message.header.flags;
    let mut link = Link {
        name: String::new(),
        loopback: flags.contains(LinkFlags::Loopback),
        enslaved: false,
        point_to_point: flags.contains(LinkFlags::Pointopoint),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Controller(master) => link.enslaved = *master != 0,
            _ => {}
        }
    }
    // Without a name no pattern could be asked.
    if link.name.is_empty() { Err(Errno::EBADMSG) } else { Ok(link) }
}

fn read_address(message: &AddressMessage) -> Option<Address> {
    let (mut own, mut peer) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => own = Some(*address),
            AddressAttribute::Address(address) => peer = Some(*address),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    // IFA_LOCAL is left out where it equals IFA_ADDRESS (IPv6 without a peer).
    let address = own.or(peer)?;
    let subnet = Prefix::containing(peer.unwrap_or(address), message.header.prefix_len).ok()?;
    let usable = message.header.scope == AddressScope::Universe
        && !flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed);
    Some(Address { address, subnet, usable })
}

/// True for a route to everything, of either family.
pub(crate) fn is_default(route: &Route) -> bool {
    route.destination == everything(route.family())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attributes: Vec<AddressAttribute>, prefix_len: u8) -> Address {
        let mut message = AddressMessage::default();
        message.header.prefix_len = prefix_len;
        message.attributes = attributes;
        read_address(&message).expect("an address")
    }

    #[test]
    fn a_peer_s_subnet_is_the_peer_s() {
        let own = IpAddr::from([10, 0, 0, 1]);
        let peer = IpAddr::from([10, 9, 0, 2]);
        let both = vec![AddressAttribute::Address(peer), AddressAttribute::Local(own)];
        let address = read(both, 32);
        assert_eq!((address.address, address.subnet), (own, Prefix::host(peer)));
        let address = read(vec![AddressAttribute::Address(own)], 24);
        assert_eq!(address.subnet, "10.0.0.0/24".parse().expect("a prefix"));
        assert!(address.usable);
    }

    #[test]
    fn a_tentative_failed_or_local_address_is_not_usable() {
        let own = AddressAttribute::Address("2001:db8::1".parse().expect("an address"));
        for flag in [AddressFlags::Tentative, AddressFlags::Dadfailed] {
            assert!(!read(vec![own.clone(), AddressAttribute::Flags(flag)], 64).usable);
        }
        assert!(read(vec![own.clone(), AddressAttribute::Flags(AddressFlags::Deprecated)], 64).usable);
        let mut message = AddressMessage::default();
        message.header.scope = AddressScope::Link;
        message.attributes = vec![own];
        assert!(!read_address(&message).expect("an address").usable);
    }
}
