//! `Options` of NetworkManager's DHCP4Config and DHCP6Config, by the names of dhcp-options(5) with `_` for `-`,
//! turned into a lease. Names are as the server gave them. Pure.

use super::values::Properties;
use crate::model::Lease;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, UNIX_EPOCH};

/// Entries of one list that are kept.
const MAX: usize = 64;

/// The lease in an answer or a signal: the outer `None` when it says nothing of options, the inner when these
/// are of no lease (any more).
pub(super) fn lease(properties: &Properties) -> Option<Option<Lease>> {
    properties.texts_by_name("Options").map(|options| of(&options))
}

fn of(options: &HashMap<String, String>) -> Option<Lease> {
    let value = |names: &[&str]| names.iter().find_map(|name| options.get(*name)).map(String::as_str);
    let addresses = |names: &[&str]| -> Vec<IpAddr> {
        let words = value(names).unwrap_or_default().split_ascii_whitespace();
        words.filter_map(|word| word.parse().ok()).take(MAX).collect()
    };
    let names = |of: &[&str]| -> Vec<String> {
        let words = value(of).unwrap_or_default().split_ascii_whitespace().take(MAX);
        words.map(|name| name.strip_suffix('.').unwrap_or(name).to_owned()).collect()
    };
    let address: IpAddr = value(&["ip_address", "ip6_address"])?.parse().ok()?;
    let mask = value(&["subnet_mask"]).and_then(|mask| mask.parse::<Ipv4Addr>().ok()).map(Ipv4Addr::to_bits);
    let length = mask.filter(|bits| bits.leading_ones() == bits.count_ones()).map(u32::leading_ones);
    let mut domains = names(&["domain_name"]).into_iter();
    let domain = domains.next();
    let mut search = names(&["domain_search", "dhcp6_domain_search"]);
    search.extend(domains);
    let ends = value(&["expiry"]).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    Some(Lease {
        address,
        prefix_length: if address.is_ipv6() { Some(128) } else { length.and_then(|n| u8::try_from(n).ok()) },
        routers: addresses(&["routers"]),
        routes: routes(value(&["rfc3442_classless_static_routes"]).unwrap_or_default()),
        dns: addresses(&["domain_name_servers", "dhcp6_name_servers"]),
        domain,
        search,
        host_name: names(&["host_name", "fqdn_fqdn"]).into_iter().next(),
        server: addresses(&["dhcp_server_identifier"]).first().copied(),
        mtu: value(&["interface_mtu"]).and_then(|mtu| mtu.parse().ok()),
        ntp: addresses(&["ntp_servers", "dhcp6_sntp_servers"]),
        expires: ends.and_then(|ends| UNIX_EPOCH.checked_add(ends)),
    })
}

/// `destination/length gateway`, and so on; what is written otherwise is left out.
fn routes(text: &str) -> Vec<(IpAddr, u8, IpAddr)> {
    let words: Vec<&str> = text.split_ascii_whitespace().take(2 * MAX).collect();
    let route = |pair: &[&str]| {
        let [prefix, gateway] = pair else { return None };
        let (destination, length) = prefix.split_once('/')?;
        let destination: Ipv4Addr = destination.parse().ok()?;
        let gateway: Ipv4Addr = gateway.parse().ok()?;
        Some((destination.into(), length.parse().ok().filter(|length| *length <= 32)?, gateway.into()))
    };
    words.chunks(2).filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options(list: &[(&str, &str)]) -> HashMap<String, String> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn both_families() {
        let lease = of(&options(&[
            ("ip_address", "198.18.0.112"),
            ("subnet_mask", "255.255.255.0"),
            ("routers", "198.18.0.1"),
            ("domain_name_servers", "198.18.0.1 198.18.0.53"),
            ("domain_name", "nm0.example"),
            ("domain_search", "a.example b.example."),
            ("ntp_servers", "198.18.0.123"),
            ("dhcp_server_identifier", "198.18.0.1"),
            ("interface_mtu", "1400"),
            ("rfc3442_classless_static_routes", "10.0.0.0/8 198.18.0.9 nonsense"),
            ("expiry", "1796083086"),
        ]))
        .expect("a lease");
        assert_eq!((lease.address.to_string().as_str(), lease.prefix_length), ("198.18.0.112", Some(24)));
        assert_eq!((lease.dns.len(), lease.ntp.len(), lease.routes.len()), (2, 1, 1));
        assert_eq!((lease.domain.as_deref(), lease.mtu), (Some("nm0.example"), Some(1400)));
        assert_eq!(lease.search, ["a.example", "b.example"]);
        assert!(lease.expires.is_some() && lease.server.is_some());
        let lease = of(&options(&[("ip6_address", "2001:db8::7"), ("dhcp6_name_servers", "2001:db8::53")]));
        let lease = lease.expect("a lease");
        assert_eq!((lease.prefix_length, lease.dns.len()), (Some(128), 1));
        assert_eq!(of(&options(&[("routers", "198.18.0.1")])), None);
        assert_eq!(of(&options(&[("ip_address", "../../evil")])), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(name in "[a-z0-9_]{1,40}", value in "\\PC*") {
            let _ = of(&options(&[("ip_address", "192.0.2.1"), (&name, &value)]));
            let _ = routes(&value);
        }
    }
}
