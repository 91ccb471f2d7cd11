//! The values that reach scripts as text of somebody else's choosing, checked by their type.
//!
//! Addresses, prefixes, numbers, states and the interface's name are typed already. What comes as
//! a string is: search domains (`DOMAINS`: RFC 1123 section 2.1 host names, with or without the
//! final dot), the hardware address (`MAC`: 1 to 32 octets in hexadecimal, MAX_ADDR_LEN of
//! include/linux/netdevice.h) and the link's kind (`link.kind` of the document: the kernel's
//! module alias, letters, digits, `_`, `-`), names of a lease, and NetworkManager's names for a
//! connection. A value that fails is replaced by nothing and named.

use super::lease::CheckedLeases;
use crate::model::{Action, Detail, Event, EventKind, LinkFacts, Resolver};

/// A value that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Its place in the document.
    pub(super) field: &'static str,
    /// The variable, where there is one.
    pub(super) variable: Option<&'static str>,
}

/// Whose values are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Those of the event: `at_event` of the document.
    Event,
    /// The link's present: `link` of the document, `CURRENT_` in the environment.
    Present,
}

impl Part {
    /// A field of this part, and its variable.
    const fn field(self, of_event: Rejected, of_present: Rejected) -> Rejected {
        match self {
            Part::Event => of_event,
            Part::Present => of_present,
        }
    }
}

const fn rejected(field: &'static str, variable: Option<&'static str>) -> Rejected {
    Rejected { field, variable }
}

/// The strings of a link that may be passed on.
#[derive(Debug, Default)]
pub(super) struct Checked<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) mac: Option<&'a str>,
    /// All of them, or none when one of them fails.
    pub(super) domains: &'a [String],
    /// NetworkManager's connection: its name is free text without control characters.
    pub(super) connection_id: Option<&'a str>,
    /// NetworkManager's connection: hexadecimal and hyphens.
    pub(super) connection_uuid: Option<&'a str>,
    /// Time servers: addresses and host names, all of them or none.
    pub(super) ntp: Vec<String>,
    /// Of `dns`: what was before. A malformed list is left out.
    pub(super) old_resolver: Option<Resolver>,
    pub(super) leases: CheckedLeases,
    /// The leases before a change.
    pub(super) old_leases: Option<CheckedLeases>,
    pub(super) rejected: Vec<Rejected>,
}

impl<'a> Checked<'a> {
    /// Checks a link's and an event's strings; nothing to check without a link.
    pub(super) fn new(part: Part, link: Option<&'a LinkFacts>, event: &Event) -> Self {
        let mut checked = Self::default();
        let Some(link) = link else { return checked };
        let mut reject = |of_event, of_present| checked.rejected.push(part.field(of_event, of_present));
        checked.kind = link.kind.as_deref().filter(|kind| is_kind(kind));
        if checked.kind.is_none() && link.kind.is_some() {
            reject(rejected("at_event.kind", None), rejected("link.kind", None));
        }
        checked.mac = link.mac.as_deref().filter(|mac| is_mac(mac));
        if checked.mac.is_none() && link.mac.is_some() {
            reject(rejected("at_event.mac", Some("MAC")), rejected("link.mac", None));
        }
        if link.domains.iter().all(|domain| is_host_name(domain)) {
            checked.domains = &link.domains;
        } else {
            reject(
                rejected("at_event.domains", Some("DOMAINS")),
                rejected("link.domains", Some("CURRENT_DOMAINS")),
            );
        }
        let ntp = link.ntp();
        if ntp.iter().all(|server| is_server(server)) {
            checked.ntp = ntp;
        } else {
            reject(rejected("at_event.ntp", Some("NTP")), rejected("link.ntp", None));
        }
        if let Some(manager) = link.manager.as_deref() {
            checked.connection_id = manager.connection_id.as_deref().filter(|id| is_plain(id));
            if checked.connection_id.is_none() && manager.connection_id.is_some() {
                reject(
                    rejected("at_event.connection.id", Some("NM_CONNECTION_ID")),
                    rejected("link.connection.id", Some("CURRENT_CONNECTION_ID")),
                );
            }
            checked.connection_uuid = manager.connection_uuid.as_deref().filter(|uuid| is_uuid(uuid));
            if checked.connection_uuid.is_none() && manager.connection_uuid.is_some() {
                reject(
                    rejected("at_event.connection.uuid", Some("NM_CONNECTION_UUID")),
                    rejected("link.connection.uuid", Some("CURRENT_CONNECTION_UUID")),
                );
            }
        }
        checked.leases = CheckedLeases::new(&link.leases);
        checked.rejected.extend(checked.leases.rejected(part));
        match (part, &event.detail) {
            (Part::Event, Detail::Lease { old }) => checked.old_leases = Some(CheckedLeases::new(old)),
            (Part::Event, Detail::Dns { old }) => {
                let mut old = (**old).clone();
                if !old.domains.iter().all(|domain| is_host_name(domain)) {
                    old.domains.clear();
                    checked.rejected.push(rejected("old_dns.domains", Some("OLD_DOMAINS")));
                }
                if !old.ntp.iter().all(|server| is_server(server)) {
                    old.ntp.clear();
                    checked.rejected.push(rejected("old_dns.ntp", Some("OLD_NTP")));
                }
                checked.old_resolver = Some(old);
            }
            _ => {}
        }
        checked
    }

