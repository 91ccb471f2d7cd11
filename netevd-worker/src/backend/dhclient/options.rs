//! DHCP options as dhclient writes them (dhcp-options(5)), gathered into a lease. The order of a
//! block's options means nothing: dhclient writes the same lease in another order at a renewal.

use super::date::Ending;
use super::lexer::Token;
use crate::model::Lease;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// Addresses or names of one option that are kept. resolved and scripts have no use for more.
const MAX: usize = 64;
/// Classless routes of one lease that are kept: an option of 255 bytes holds fewer.
const MAX_ROUTES: usize = 256;

/// Destination, length, gateway.
type Route = (IpAddr, u8, IpAddr);

/// A lease whose block has not ended yet.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) address: Option<IpAddr>,
    pub(super) ending: Option<Ending>,
    /// The client gave the lease back.
    pub(super) released: bool,
    prefix_length: Option<u8>,
    routers: Vec<IpAddr>,
    /// By the option of RFC 3442, and by Microsoft's, which counts without the other.
    routes: [Vec<Route>; 2],
    dns: Vec<IpAddr>,
    domains: Vec<String>,
    search: Vec<String>,
    host_name: Option<String>,
    fqdn: Option<String>,
    server: Option<IpAddr>,
    mtu: Option<u32>,
    ntp: Vec<IpAddr>,
}

