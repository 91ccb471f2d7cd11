//! What the kernel knows of one link now, for `netevd test`.

use crate::kernel::dump;
use netevd_worker::facts::{Address, LinkFacts};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkInfo, LinkMessage, State};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use protocol::{Ifindex, InterfaceName, PROTOCOL};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `IFF_LOWER_UP`, include/uapi/linux/if.h: the driver has a carrier.
const IFF_LOWER_UP: u32 = 1 << 16;
/// A lifetime without end.
const FOR_EVER: u32 = u32::MAX;

/// The link of this name with its addresses and gateways; `None` if there is no such link.
pub(crate) fn of_link(name: &InterfaceName) -> io::Result<Option<LinkFacts>> {
    let links = dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    let Some(mut facts) = links.into_iter().find_map(|message| match message {
        RouteNetlinkMessage::NewLink(link) => link_facts(&link, name),
        _ => None,
    }) else {
        return Ok(None);
    };
    let mut filter = AddressMessage::default();
    filter.header.index = facts.ifindex.get();
    for message in dump(RouteNetlinkMessage::GetAddress(filter))? {
        if let RouteNetlinkMessage::NewAddress(address) = message {
            facts.addresses.extend(address_facts(&address, name));
        }
    }
    let mut filter = RouteMessage::default();
    filter.attributes.push(RouteAttribute::Oif(facts.ifindex.get()));
    let routes = dump(RouteNetlinkMessage::GetRoute(filter))?;
    let gateways = routes.iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewRoute(route) => gateway(route),
        _ => None,
    });
    let mut gateways: Vec<(u32, IpAddr)> = gateways.collect();
    gateways.sort_by_key(|(metric, _)| *metric);
    facts.gateway =
        gateways.iter().find_map(|(_, ip)| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None });
    facts.gateway6 =
        gateways.iter().find_map(|(_, ip)| if let IpAddr::V6(ip) = ip { Some(*ip) } else { None });
    facts.state = state(&facts);
    Ok(Some(facts))
}

/// Values for documentation (RFC 5737, RFC 3849, RFC 7042), where no link is named.
pub(crate) fn of_documentation() -> Option<LinkFacts> {
    let address = |ip: IpAddr, prefix_length| example(ip, prefix_length);
    Some(LinkFacts {
        ifindex: Ifindex::try_from(2).ok()?,
        name: InterfaceName::new("eth0").ok()?,
        kind: None,
        state: "routable",
        operstate: "up",
        flags: IFF_LOWER_UP | 0x1043,
        mtu: 1500,
        mac: Some("00:00:5e:00:53:01".to_owned()),
        addresses: vec![
            address(Ipv4Addr::new(192, 0, 2, 10).into(), 24),
            address(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10).into(), 64),
        ],
        gateway: Some(Ipv4Addr::new(192, 0, 2, 1)),
        gateway6: Some(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        dns: Vec::new(),
        domains: Vec::new(),
    })
}

/// A permanent global address.
pub(crate) fn example(ip: IpAddr, prefix_length: u8) -> Address {
    let broadcast = match ip {
        IpAddr::V4(ip) if prefix_length < 31 => {
            Some(Ipv4Addr::from_bits(ip.to_bits() | u32::MAX.checked_shr(prefix_length.into()).unwrap_or(0)))
        }
        _ => None,
    };
    Address {
        ip,
        prefix_length,
        scope: 0,
        flags: netevd_worker::facts::address_flag::PERMANENT,
        peer: None,
        broadcast,
        label: None,
        preferred_lifetime: FOR_EVER,
        valid_lifetime: FOR_EVER,
    }
}

