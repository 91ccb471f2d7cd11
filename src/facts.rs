//! What the kernel knows of one link now, for `netevd test`.

use crate::kernel_dump;
use netevd_worker::kernel::{DumpError, link_flag};
use netevd_worker::model::{Address, Backend, Lease, LinkFacts, LinkLeases, ManagerFacts};
use netevd_worker::state::{Changes, Interest, Newer, State};
use protocol::{Ifindex, InterfaceName};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// `IFF_BROADCAST | IFF_RUNNING | IFF_MULTICAST`, netdevice(7).
const ETHERNET: u32 = 0x1042;
/// A lifetime without end.
const FOR_EVER: u32 = u32::MAX;

/// The link of this name as the worker would see it; `None` if there is no such link.
pub(crate) fn of_link(name: &InterfaceName) -> Result<Option<LinkFacts>, DumpError> {
    let dump = kernel_dump::state()?;
    let mut state = State::default();
    let interest = Interest { monitors: &|_| true, routes: false };
    state.resynchronise(dump, Newer::default(), &interest, &mut Changes::default());
    Ok(state.links().find(|link| link.name == *name).map(|link| link.facts(state.routes())))
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
        flags: link_flag::UP | link_flag::LOWER_UP | ETHERNET,
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
        administrative: None,
        manager: None,
        leases: LinkLeases::default(),
        controller: 0,
        extra: None,
        routes: Vec::new(),
    })
}

/// Adds what a backend would know of the link, in values for documentation.
pub(crate) fn as_under(facts: &mut LinkFacts, backend: Backend) {
    let server = IpAddr::from(Ipv4Addr::new(192, 0, 2, 53));
    let domain = || "example.org".to_owned();
    let address = facts.addresses.iter().find(|address| address.ip.is_ipv4());
    let lease = address.map(|address| Lease {
        address: address.ip,
        prefix_length: Some(address.prefix_length),
        routers: facts.gateway.map(IpAddr::V4).into_iter().collect(),
        routes: Vec::new(),
        dns: vec![server],
        domain: Some(domain()),
        search: Vec::new(),
        host_name: Some("host".to_owned()),
        server: facts.gateway.map(IpAddr::V4),
        mtu: None,
        ntp: Vec::new(),
        expires: None,
    });
    let (administrative, manager) = match backend {
        Backend::Networkd => (Some("configured"), ManagerFacts::default()),
        Backend::NetworkManager => {
            let manager = ManagerFacts {
                device_type: Some("ethernet"),
                connection_id: Some("Example".to_owned()),
                // Of the example in RFC 4122.
                connection_uuid: Some("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".to_owned()),
                ..ManagerFacts::default()
            };
            (Some("activated"), manager)
        }
        Backend::Dhclient => {
            facts.leases = LinkLeases { v4: lease.map(Arc::new), v6: None };
            (facts.dns, facts.domains) = (vec![server], vec![domain()]);
            return;
        }
        Backend::Kernel | Backend::Auto => return,
    };
    (facts.dns, facts.domains) = (vec![server], vec![domain()]);
    facts.administrative = administrative;
    facts.manager = Some(Arc::new(manager));
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
        flags: netevd_worker::model::address_flag::PERMANENT,
        peer: None,
        broadcast,
        label: None,
        preferred_lifetime: FOR_EVER,
        valid_lifetime: FOR_EVER,
    }
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
        assert_eq!(facts.addresses[0].broadcast, Some(Ipv4Addr::new(192, 0, 2, 255)));
    }
}
