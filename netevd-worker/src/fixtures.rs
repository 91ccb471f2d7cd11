//! What the kernel might say, for the tests of what follows from it.

use crate::kernel::Link;
use crate::model::{Address, Hop, Route, UNICAST};
use protocol::{Ifindex, InterfaceName, TableId};

pub(crate) fn index(n: u32) -> Ifindex {
    Ifindex::try_from(n).expect("valid")
}

/// An Ethernet link.
pub(crate) fn link(n: u32, name: &str, flags: u32) -> Link {
    Link {
        ifindex: index(n),
        name: InterfaceName::new(name).ok(),
        flags,
        mtu: Some(1500),
        mac: Some("02:00:00:00:00:01".to_owned()),
        kind: None,
        operstate: Some("up"),
        controller: 0,
        extra: None,
    }
}

/// `ip/length`; without a length /24 or /64. Of link scope if it is link-local.
pub(crate) fn address(text: &str, flags: u32) -> Address {
    let (ip, length) = text.split_once('/').unwrap_or((text, ""));
    let ip: std::net::IpAddr = ip.parse().expect("an address");
    let link_local = matches!(ip, std::net::IpAddr::V6(a) if a.is_unicast_link_local());
    Address {
        ip,
        prefix_length: length.parse().unwrap_or(if ip.is_ipv4() { 24 } else { 64 }),
        scope: if link_local { 253 } else { 0 },
        flags,
        peer: None,
        broadcast: None,
        label: None,
        preferred_lifetime: u32::MAX,
        valid_lifetime: u32::MAX,
    }
}

/// A static route of main's; no gateway where `gateway` is no address.
pub(crate) fn route(destination: &str, oif: u32, gateway: &str) -> Route {
    Route {
        destination: destination.parse().expect("a prefix"),
        table: TableId::MAIN,
        metric: 0,
        protocol: 4,
        scope: 0,
        route_type: UNICAST,
        selective: false,
        tos: 0,
        cloned: false,
        source: None,
        hops: Hop { oif: Some(index(oif)), gateway: gateway.parse().ok(), foreign_gateway: false }.into(),
    }
}