fn link_facts(link: &LinkMessage, name: &InterfaceName) -> Option<LinkFacts> {
    let has_name = |a: &LinkAttribute| matches!(a, LinkAttribute::IfName(found) if found == name.as_str());
    if !link.attributes.iter().any(has_name) {
        return None;
    }
    let mut facts = LinkFacts {
        ifindex: Ifindex::try_from(link.header.index).ok()?,
        name: name.clone(),
        kind: None,
        state: "no-carrier",
        operstate: "unknown",
        flags: link.header.flags.bits(),
        mtu: 0,
        mac: None,
        addresses: Vec::new(),
        gateway: None,
        gateway6: None,
        dns: Vec::new(),
        domains: Vec::new(),
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => facts.mtu = *mtu,
            LinkAttribute::Address(bytes) if !bytes.is_empty() => facts.mac = Some(hexadecimal(bytes)),
            LinkAttribute::OperState(state) => facts.operstate = operstate(state),
            LinkAttribute::LinkInfo(infos) => {
                facts.kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    Some(facts)
}

fn address_facts(message: &AddressMessage, name: &InterfaceName) -> Option<Address> {
    let mut address = example(Ipv4Addr::UNSPECIFIED.into(), message.header.prefix_len);
    (address.scope, address.flags, address.broadcast) =
        (message.header.scope.into(), message.header.flags.bits().into(), None);
    let (mut local, mut remote) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => remote = Some(*ip),
            AddressAttribute::Broadcast(ip) => address.broadcast = Some(*ip),
            AddressAttribute::Label(label) if label != name.as_str() => address.label = Some(label.clone()),
            AddressAttribute::Flags(flags) => address.flags = flags.bits(),
            AddressAttribute::CacheInfo(info) => {
                (address.preferred_lifetime, address.valid_lifetime) = (info.ifa_preferred, info.ifa_valid);
            }
            _ => {}
        }
    }
    // IPv6 sends IFA_LOCAL only with a peer, IPv4 always.
    address.ip = local.or(remote)?;
    address.peer = remote.filter(|remote| *remote != address.ip);
    Some(address)
}

/// Metric and gateway of a default route that is not ours.
fn gateway(route: &RouteMessage) -> Option<(u32, IpAddr)> {
    let is_default = route.header.destination_prefix_length == 0 && route.header.kind == RouteType::Unicast;
    if !is_default || u8::from(route.header.protocol) == PROTOCOL {
        return None;
    }
    let metric = route
        .attributes
        .iter()
        .find_map(|a| if let RouteAttribute::Priority(n) = a { Some(*n) } else { None });
    let gateway = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
        RouteAttribute::Gateway(RouteAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
        _ => None,
    })?;
    Some((metric.unwrap_or(0), gateway))
}

/// The states that the kernel alone can tell.
fn state(facts: &LinkFacts) -> &'static str {
    let usable = facts.addresses.iter().any(Address::is_usable);
    match (facts.flags & IFF_LOWER_UP != 0, usable) {
        (false, _) => "no-carrier",
        (true, true) if facts.gateway.is_some() || facts.gateway6.is_some() => "routable",
        (true, true) => "configured",
        (true, false) if facts.addresses.is_empty() => "carrier",
        (true, false) => "degraded",
    }
}

/// RFC 2863 names, as in /sys/class/net/LINK/operstate.
fn operstate(state: &State) -> &'static str {
    match state {
        State::NotPresent => "notpresent",
        State::Down => "down",
        State::LowerLayerDown => "lowerlayerdown",
        State::Testing => "testing",
        State::Dormant => "dormant",
        State::Up => "up",
        _ => "unknown",
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_as_the_kernel_has_it() {
        let name = InterfaceName::new("lo").expect("good");
        let facts = of_link(&name).expect("readable").expect("there is one");
        assert_eq!((facts.ifindex.get(), facts.flags & 8, facts.gateway), (1, 8, None));
        assert!(!facts.addresses.iter().any(Address::is_usable));
        let absent = InterfaceName::new("no-such-link").expect("good");
        assert_eq!(of_link(&absent).expect("readable"), None);
    }

    #[test]
    fn documentation_values_are_usable() {
        let facts = of_documentation().expect("good values");
        assert!(facts.addresses.iter().all(Address::is_usable));
        assert_eq!(state(&facts), facts.state);
        assert_eq!(facts.addresses[0].broadcast, Some(Ipv4Addr::new(192, 0, 2, 255)));
    }
}