impl Draft {
    /// `option NAME VALUES;`, unknown names included: they change nothing.
    pub(super) fn option(&mut self, name: &str, values: &[Token<'_>]) {
        match name {
            "subnet-mask" => self.prefix_length = first(values).and_then(mask_length),
            "routers" => self.routers = list(values),
            "domain-name-servers" | "dhcp6.name-servers" => self.dns = list(values),
            "domain-name" => self.domains = names(values),
            "domain-search" | "dhcp6.domain-search" => self.search = names(values),
            "host-name" => self.host_name = names(values).into_iter().next(),
            "dhcp6.fqdn" => self.fqdn = names(values).into_iter().next(),
            "dhcp-server-identifier" => self.server = first(values),
            "interface-mtu" => self.mtu = first(values),
            "ntp-servers" | "dhcp6.sntp-servers" => self.ntp = list(values),
            // By number where dhclient.conf does not name it; RFC 3442, and [MS-DHCPE] 2.2.8.
            "rfc3442-classless-static-routes" | "unknown-121" => self.routes[0] = routes(values),
            "ms-classless-static-routes" | "unknown-249" => self.routes[1] = routes(values),
            _ => {}
        }
    }

    /// The lease; none if it was given back, has no address, or no end that can be read, which
    /// dhclient itself takes for an ended one.
    pub(super) fn finish(self) -> Option<Lease> {
        let address = self.address.filter(|_| !self.released)?;
        let expires = match self.ending? {
            Ending::Never => None,
            Ending::At(time) => Some(time),
        };
        let mut domains = self.domains.into_iter();
        let domain = domains.next();
        let mut search = self.search;
        for further in domains {
            if search.len() < MAX && !search.contains(&further) {
                search.push(further);
            }
        }
        let [standard, microsoft] = self.routes;
        Some(Lease {
            address,
            prefix_length: if address.is_ipv6() { Some(128) } else { self.prefix_length },
            routers: self.routers,
            routes: if standard.is_empty() { microsoft } else { standard },
            dns: self.dns,
            domain,
            search,
            host_name: self.host_name.or(self.fqdn),
            server: self.server,
            mtu: self.mtu,
            ntp: self.ntp,
            expires,
        })
    }
}

fn first<T: FromStr>(values: &[Token<'_>]) -> Option<T> {
    values.first()?.parse()
}

/// What can be read of a list; the commas between are no values.
fn list(values: &[Token<'_>]) -> Vec<IpAddr> {
    values.iter().filter_map(Token::parse).take(MAX).collect()
}

/// Names, also several in one string; without the zero that some servers send behind a string,
/// and without the final dot that dhclient writes in search lists.
fn names(values: &[Token<'_>]) -> Vec<String> {
    let mut names = Vec::new();
    for text in values.iter().filter_map(Token::text) {
        let text = text.trim_end_matches('\0');
        for name in text.split_ascii_whitespace() {
            let name = if name.len() > 1 { name.strip_suffix('.').unwrap_or(name) } else { name };
            if names.len() < MAX {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// 255.255.255.0 is 24; a mask with holes has no length.
fn mask_length(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    let length = bits.leading_ones();
    (bits.count_ones() == length).then(|| u8::try_from(length).ok()).flatten()
}

/// Length, as many octets of the destination as it needs, four of the gateway; and so on. The
/// octets are decimal words with commas, or one word in hexadecimal with colons. What follows a
/// fault is dropped.
fn routes(values: &[Token<'_>]) -> Vec<Route> {
    let octets: Vec<u8> = match values {
        [Token::Word(word)] if word.contains(&b':') => {
            let Ok(word) = std::str::from_utf8(word) else { return Vec::new() };
            word.split(':').map_while(|octet| u8::from_str_radix(octet, 16).ok()).collect()
        }
        values => values.iter().filter(|value| **value != Token::Comma).map_while(Token::parse).collect(),
    };
    let mut rest = &octets[..];
    let mut routes = Vec::new();
    while let Some((route, after)) = route(rest)
        && routes.len() < MAX_ROUTES
    {
        routes.push(route);
        rest = after;
    }
    routes
}

fn route(octets: &[u8]) -> Option<(Route, &[u8])> {
    let (&length, rest) = octets.split_first()?;
    let significant = usize::from(length.div_ceil(8));
    let mut destination = [0; 4];
    let (given, rest) = rest.split_at_checked(significant)?;
    destination.get_mut(..significant)?.copy_from_slice(given);
    let (gateway, rest) = rest.split_first_chunk::<4>()?;
    Some(((Ipv4Addr::from(destination).into(), length, Ipv4Addr::from(*gateway).into()), rest))
}

#[cfg(test)]
mod tests {
    use super::super::lexer::Lexer;
    use super::*;

    fn with<T>(text: &str, read: impl FnOnce(&[Token<'_>]) -> T) -> T {
        let mut lexer = Lexer::new(text.as_bytes());
        let tokens: Vec<_> = std::iter::from_fn(|| lexer.token().expect("whole")).collect();
        read(&tokens)
    }

    #[test]
    fn classless_routes() {
        for (text, expected) in [
            ("24,192,168,1,10,0,0,1", "192.168.1.0/24 via 10.0.0.1"),
            (
                "24, 192, 168, 1, 10, 0, 0, 1,0,10,0,0,254",
                "192.168.1.0/24 via 10.0.0.1, 0.0.0.0/0 via 10.0.0.254",
            ),
            ("18:c0:a8:1:a:0:0:1", "192.168.1.0/24 via 10.0.0.1"),
            ("32,10,9,8,7,0,0,0,0", "10.9.8.7/32 via 0.0.0.0"),
            ("12,172,16,10,0,0,1", "172.16.0.0/12 via 10.0.0.1"),
            ("0,10,0,0,1,24,192", "0.0.0.0/0 via 10.0.0.1"),
            ("33,1,2,3,4,5,10,0,0,1", ""),
            ("255,1,2", ""),
            ("24,300,168,1,10,0,0,1", ""),
            ("\"24,1\"", ""),
            ("18:zz", ""),
            ("", ""),
        ] {
            let found: Vec<String> = with(text, routes)
                .into_iter()
                .map(|(to, length, by)| format!("{to}/{length} via {by}"))
                .collect();
            assert_eq!(found.join(", "), expected, "{text}");
        }
    }

    #[test]
    fn masks() {
        for (mask, length) in [
            ("255.255.255.0", Some(24)),
            ("255.255.255.255", Some(32)),
            ("0.0.0.0", Some(0)),
            ("255.255.240.0", Some(20)),
            ("255.0.255.0", None),
            ("0.0.0.255", None),
        ] {
            assert_eq!(mask_length(mask.parse().expect("an address")), length, "{mask}");
        }
    }

    #[test]
    fn names_of_all_kinds() {
        for (text, expected) in [
            (r#""example.com""#, &["example.com"][..]),
            (r#""a.example b.example""#, &["a.example", "b.example"]),
            (r#""a.example.", "b.example.""#, &["a.example", "b.example"]),
            (r#""example.com\000""#, &["example.com"]),
            (r#"".""#, &["."]),
            ("bare.example", &["bare.example"]),
            (r#""""#, &[]),
            (r#""$(reboot).example""#, &["$(reboot).example"]),
            (r#""a\377.example""#, &["a\u{fffd}.example"]),
        ] {
            assert_eq!(with(text, names), expected, "{text}");
        }
    }
}