    /// What became of the lease, of an event that is about that.
    pub(super) fn lease_action(&self, kind: EventKind) -> Option<Action> {
        let old = self.old_leases.as_ref().filter(|_| kind == EventKind::Lease)?;
        Some(match (old.is_empty(), self.leases.is_empty()) {
            (true, _) => Action::Added,
            (false, true) => Action::Removed,
            (false, false) => Action::Changed,
        })
    }

    /// True when this variable's value was left out.
    pub(super) fn rejects(&self, variable: &str) -> bool {
        self.rejected.iter().any(|rejected| rejected.variable == Some(variable))
    }
}

/// RFC 1123 section 2.1: labels of 1 to 63 letters, digits and inner hyphens, 253 octets in all.
pub fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn is_server(server: &str) -> bool {
    server.parse::<std::net::IpAddr>().is_ok() || is_host_name(server)
}

fn is_mac(mac: &str) -> bool {
    let octet = |octet: &str| octet.len() == 2 && octet.bytes().all(|b| b.is_ascii_hexdigit());
    mac.len() <= 32 * 3 && mac.split(':').all(octet)
}

/// Text for people and for files' names: no control character, at most PATH_MAX.
pub(super) fn is_plain(text: &str) -> bool {
    text.len() <= 4096 && !text.chars().any(char::is_control)
}

fn is_uuid(uuid: &str) -> bool {
    uuid.len() <= 36 && !uuid.is_empty() && uuid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn is_kind(kind: &str) -> bool {
    (1..=64).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        for good in ["example", "example.org", "example.org.", "a-b.c", "1.example", "xn--bcher-kva.example"]
        {
            assert!(is_host_name(good), "{good}");
        }
        let long = ["a".repeat(64), format!("{}a", "a.".repeat(127))];
        for bad in ["", ".", "a..b", "-a", "a-", "a b", "a;b", "$(id)", "a_b", "a\n", "é.org", "a.-b"]
            .into_iter()
            .chain(long.iter().map(String::as_str))
        {
            assert!(!is_host_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn hardware_addresses() {
        for good in ["02:00:5e:10:00:01", "0a", "00:00:00:00", &["ff"; 32].join(":")] {
            assert!(is_mac(good), "{good}");
        }
        for bad in ["", "0", "02:00:5e:10:00:1", "02-00-5e", "02:", "zz:00", &["ff"; 33].join(":")] {
            assert!(!is_mac(bad), "{bad:?}");
        }
    }
}
