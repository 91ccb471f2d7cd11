//! What a test's configuration says about routing.

use super::link::Link;
use super::prefix::Prefix;
use std::collections::BTreeMap;
use std::net::IpAddr;

#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    patterns: Vec<String>,
    gateways: Vec<(String, String)>,
    falls_back: bool,
    base: Option<u32>,
    main_first: bool,
    main_prefixes: Vec<String>,
    shared: Vec<String>,
    without_to: bool,
    ignored: Vec<u8>,
    copies: Option<usize>,
}

impl Policy {
    /// `routing.policy_rules`.
    pub(crate) fn of(patterns: &[&str]) -> Policy {
        Policy { patterns: patterns.iter().map(|p| (*p).to_owned()).collect(), ..Policy::default() }
    }

    /// `routing.gateways`: an address or `first`.
    pub(crate) fn gateway(mut self, link: &str, gateway: &str) -> Policy {
        self.gateways.push((link.to_owned(), gateway.to_owned()));
        self
    }

    /// `routing.fallback: unreachable`.
    pub(crate) fn unreachable(mut self) -> Policy {
        self.falls_back = true;
        self
    }

    /// `routing.rule_priority`.
    pub(crate) fn priority(mut self, base: u32) -> Policy {
        self.base = Some(base);
        self
    }

    /// `routing.specific_routes: main`.
    pub(crate) fn main_first(mut self) -> Policy {
        self.main_first = true;
        self
    }

    /// `routing.main_prefixes`.
    pub(crate) fn main_prefixes(mut self, prefixes: &[&str]) -> Policy {
        self.main_prefixes = owned(prefixes);
        self
    }

    /// `routing.shared`.
    pub(crate) fn shared(mut self, addresses: &[&str]) -> Policy {
        self.shared = owned(addresses);
        self
    }

    /// `routing.to_rules: false`.
    pub(crate) fn without_to_rules(mut self) -> Policy {
        self.without_to = true;
        self
    }

    /// `routing.ignore_protocols`.
    pub(crate) fn ignoring(mut self, protocols: &[u8]) -> Policy {
        self.ignored = protocols.to_vec();
        self
    }

    /// `routing.limits.copies`.
    pub(crate) fn copies(mut self, limit: usize) -> Policy {
        self.copies = Some(limit);
        self
    }

    /// As a configuration file.
    pub(crate) fn yaml(&self) -> String {
        let quoted: Vec<String> = self.patterns.iter().map(|p| format!("'{p}'")).collect();
        let mut keys = vec![format!("policy_rules: [{}]", quoted.join(", "))];
        if !self.gateways.is_empty() {
            let mut lists: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for (link, gateway) in &self.gateways {
                lists.entry(link).or_default().push(format!("'{gateway}'"));
            }
            let each: Vec<String> =
                lists.iter().map(|(link, list)| format!("{link}: [{}]", list.join(", "))).collect();
            keys.push(format!("gateways: {{ {} }}", each.join(", ")));
        }
        keys.extend(self.falls_back.then(|| "fallback: unreachable".to_owned()));
        keys.extend(self.base.map(|base| format!("rule_priority: {base}")));
        keys.extend(self.main_first.then(|| "specific_routes: main".to_owned()));
        keys.extend(self.without_to.then(|| "to_rules: false".to_owned()));
        for (key, list) in [("main_prefixes", &self.main_prefixes), ("shared", &self.shared)] {
            let words: Vec<String> = list.iter().map(|word| format!("'{word}'")).collect();
            keys.extend((!words.is_empty()).then(|| format!("{key}: [{}]", words.join(", "))));
        }
        let numbers: Vec<String> = self.ignored.iter().map(u8::to_string).collect();
        keys.extend((!numbers.is_empty()).then(|| format!("ignore_protocols: [{}]", numbers.join(", "))));
        keys.extend(self.copies.map(|limit| format!("limits: {{ copies: {limit} }}")));
        format!("system: {{ backend: kernel }}\nrouting: {{ {} }}\n", keys.join(", "))
    }

    pub(crate) fn falls_back(&self) -> bool {
        self.falls_back
    }

    pub(super) fn has_to_rules(&self) -> bool {
        !self.without_to
    }

    /// Whether main is asked first where there are so many prefixes to copy.
    pub(super) fn is_main_first(&self, prefixes: usize) -> bool {
        self.main_first || prefixes > self.copies.unwrap_or(4096)
    }

    pub(super) fn left_to_main(&self, is_v4: bool) -> impl Iterator<Item = Prefix> {
        let prefix = |text: &String| {
            let (address, length) = text.split_once('/').expect("ADDRESS/LENGTH");
            Prefix::new(address.parse().expect("an address"), length.parse().expect("a length"))
        };
        self.main_prefixes.iter().map(prefix).filter(move |prefix| prefix.address.is_ipv4() == is_v4)
    }

    pub(super) fn is_shared(&self, address: IpAddr) -> bool {
        self.shared.iter().any(|text| text.parse() == Ok(address))
    }

    pub(super) fn ignores(&self, protocol: u8) -> bool {
        self.ignored.contains(&protocol)
    }

    pub(super) fn base(&self) -> u32 {
        self.base.unwrap_or(32_000)
    }

    /// Under policy routing: a pattern matches one of the names, and no exclusion does.
    pub(super) fn lists(&self, link: &Link) -> bool {
        let hit = |pattern: &str| link.names.iter().any(|name| matches(pattern, name));
        let excluded = self.patterns.iter().filter_map(|pattern| pattern.strip_prefix('!')).any(hit);
        let listed = self.patterns.iter().any(|pattern| !pattern.starts_with('!') && hit(pattern));
        listed && !excluded && !link.is_loopback() && !link.has_master
    }

    pub(super) fn lists_literally(&self, link: &Link) -> bool {
        link.names.iter().any(|name| self.patterns.contains(name))
    }

    /// Gateways of the configuration for this link; `None` is `first`.
    pub(super) fn gateways<'a>(&'a self, link: &'a Link) -> impl Iterator<Item = Option<IpAddr>> {
        let named = self.gateways.iter().filter(|(name, _)| link.names.contains(name));
        named.map(|(_, text)| (text != "first").then(|| text.parse().expect("an address")))
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Patterns of the tests have one `*` at most.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => pattern == name,
    }
}
