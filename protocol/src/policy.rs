//! The helper's policy: root's word on what may ever be touched.
//!
//! A text of one directive a line, made by `netevd policy` from the `routing:` section and read
//! by the helper before it locks itself down. Writer and reader stand here together; the reader
//! knows no YAML, and an unknown, repeated or malformed directive is an error, never a default.

use crate::{InterfaceName, PatternList, Priority};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::str::FromStr;

/// The largest table base: tables stay within the range that ip(8) shows without surprise.
pub const TABLE_BASE_MAX: u32 = 1 << 30;
/// The largest rule priority: both rules must stand before main (32766).
pub const RULE_PRIORITY_MAX: u32 = 32_762;
/// The longest policy text that is read, in bytes.
const TEXT_MAX: usize = 64 * 1024;
const HEADER: &str = "netevd-policy 1";

/// What becomes of traffic from a managed address when its gateway or link is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// Our rules go; main decides.
    #[default]
    Main,
    /// Our rules stay, and end in an unreachable route: never by another uplink.
    Unreachable,
}

/// Which gateways the helper accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GatewayCheck {
    /// On-link, and held by the kernel for that interface in a foreign table, or named here.
    #[default]
    Known,
    /// On-link is enough.
    OnLink,
}

/// Caps on what may stand in the kernel at a time, and on writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Addresses with rules, per interface.
    pub addresses: u32,
    /// Copied local networks, per interface.
    pub local_networks: u32,
    /// Rules and routes in all.
    pub objects: u32,
    /// Sustained writes per second; the burst is `objects`, so that an initial pass fits.
    pub writes_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { addresses: 1024, local_networks: 1024, objects: 8192, writes_per_second: 2000 }
    }
}

/// The two priorities in use: `base + 2` for `from` rules, `base + 3` for `to` rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorityPair {
    /// Of `from A lookup T`.
    pub from: Priority,
    /// Of `to A lookup T`.
    pub to: Priority,
}

/// Everything that the helper may ever touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Interfaces under policy routing, by current name. Empty: none, every add is refused.
    pub interfaces: PatternList,
    /// Added to the ifindex to give the table.
    pub table_base: u32,
    /// The configured priority; see [`Policy::priorities`].
    pub rule_priority: u32,
    /// See [`Fallback`].
    pub fallback: Fallback,
    /// See [`GatewayCheck`].
    pub gateway_check: GatewayCheck,
    /// Whether main's local networks are copied.
    pub local_networks: bool,
    /// Gateways that the administrator names, in order of preference.
    pub gateways: BTreeMap<InterfaceName, Vec<IpAddr>>,
    /// See [`Limits`].
    pub limits: Limits,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            interfaces: PatternList::default(),
            table_base: 200,
            rule_priority: 32_000,
            fallback: Fallback::default(),
            gateway_check: GatewayCheck::default(),
            local_networks: true,
            gateways: BTreeMap::new(),
            limits: Limits::default(),
        }
    }
}

/// Which line of a policy text is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Line number from 1; 0 for the text as a whole.
    pub line: usize,
    /// What is wrong.
    pub fault: String,
}

impl Policy {
    /// The priorities of the two kinds of rule.
    pub fn priorities(&self) -> PriorityPair {
        PriorityPair { from: Priority(self.rule_priority + 2), to: Priority(self.rule_priority + 3) }
    }

    /// The administrator's gateways for an interface, if any.
    pub fn gateways_of(&self, name: &str) -> &[IpAddr] {
        let found = self.gateways.iter().find(|(n, _)| n.as_str() == name);
        found.map_or(&[], |(_, gateways)| gateways)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        for item in self.interfaces.items() {
            writeln!(f, "interface {item}")?;
        }
        writeln!(f, "table-base {}", self.table_base)?;
        writeln!(f, "rule-priority {}", self.rule_priority)?;
        writeln!(
            f,
            "fallback {}",
            match self.fallback {
                Fallback::Main => "main",
                Fallback::Unreachable => "unreachable",
            }
        )?;
        writeln!(
            f,
            "gateway-check {}",
            match self.gateway_check {
                GatewayCheck::Known => "known",
                GatewayCheck::OnLink => "on-link",
            }
        )?;
        writeln!(f, "local-networks {}", if self.local_networks { "yes" } else { "no" })?;
        for (name, gateways) in &self.gateways {
            let mut line = format!("gateway {name}");
            for gateway in gateways {
                write!(line, " {gateway}")?;
            }
            writeln!(f, "{line}")?;
        }
        let Limits { addresses, local_networks, objects, writes_per_second } = self.limits;
        writeln!(f, "limits {addresses} {local_networks} {objects} {writes_per_second}")
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        if text.len() > TEXT_MAX {
            return Err(PolicyError { line: 0, fault: format!("more than {TEXT_MAX} bytes") });
        }
        let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line));
        if lines.next().is_none_or(|(_, line)| line != HEADER) {
            return Err(PolicyError { line: 1, fault: format!("expected {HEADER:?}") });
        }
        let mut policy = Self::default();
        let mut seen = Vec::new();
        for (line, content) in lines {
            let words: Vec<&str> = content.split(' ').collect();
            let word = words.first().copied().unwrap_or_default();
            if !["interface", "gateway"].contains(&word) {
                if seen.contains(&word) {
                    return Err(PolicyError { line, fault: format!("{word:?} stands twice") });
                }
                seen.push(word);
            }
            policy.directive(&words).map_err(|fault| PolicyError { line, fault })?;
        }
        // All must be said: what is missing was lost on the way here.
        let required =
            ["table-base", "rule-priority", "fallback", "gateway-check", "local-networks", "limits"];
        match required.iter().find(|word| !seen.contains(word)) {
            Some(missing) => Err(PolicyError { line: 0, fault: format!("{missing:?} is missing") }),
            None => Ok(policy),
        }
    }
}

