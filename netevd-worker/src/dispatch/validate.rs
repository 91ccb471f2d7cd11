//! The values that reach scripts as text of somebody else's choosing, checked by their type.
//!
//! Addresses, prefixes, numbers, states and the interface's name are typed already. What comes as
//! a string is: search domains (`DOMAINS`: RFC 1123 section 2.1 host names, with or without the
//! final dot), the hardware address (`MAC`: 1 to 32 octets in hexadecimal, MAX_ADDR_LEN of
//! include/linux/netdevice.h) and the link's kind (`link.kind` of the document: the kernel's
//! module alias, letters, digits, `_`, `-`), names of a lease, and NetworkManager's names for a
//! connection. A value that fails is replaced by nothing and named.

use super::lease::CheckedLeases;
use crate::event::{Detail, Event};
use crate::facts::LinkFacts;

/// A value that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Its place in the document.
    pub(super) field: &'static str,
    /// The variable, where there is one.
    pub(super) variable: Option<&'static str>,
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
    pub(super) leases: CheckedLeases,
    /// The leases before a change.
    pub(super) old_leases: Option<CheckedLeases>,
    pub(super) rejected: Vec<Rejected>,
}

impl<'a> Checked<'a> {
    /// Checks a link's and an event's strings; nothing to check without a link.
    pub(super) fn new(link: Option<&'a LinkFacts>, event: &Event) -> Self {
        let mut checked = Self::default();
        let Some(link) = link else { return checked };
        let mut reject = |field, variable| checked.rejected.push(Rejected { field, variable });
        checked.kind = link.kind.as_deref().filter(|kind| is_kind(kind));
        if checked.kind.is_none() && link.kind.is_some() {
            reject("link.kind", None);
        }
        checked.mac = link.mac.as_deref().filter(|mac| is_mac(mac));
        if checked.mac.is_none() && link.mac.is_some() {
            reject("link.mac", Some("MAC"));
        }
        if link.domains.iter().all(|domain| is_host_name(domain)) {
            checked.domains = &link.domains;
        } else {
            reject("link.domains", Some("DOMAINS"));
        }
        if let Some(manager) = link.manager.as_deref() {
            checked.connection_id = manager.connection_id.as_deref().filter(|id| is_plain(id));
            if checked.connection_id.is_none() && manager.connection_id.is_some() {
                reject("link.connection.id", Some("NM_CONNECTION_ID"));
            }
            checked.connection_uuid = manager.connection_uuid.as_deref().filter(|uuid| is_uuid(uuid));
            if checked.connection_uuid.is_none() && manager.connection_uuid.is_some() {
                reject("link.connection.uuid", Some("NM_CONNECTION_UUID"));
            }
        }
        checked.leases = CheckedLeases::new(&link.leases);
        checked.rejected.extend(checked.leases.rejected());
        if let Detail::Lease { old } = &event.detail {
            checked.old_leases = Some(CheckedLeases::new(old));
        }
        checked
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
