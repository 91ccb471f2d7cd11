//! What netevd has to install, said a second time and apart from its planner: plain code over
//! what `ip -j` shows, for `fallback: main` and without gateways of the policy.

use crate::support::{Host, rules};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One look at the kernel.
pub(super) struct Snapshot {
    links: Vec<Value>,
    /// IPv4, IPv6.
    routes: [Vec<Value>; 2],
}

/// An address or the network of a route: address and length.
type Net = (IpAddr, u64);

impl Snapshot {
    pub(super) fn take(host: &Host) -> Snapshot {
        let list = |words: &str| match host.ip_json(words) {
            Value::Array(list) => list,
            other => panic!("ip -j {words}: {other}"),
        };
        let routes = [list("-4 route show table all"), list("-6 route show table all")];
        // ip shows links that went away while it listed them as empty objects.
        let links = list("addr").into_iter().filter(|link| link["ifname"].is_string()).collect();
        Snapshot { links, routes }
    }

    /// netevd's objects for these links.
    pub(super) fn expected(&self, managed: &[&str]) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for link in &self.links {
            let name = text(link, "ifname");
            let up = link["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "UP"));
            if !managed.contains(&name) || !up || !link["master"].is_null() {
                continue;
            }
            let index = u32::try_from(link["ifindex"].as_u64().expect("an index")).expect("an index");
            let plain = 200 + index;
            let table = if (253..=255).contains(&plain) { 65_536 + plain } else { plain };
            for family in 0..2 {
                self.expect_family(&mut lines, link, family, table, managed);
            }
        }
        lines
    }

    fn expect_family(
        &self,
        lines: &mut BTreeSet<String>,
        link: &Value,
        family: usize,
        table: u32,
        managed: &[&str],
    ) {
        let name = text(link, "ifname");
        let addresses: Vec<Net> =
            addresses(link).filter(|(address, _)| address.is_ipv6() == (family == 1)).collect();
        let Some(gateway) = self.gateway(name, family) else { return };
        if addresses.is_empty() || !self.on_link(name, family, gateway) {
            return;
        }
        lines.insert(format!("table {table}: default via {gateway} dev {name}"));
        let own: Vec<Net> = addresses.iter().map(|net| network(*net)).collect();
        for (net, (address, _)) in own.iter().zip(&addresses) {
            lines.extend(rules(&address.to_string(), table));
            if net.1 < bits(net.0) {
                lines.insert(format!("table {table}: {}/{} dev {name}", net.0, net.1));
            }
        }
        for (net, route) in self.locals(family, managed) {
            if own.contains(&net) {
                continue;
            }
            let via = route["gateway"].as_str().map(|gateway| format!(" via {gateway}")).unwrap_or_default();
            let (destination, device) = (text(route, "dst"), text(route, "dev"));
            lines.insert(format!("table {table}: {destination}{via} dev {device}"));
        }
    }

    /// The gateway of the lowest-metric default by this link in any table that is not netevd's.
    fn gateway(&self, link: &str, family: usize) -> Option<IpAddr> {
        let defaults = self.routes[family].iter().filter(|route| {
            route["protocol"] != "110"
                && is_unicast(route)
                && text(route, "dst") == "default"
                && text(route, "dev") == link
        });
        let best = defaults.min_by_key(|route| route["metric"].as_u64().unwrap_or(0))?;
        best["gateway"].as_str()?.parse().ok()
    }

    /// Whether main reaches the gateway by this link without another gateway.
    fn on_link(&self, link: &str, family: usize, gateway: IpAddr) -> bool {
        if matches!(gateway, IpAddr::V6(a) if a.is_unicast_link_local()) {
            return true;
        }
        let matching = self.main(family).filter(|route| text(route, "dev") == link && is_unicast(route));
        let closest = matching.filter_map(|route| Some((destination(route)?, route)));
        let closest =
            closest.filter(|(net, _)| network((gateway, net.1)) == *net).max_by_key(|(net, _)| net.1);
        closest.is_some_and(|(_, route)| route["gateway"].is_null())
    }

