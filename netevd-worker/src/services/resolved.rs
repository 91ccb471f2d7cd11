//! systemd-resolved: a link's name servers and domains (org.freedesktop.resolve1(5)).

use super::failure::Failure;
use crate::backend::bus::{Bus, CallError, Calls, Service};
use protocol::{Ifindex, InterfaceName};
use std::net::IpAddr;

/// For people.
pub(super) const NAME: &str = "systemd-resolved";
const SERVICE: &str = "org.freedesktop.resolve1";
const PATH: &str = "/org/freedesktop/resolve1";
const MANAGER: &str = "org.freedesktop.resolve1.Manager";

/// Its connections.
pub(super) fn bus() -> Bus {
    Bus::new(service())
}

pub(super) fn service() -> Service {
    Service { name: SERVICE, user: Some("systemd-resolve"), signals: &[] }
}

/// SetLinkDNS and SetLinkDomains, each if it is asked for.
pub(super) async fn resolve(
    calls: &Calls,
    ifindex: Ifindex,
    link: &InterfaceName,
    dns: Option<&[IpAddr]>,
    domains: Option<&[String]>,
) -> Result<(), Failure> {
    let index = i32_of(ifindex);
    if let Some(dns) = dns {
        let servers: Vec<(i32, Vec<u8>)> = dns.iter().map(server).collect();
        call(calls, "SetLinkDNS", link, &(index, servers)).await?;
    }
    if let Some(domains) = domains {
        let domains: Vec<(&str, bool)> = domains.iter().map(|domain| self::domain(domain)).collect();
        call(calls, "SetLinkDomains", link, &(index, domains)).await?;
    }
    Ok(())
}

/// RevertLink; a link that is gone has nothing left to revert.
pub(super) async fn revert(calls: &Calls, ifindex: Ifindex, link: &InterfaceName) -> Result<(), Failure> {
    match calls.call(SERVICE, PATH, MANAGER, "RevertLink", &i32_of(ifindex)).await {
        Ok(_) => Ok(()),
        Err(error) if error.name() == Some("org.freedesktop.resolve1.NoSuchLink") => Ok(()),
        Err(error) => Err(failure("RevertLink", link, &error)),
    }
}

async fn call<B>(calls: &Calls, member: &'static str, link: &InterfaceName, body: &B) -> Result<(), Failure>
where
    B: serde::Serialize + zbus::DynamicType,
{
    match calls.call(SERVICE, PATH, MANAGER, member, body).await {
        Ok(_) => Ok(()),
        Err(error) => Err(failure(member, link, &error)),
    }
}

fn failure(member: &str, link: &InterfaceName, error: &CallError) -> Failure {
    if error.name() == Some("org.freedesktop.resolve1.LinkBusy") {
        return Failure::Refused(format!(
            "{link} is managed by systemd-networkd, which alone has the say over its name servers and \
             domains: set DNS= and Domains= in its .network file (networkctl status {link} names it)"
        ));
    }
    Failure::new(NAME, member, error)
}

/// An index is less than 2^31 (the kernel's own type is int).
fn i32_of(ifindex: Ifindex) -> i32 {
    i32::try_from(ifindex.get()).unwrap_or(i32::MAX)
}

/// `(iay)`: AF_INET or AF_INET6, and the address in network order.
fn server(address: &IpAddr) -> (i32, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (nix::libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (nix::libc::AF_INET6, address.octets().to_vec()),
    }
}

/// `(sb)`: the name, and whether it is for routing only, which `~` in front says. The catch-all is
/// the root, and never a search domain.
fn domain(name: &str) -> (&str, bool) {
    match name.strip_prefix('~') {
        Some(rest) => (rest, true),
        None => (name, name == "."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_for_search_and_for_routing() {
        for (name, expected) in [
            ("a.example", ("a.example", false)),
            ("~a.example", ("a.example", true)),
            (".", (".", true)),
            ("~.", (".", true)),
        ] {
            assert_eq!(domain(name), expected, "{name}");
        }
    }

    #[test]
    fn servers() {
        let of = |text: &str| server(&text.parse().expect("an address"));
        assert_eq!(of("192.0.2.1"), (2, vec![192, 0, 2, 1]));
        let (family, octets) = of("2001:db8::1");
        assert_eq!((family, octets.len(), octets[0]), (10, 16, 0x20));
    }
}
