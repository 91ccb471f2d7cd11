//! networkd's files of a link: `/run/systemd/netif/links/N` and `leases/N`, lines of KEY=VALUE.
//!
//! They enrich what a signal said and never decide: the file can be older than the signal, and it
//! can be newer. networkd calls them private, so a key that is missing or odd is no fault.

use std::net::{IpAddr, Ipv4Addr};

/// What is used of a link's state file. Words are as they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LinkFile {
    /// `ADMIN_STATE`
    pub(super) administrative: Option<String>,
    /// `OPER_STATE`
    pub(super) operational: Option<String>,
    /// `DNS`, in order.
    pub(super) dns: Vec<IpAddr>,
    /// `DOMAINS`: search domains, without those for routing only.
    pub(super) domains: Vec<String>,
    /// `NTP`: addresses and names.
    pub(super) ntp: Vec<String>,
    /// Details by the key that scripts know.
    pub(super) details: Vec<(&'static str, String)>,
    /// There is a DHCP lease.
    pub(super) lease: bool,
}

/// Entries of one list that are read; the rest is left out.
const MOST: usize = 256;

/// Details that the file holds as they are.
const DETAILS: [(&str, &str); 6] = [
    ("CARRIER_STATE", "CarrierState"),
    ("ADDRESS_STATE", "AddressState"),
    ("IPV4_ADDRESS_STATE", "IPv4AddressState"),
    ("IPV6_ADDRESS_STATE", "IPv6AddressState"),
    ("ONLINE_STATE", "OnlineState"),
    ("NETWORK_FILE", "NetworkFile"),
];

/// Reads a state file.
pub(super) fn parse(bytes: &[u8]) -> LinkFile {
    let text = String::from_utf8_lossy(bytes);
    let mut file = LinkFile::default();
    for (key, value) in pairs(&text) {
        match key {
            "ADMIN_STATE" => file.administrative = Some(value.to_owned()),
            "OPER_STATE" => file.operational = Some(value.to_owned()),
            "DNS" => file.dns = words(value).filter_map(server).collect(),
            "DOMAINS" => file.domains = words(value).map(str::to_owned).collect(),
            "NTP" => file.ntp = words(value).map(str::to_owned).collect(),
            "DHCP_LEASE" => file.lease = true,
            _ => {
                if let Some((_, name)) = DETAILS.iter().find(|(known, _)| *known == key)
                    && !value.is_empty()
                {
                    file.details.push((name, value.to_owned()));
                }
            }
        }
    }
    file
}

/// The router that a DHCP server named, of a lease file.
pub(super) fn router(bytes: &[u8]) -> Option<Ipv4Addr> {
    let text = String::from_utf8_lossy(bytes);
    let (_, value) = pairs(&text).find(|(key, _)| *key == "ROUTER")?;
    words(value).find_map(|word| word.parse().ok()).filter(|router: &Ipv4Addr| !router.is_unspecified())
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='))
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split_ascii_whitespace().take(MOST)
}

/// The address in `address`, `address%interface`, `address:port`, `[address]:port` with
/// `%interface` and `#name` behind it.
fn server(word: &str) -> Option<IpAddr> {
    let word = word.split('#').next()?;
    if let Some(rest) = word.strip_prefix('[') {
        let inside = rest.split(']').next()?;
        return inside.split('%').next()?.parse().ok();
    }
    let word = word.split('%').next()?;
    let v4_with_port = || word.rsplit_once(':')?.0.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    word.parse().ok().or_else(v4_with_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As systemd 252 writes it.
    const UP1: &str = "# This is private data. Do not parse.\nADMIN_STATE=configured\nOPER_STATE=routable\n\
        CARRIER_STATE=carrier\nADDRESS_STATE=routable\nIPV4_ADDRESS_STATE=routable\nIPV6_ADDRESS_STATE=degraded\n\
        ONLINE_STATE=online\nREQUIRED_FOR_ONLINE=yes\nNETWORK_FILE=/etc/systemd/network/10 up1.network\n\
        DNS=198.51.100.1 2001:db8:1::1\nNTP=198.51.100.1 ntp.example\nSIP=\nDOMAINS=up1.example b.example\n\
        ROUTE_DOMAINS=vpn.example\nLLMNR=yes\nDHCP_LEASE=/run/systemd/netif/leases/3\n";

    #[test]
    fn a_real_file() {
        let file = parse(UP1.as_bytes());
        assert_eq!(file.administrative.as_deref(), Some("configured"));
        assert_eq!(file.operational.as_deref(), Some("routable"));
        assert_eq!(file.dns, ["198.51.100.1".parse::<IpAddr>(), "2001:db8:1::1".parse()].map(Result::unwrap));
        assert_eq!(file.domains, ["up1.example", "b.example"]);
        assert_eq!(file.ntp, ["198.51.100.1", "ntp.example"]);
        assert!(file.lease);
        assert!(file.details.contains(&("NetworkFile", "/etc/systemd/network/10 up1.network".to_owned())));
        assert!(file.details.contains(&("IPv6AddressState", "degraded".to_owned())));
        assert_eq!(file.details.len(), 6);
    }

    #[test]
    fn forms_of_a_name_server() {
        for (word, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:5353", Some("192.0.2.1")),
            ("192.0.2.1:853%2#dns.example", Some("192.0.2.1")),
            ("192.0.2.1#dns.example", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("[2001:db8::1]:853%eth0#dns.example", Some("2001:db8::1")),
            ("[fe80::1%eth0]:53", Some("fe80::1")),
            ("dns.example", None),
            ("[", None),
            ("", None),
            ("192.0.2", None),
        ] {
            assert_eq!(server(word), expected.map(|text| text.parse().expect("an address")), "{word:?}");
        }
    }

    #[test]
    fn the_router_of_a_lease() {
        assert_eq!(
            router(b"# x\nADDRESS=198.51.100.7\nROUTER=198.51.100.1 198.51.100.2\n"),
            Some([198, 51, 100, 1].into())
        );
        assert_eq!(router(b"ADDRESS=198.51.100.7\nROUTER=0.0.0.0\n"), None);
        assert_eq!(router(b""), None);
    }

    #[test]
    fn lists_are_bounded() {
        let text = format!("DOMAINS={}", "a.example ".repeat(10_000));
        assert_eq!(parse(text.as_bytes()).domains.len(), MOST);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
            let _ = router(&bytes);
        }

        #[test]
        fn no_value_panics(value in "\\PC*") {
            for key in ["DNS", "DOMAINS", "NTP", "ADMIN_STATE", "NETWORK_FILE"] {
                let _ = parse(format!("{key}={value}").as_bytes());
            }
        }
    }
}
