//! networkd's files of a link: `/run/systemd/netif/links/N` and `leases/N`, lines of KEY=VALUE.
//!
//! They enrich what a signal said and never decide: the file can be older than the signal, and it
//! can be newer. networkd calls them private, so a key that is missing or odd is no fault.

use crate::model::Lease;
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
const MAX: usize = 256;

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

/// The lease itself, of a lease file. Names are as the server gave them.
pub(super) fn lease(bytes: &[u8]) -> Option<Lease> {
    let text = String::from_utf8_lossy(bytes);
    let value = |key: &str| pairs(&text).find(|(known, _)| *known == key).map(|(_, value)| value);
    let addresses = |key: &str| -> Vec<IpAddr> {
        words(value(key).unwrap_or_default()).filter_map(|word| word.parse().ok()).collect()
    };
    let name = |key: &str| value(key).filter(|name| !name.is_empty()).map(str::to_owned);
    let address: Ipv4Addr = value("ADDRESS")?.parse().ok()?;
    let mask = value("NETMASK").and_then(|mask| mask.parse::<Ipv4Addr>().ok()).map(Ipv4Addr::to_bits);
    let length = mask.filter(|bits| bits.leading_ones() == bits.count_ones()).map(u32::leading_ones);
    let unspecified = |ip: &IpAddr| ip.is_unspecified();
    Some(Lease {
        address: address.into(),
        prefix_length: length.and_then(|length| u8::try_from(length).ok()),
        routers: addresses("ROUTER").into_iter().filter(|router| !unspecified(router)).collect(),
        routes: words(value("ROUTES").unwrap_or_default()).filter_map(route).collect(),
        dns: addresses("DNS"),
        domain: name("DOMAINNAME"),
        search: words(value("DOMAIN_SEARCH_LIST").unwrap_or_default()).map(str::to_owned).collect(),
        host_name: name("HOSTNAME"),
        server: addresses("SERVER_ADDRESS").first().copied(),
        mtu: value("MTU").and_then(|mtu| mtu.parse().ok()),
        ntp: addresses("NTP"),
        // The file has the lease's length, and not when it began.
        expires: None,
    })
}

/// `destination/length,gateway`
fn route(word: &str) -> Option<(IpAddr, u8, IpAddr)> {
    let (prefix, gateway) = word.split_once(',')?;
    let (destination, length) = prefix.split_once('/')?;
    let destination: Ipv4Addr = destination.parse().ok()?;
    let gateway: Ipv4Addr = gateway.parse().ok()?;
    let length = length.parse().ok().filter(|length| *length <= 32)?;
    Some((destination.into(), length, gateway.into()))
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='))
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split_ascii_whitespace().take(MAX)
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
    fn a_real_lease() {
        // As systemd 252 writes it.
        let text = "# This is private data. Do not parse.\nADDRESS=198.51.100.138\nNETMASK=255.255.255.0\n\
            ROUTER=198.51.100.1\nSERVER_ADDRESS=198.51.100.1\nMTU=1400\nT1=8\nT2=14\nLIFETIME=120\n\
            DNS=198.51.100.1 198.51.100.53\nNTP=198.51.100.123\nDOMAINNAME=up1.example\n\
            DOMAIN_SEARCH_LIST=a.example b.example\nHOSTNAME=host\nROUTES=10.0.0.0/8,198.51.100.9 0.0.0.0/33,1.2.3.4\n";
        let lease = lease(text.as_bytes()).expect("a lease");
        assert_eq!((lease.address.to_string().as_str(), lease.prefix_length), ("198.51.100.138", Some(24)));
        assert_eq!((lease.dns.len(), lease.ntp.len(), lease.routers.len()), (2, 1, 1));
        assert_eq!(
            (lease.domain.as_deref(), lease.host_name.as_deref()),
            (Some("up1.example"), Some("host"))
        );
        assert_eq!((lease.search.len(), lease.mtu, lease.routes.len()), (2, Some(1400), 1));
        assert_eq!(super::lease(b"ROUTER=198.51.100.1\n"), None);
    }

    #[test]
    fn lists_are_bounded() {
        let text = format!("DOMAINS={}", "a.example ".repeat(10_000));
        assert_eq!(parse(text.as_bytes()).domains.len(), MAX);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
            let _ = router(&bytes);
            let _ = lease(&bytes);
        }

        #[test]
        fn no_value_panics(value in "\\PC*") {
            for key in ["DNS", "DOMAINS", "NTP", "ADMIN_STATE", "NETWORK_FILE", "ROUTES"] {
                let _ = parse(format!("{key}={value}").as_bytes());
                let _ = lease(format!("ADDRESS=192.0.2.1\n{key}={value}").as_bytes());
            }
        }
    }
}
