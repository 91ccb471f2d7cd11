//! What a test's configuration says about routing.

use super::link::Link;
use std::collections::BTreeMap;
use std::net::IpAddr;

#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    patterns: Vec<String>,
    gateways: Vec<(String, String)>,
    falls_back: bool,
    base: Option<u32>,
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
        format!("system: {{ backend: kernel }}\nrouting: {{ {} }}\n", keys.join(", "))
    }

    pub(crate) fn falls_back(&self) -> bool {
        self.falls_back
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

/// Patterns of the tests have one `*` at most.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => pattern == name,
    }
}