    /// main's routes that are to be copied: those of the protocols that describe local networks. Of
    /// several for one prefix main uses the lowest metric, so that one alone counts: if it is of a
    /// kind that is not copied, none is.
    fn locals<'a>(&'a self, family: usize, managed: &'a [&'a str]) -> impl Iterator<Item = (Net, &'a Value)> {
        let mut routes: Vec<(Net, u64, &Value)> = self
            .main(family)
            // ip leaves `boot`, its own default, out.
            .filter(|route| ["kernel", "", "static", "dhcp", "ra"].contains(&text(route, "protocol")))
            .filter_map(|route| Some((destination(route)?, route["metric"].as_u64().unwrap_or(0), route)))
            .collect();
        routes.sort_by_key(|(net, metric, _)| (*net, *metric));
        routes.dedup_by_key(|(net, ..)| *net);
        routes.into_iter().filter_map(move |(net, _, route)| {
            let copied = is_unicast(route)
                && route["nexthops"].is_null()
                && !self.is_uplink(text(route, "dev"), managed)
                && !is_default_like(net)
                && is_ordinary(net.0);
            copied.then_some((net, route))
        })
    }

    fn is_uplink(&self, device: &str, managed: &[&str]) -> bool {
        let by_default = |route: &Value| {
            text(route, "dev") == device
                && is_unicast(route)
                && destination(route).is_some_and(is_default_like)
        };
        managed.contains(&device) || (0..2).any(|family| self.main(family).any(by_default))
    }

    fn main(&self, family: usize) -> impl Iterator<Item = &Value> {
        // ip names the table of a route only where it is not main.
        self.routes[family].iter().filter(|route| route["table"].is_null())
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn is_unicast(route: &Value) -> bool {
    matches!(text(route, "type"), "" | "unicast")
}

/// Addresses that are usable as a source beyond the link.
fn addresses(link: &Value) -> impl Iterator<Item = Net> {
    link["addr_info"].as_array().into_iter().flatten().filter_map(|entry| {
        let address: IpAddr = entry["local"].as_str()?.parse().ok()?;
        let pending = entry["tentative"] == true || entry["dadfailed"] == true;
        let usable = entry["scope"] == "global" && !pending && is_ordinary(address);
        usable.then_some((address, entry["prefixlen"].as_u64()?))
    })
}

/// Neither loopback, link-local, multicast nor unspecified.
fn is_ordinary(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => !(a.is_loopback() || a.is_link_local() || a.is_multicast() || a.is_unspecified()),
        IpAddr::V6(a) => {
            !(a.is_loopback() || a.is_unicast_link_local() || a.is_multicast() || a.is_unspecified())
        }
    }
}

fn is_default_like((address, length): Net) -> bool {
    length <= if address.is_ipv4() { 1 } else { 3 }
}

fn bits(address: IpAddr) -> u64 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Where a route leads; a default without a gateway or device does not matter here.
fn destination(route: &Value) -> Option<Net> {
    let any: IpAddr =
        if text(route, "dst").contains(':') { "::".parse().ok()? } else { "0.0.0.0".parse().ok()? };
    match text(route, "dst").split_once('/') {
        _ if text(route, "dst") == "default" => Some((any, 0)),
        Some((address, length)) => Some((address.parse().ok()?, length.parse().ok()?)),
        None => {
            let address: IpAddr = text(route, "dst").parse().ok()?;
            Some((address, bits(address)))
        }
    }
}

/// The network of an address: host bits cleared.
fn network((address, length): Net) -> Net {
    let keep = |width: u64| u128::MAX.checked_shl(u32::try_from(width - length).expect("small")).unwrap_or(0);
    let address = match address {
        IpAddr::V4(a) => {
            let masked = u128::from(a.to_bits()) & keep(32);
            IpAddr::V4(u32::try_from(masked & u128::from(u32::MAX)).expect("32 bits").into())
        }
        IpAddr::V6(a) => IpAddr::V6((a.to_bits() & keep(128)).into()),
    };
    (address, length)
}
