//! Interfaces, addresses and prefixes, good and bad, in every request that can carry them; and, by
//! hand, which of these may be granted. What they do to a helper stands in reach.rs.

use crate::ours::{Ours, everything};
use crate::world::address;
use protocol::{Addresses, Family, Ifindex, NextHop, Prefix, Request, RouteKind, Selector};

/// eth1 (41) may be served, and wan4 (44) as far as it has anything. The others: lo; not listed;
/// a slave; never there; there in another namespace; whose plain table would be 253 to 255, or
/// that of such a one; the last there can be.
const INTERFACES: [u32; 17] =
    [1, 40, 41, 42, 43, 44, 50, 141, 77, 999, 53, 54, 55, 65_589, 65_590, 65_591, 0x7fff_ffff];
const LISTED: [u32; 2] = [41, 44];

const ADDRESSES: [&str; 42] = [
    // On eth1 and usable.
    "10.0.2.5",
    "2001:db8:2::5",
    // On it and not usable: scope link, link-local, tentative.
    "10.0.6.77",
    "169.254.7.7",
    "fe80::41",
    "2001:db8:4::5",
    // Of other interfaces.
    "10.0.1.5",
    "10.0.3.5",
    "10.0.5.5",
    "10.0.9.9",
    "172.17.0.1",
    "2001:db8:1::5",
    "2001:db8:17::1",
    "127.0.0.1",
    "::1",
    // Of nobody.
    "10.0.2.9",
    "9.9.9.9",
    "2001:db8:2::9",
    "2001:db8:99::9",
    // Gateways that the kernel knows by eth1, by eth0, by docker0; and that nobody knows.
    "10.0.2.1",
    "10.0.2.2",
    "fe80::1",
    "10.0.1.1",
    "10.0.1.9",
    "2001:db8:1::1",
    "172.17.0.9",
    "fe80::9",
    // What is no host at all.
    "0.0.0.0",
    "0.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "10.0.2.0",
    "10.0.2.255",
    "::",
    "ff02::1",
    "ff0e::1",
    // IPv4 in the clothes of IPv6.
    "::ffff:10.0.2.5",
    "::ffff:10.0.2.1",
    "::10.0.2.5",
    "64:ff9b::a00:201",
];

const PREFIXES: [&str; 34] = [
    // Local networks by docker0 and br0.
    "172.17.0.0/16",
    "10.88.0.0/16",
    "10.0.5.0/24",
    "2001:db8:17::/64",
    // By uplinks, in other tables, of interfaces.
    "10.66.0.0/16",
    "10.67.0.0/16",
    "10.68.0.0/16",
    "10.0.1.0/24",
    "10.0.2.0/24",
    "10.0.3.0/24",
    "2001:db8:1::/64",
    "2001:db8:2::/64",
    "2001:db8:4::/64",
    // In nobody's table, or wider or narrower than what stands there.
    "10.99.0.0/16",
    "172.17.0.0/17",
    "172.16.0.0/12",
    "172.17.0.1/32",
    "172.17.0.9/32",
    "10.0.2.5/32",
    "2001:db8:17::1/128",
    "2001:db8::/32",
    // Never a network of anybody.
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "::/0",
    "2000::/3",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "fe80::/64",
    "ff00::/8",
    "::1/128",
    "::ffff:0:0/96",
];

/// By hand: what may be asked for, and what stands then. Everything else is refused.
pub(super) fn granted() -> Vec<(Request, Ours)> {
    let eth1 = ifindex(41);
    let mut granted = Vec::new();
    for (text, subnet) in [("10.0.2.5", "10.0.2.0/24"), ("2001:db8:2::5", "2001:db8:2::/64")] {
        let address = address(text);
        for (selector, priority) in [(Selector::From, 32_002), (Selector::To, 32_003)] {
            let rule = Ours::rule(priority, selector, address, 241);
            granted.push((Request::AddRule { ifindex: eth1, selector, address }, rule));
        }
        let route = Ours::route(241, prefix(subnet), (41, None));
        granted.push((Request::AddSubnet { ifindex: eth1, address }, route));
    }
    for gateway in ["10.0.2.1", "10.0.2.2", "fe80::1"].map(address) {
        let family = Family::of(gateway);
        let request = Request::SetDefault { ifindex: eth1, family, next_hop: NextHop::Gateway(gateway) };
        granted.push((request, Ours::route(241, everything(family), (41, Some(gateway)))));
    }
    for (text, way) in [
        ("172.17.0.0/16", (42, None)),
        ("10.88.0.0/16", (42, Some(address("172.17.0.9")))),
        ("10.0.5.0/24", (50, None)),
        ("2001:db8:17::/64", (42, None)),
    ] {
        for index in LISTED {
            let request = Request::AddLocal { ifindex: ifindex(index), destination: prefix(text) };
            granted.push((request, Ours::route(200 + index, prefix(text), way)));
        }
    }
    granted
}

/// The same of lists: what they ask for is asked for above, one by one. One bad address in a list
/// refuses it whole.
pub(super) fn granted_lists() -> Vec<Request> {
    let of = |text| Request::AddRules { ifindex: ifindex(41), addresses: address(text).into() };
    vec![of("10.0.2.5"), of("2001:db8:2::5")]
}

pub(super) fn ifindex(index: u32) -> Ifindex {
    Ifindex::try_from(index).expect("valid")
}

pub(super) fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

/// All that can be asked for with these values.
pub(super) fn additions() -> Vec<Request> {
    let mut all = Vec::new();
    for ifindex in INTERFACES.map(ifindex) {
        for address in ADDRESSES.map(address) {
            all.push(Request::AddSubnet { ifindex, address });
            all.push(Request::AddRules { ifindex, addresses: address.into() });
            let good =
                if address.is_ipv4() { ADDRESSES[0] } else { ADDRESSES[1] }.parse().expect("an address");
            if address != good {
                let mut lists = Addresses::lists([good, address]);
                all.push(Request::AddRules { ifindex, addresses: lists.remove(0) });
            }
            for selector in [Selector::From, Selector::To] {
                all.push(Request::AddRule { ifindex, selector, address });
            }
            for family in [Family::V4, Family::V6] {
                all.push(Request::SetDefault { ifindex, family, next_hop: NextHop::Gateway(address) });
            }
        }
        for family in [Family::V4, Family::V6] {
            all.push(Request::SetDefault { ifindex, family, next_hop: NextHop::PointToPoint });
        }
        all.extend(PREFIXES.map(prefix).map(|destination| Request::AddLocal { ifindex, destination }));
    }
    all
}

/// All that can be deleted with these values.
pub(super) fn deletions() -> Vec<Request> {
    let mut all = Vec::new();
    for ifindex in INTERFACES.map(ifindex) {
        all.push(Request::Purge { ifindex });
        for address in ADDRESSES.map(address) {
            for selector in [Selector::From, Selector::To] {
                all.push(Request::DelRule { ifindex, selector, address });
            }
        }
        for family in [Family::V4, Family::V6] {
            let named = |p| [RouteKind::Subnet(p), RouteKind::Local(p)];
            let kinds = PREFIXES.map(prefix).into_iter().flat_map(named);
            for route in kinds.chain([RouteKind::Default, RouteKind::Fallback]) {
                all.push(Request::DelRoute { ifindex, family, route });
            }
        }
    }
    all
}