impl Policy {
    fn directive(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["interface", pattern] => self.interfaces.push(pattern).map_err(|e| e.to_string())?,
            ["table-base", n] => self.table_base = number(n, TABLE_BASE_MAX)?,
            ["rule-priority", n] => self.rule_priority = number(n, RULE_PRIORITY_MAX)?,
            ["fallback", "main"] => self.fallback = Fallback::Main,
            ["fallback", "unreachable"] => self.fallback = Fallback::Unreachable,
            ["gateway-check", "known"] => self.gateway_check = GatewayCheck::Known,
            ["gateway-check", "on-link"] => self.gateway_check = GatewayCheck::OnLink,
            ["local-networks", "yes"] => self.local_networks = true,
            ["local-networks", "no"] => self.local_networks = false,
            ["gateway", name, gateways @ ..] if !gateways.is_empty() => {
                let name = InterfaceName::new(name).map_err(|e| e.to_string())?;
                let parse = |text: &&str| text.parse().map_err(|_| format!("{text:?} is no address"));
                let gateways = gateways.iter().map(parse).collect::<Result<_, String>>()?;
                if self.gateways.insert(name, gateways).is_some() {
                    return Err("the gateways of this interface stand twice".to_owned());
                }
            }
            ["limits", addresses, local_networks, objects, writes] => {
                self.limits = Limits {
                    addresses: number(addresses, u32::MAX)?,
                    local_networks: number(local_networks, u32::MAX)?,
                    objects: number(objects, u32::MAX)?,
                    writes_per_second: number(writes, u32::MAX)?,
                };
            }
            _ => return Err(format!("unknown or malformed directive {:?}", words.join(" "))),
        }
        Ok(())
    }
}

/// A decimal number from 1 to `max`, in its only spelling.
fn number(text: &str, max: u32) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(n) if (1..=max).contains(&n) && n.to_string() == text => Ok(n),
        _ => Err(format!("{text:?} is no number from 1 to {max}")),
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "policy: {}", self.fault),
            line => write!(f, "policy line {line}: {}", self.fault),
        }
    }
}

impl std::error::Error for PolicyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full() -> Policy {
        Policy {
            interfaces: PatternList::new(["eth1", "wan*", "!wan9"]).expect("good"),
            fallback: Fallback::Unreachable,
            gateways: BTreeMap::from([(
                InterfaceName::new("eth1").expect("good"),
                vec!["192.0.2.1".parse().expect("an address"), "fe80::1".parse().expect("an address")],
            )]),
            ..Policy::default()
        }
    }

    #[test]
    fn written_and_read_it_is_the_same() {
        for policy in [Policy::default(), full()] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert_eq!(full().priorities().from, Priority(32_002));
        assert_eq!(full().gateways_of("eth1").len(), 2);
    }

    #[test]
    fn nothing_is_guessed() {
        let good = full().to_string();
        for (from, to, fault) in [
            ("netevd-policy 1", "netevd-policy 2", "line 1: expected"),
            ("table-base 200", "table-base 0200", "line 5: \"0200\" is no number"),
            ("table-base 200", "table-base", "malformed"),
            ("table-base 200\n", "", "\"table-base\" is missing"),
            ("fallback unreachable", "fallback unreachable\nfallback main", "stands twice"),
            ("gateway eth1 192.0.2.1", "gateway eth1 192.0.2", "no address"),
            ("interface eth1", "interface eth/1", "which no interface name can"),
            ("limits 1024", "limits 0", "is no number from 1"),
            ("local-networks yes", "local-networks maybe", "malformed"),
            ("rule-priority 32000", "rule-priority 32763", "is no number from 1 to 32762"),
            ("fallback", "\nfallback", "malformed directive \"\""),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good);
            let error = text.parse::<Policy>().expect_err(&text).to_string();
            assert!(error.contains(fault), "{error} for {to:?}");
        }
        assert!("x".repeat(TEXT_MAX + 1).parse::<Policy>().is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(netevd-policy 1\n)?[ -~\n]{0,200}") {
            let _ = text.parse::<Policy>();
        }
    }
}
