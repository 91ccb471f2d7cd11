//! The helper's policy: root's word on what may ever be touched.
//!
//! A text of one directive a line, made by `netevd policy` from the `routing:` section and read
//! by the helper before it locks itself down. Writer and reader stand here together; the reader
//! knows no YAML, and an unknown, repeated or malformed directive is an error, never a default.

use crate::{BadPrefix, InterfaceName, PatternList, Prefix, Priority};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::str::FromStr;

/// The largest table base: tables stay within the range that ip(8) shows without surprise.
pub const TABLE_BASE_MAX: u32 = 1 << 30;
/// The largest rule priority: all rules must precede that of main (32766).
pub const RULE_PRIORITY_MAX: u32 = 32_762;
/// The longest policy text that is read, in bytes.
const TEXT_MAX: usize = 64 * 1024;
const HEADER: &str = "netevd-policy 2";

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
    /// Addresses with rules, and marks, per interface and family.
    pub addresses: u32,
    /// Prefixes of routes that are no defaults, per interface and family.
    pub copies: u32,
    /// Rules and routes in all.
    pub objects: u32,
    /// Sustained writes per second; the burst is `objects`, so that an initial pass fits.
    pub writes_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { addresses: 1024, copies: 4096, objects: 16_384, writes_per_second: 2000 }
    }
}

/// The four priorities in use, from the configured one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priorities {
    /// Of `lookup local`, where that rule of the kernel's stands behind the others (VRF hosts).
    pub local: Priority,
    /// Of what main decides before the table.
    pub main: Priority,
    /// Of `from A lookup T` and `fwmark M lookup T`.
    pub from: Priority,
    /// Of `to A lookup T`.
    pub to: Priority,
}

/// A gateway that the administrator names for an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GatewayName {
    /// This address.
    Address(IpAddr),
    /// `first`: the first host of the interface's connected subnet.
    First,
}

/// `fwmark value/mask`; neither is 0, and the value has no bit outside the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// What the packet's mark must be, under the mask.
    pub value: u32,
    /// Which bits are compared.
    pub mask: u32,
}

/// Everything that the helper may ever touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Interfaces under policy routing, by any of their names. Empty: none, every add is refused.
    pub interfaces: PatternList,
    /// Added to the ifindex to give the table.
    pub table_base: u32,
    /// The configured priority; see [`Policy::priorities`].
    pub rule_priority: u32,
    /// See [`Fallback`].
    pub fallback: Fallback,
    /// See [`GatewayCheck`].
    pub gateway_check: GatewayCheck,
    /// Whether addresses get `to A lookup T`.
    pub to_rules: bool,
    /// Gateways that the administrator names, in order of preference.
    pub gateways: BTreeMap<InterfaceName, Vec<GatewayName>>,
    /// The mark of what returns by an interface.
    pub marks: BTreeMap<InterfaceName, Mark>,
    /// Addresses that may be on several interfaces at once.
    pub shared: BTreeSet<IpAddr>,
    /// Destinations that main decides, before any table.
    pub main_prefixes: Vec<Prefix>,
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
            to_rules: true,
            gateways: BTreeMap::new(),
            marks: BTreeMap::new(),
            shared: BTreeSet::new(),
            main_prefixes: Vec::new(),
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
    /// The priorities of each kind of rule.
    pub fn priorities(&self) -> Priorities {
        let [local, main, from, to] = [0, 1, 2, 3].map(|n| Priority(self.rule_priority + n));
        Priorities { local, main, from, to }
    }

    /// The administrator's gateways for an interface, by any of its names.
    pub fn gateways_of<'a, N: AsRef<[u8]>>(
        &'a self,
        names: &'a [N],
    ) -> impl Iterator<Item = &'a GatewayName> {
        names.iter().filter_map(|name| by_name(&self.gateways, name.as_ref())).flatten()
    }

    /// The mark of an interface, by any of its names.
    pub fn mark_of<N: AsRef<[u8]>>(&self, names: &[N]) -> Option<Mark> {
        names.iter().find_map(|name| by_name(&self.marks, name.as_ref())).copied()
    }
}

fn by_name<'a, T>(all: &'a BTreeMap<InterfaceName, T>, name: &[u8]) -> Option<&'a T> {
    all.iter().find_map(|(key, value)| (key.as_str().as_bytes() == name).then_some(value))
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
        writeln!(f, "to-rules {}", if self.to_rules { "yes" } else { "no" })?;
        for (name, gateways) in &self.gateways {
            let mut line = format!("gateway {name}");
            for gateway in gateways {
                write!(line, " {gateway}")?;
            }
            writeln!(f, "{line}")?;
        }
        for (name, mark) in &self.marks {
            writeln!(f, "mark {name} {mark}")?;
        }
        for address in &self.shared {
            writeln!(f, "shared {address}")?;
        }
        for prefix in &self.main_prefixes {
            writeln!(f, "main-prefix {prefix}")?;
        }
        let Limits { addresses, copies, objects, writes_per_second } = self.limits;
        writeln!(f, "limits {addresses} {copies} {objects} {writes_per_second}")
    }
}

impl fmt::Display for GatewayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GatewayName::Address(address) => address.fmt(f),
            GatewayName::First => f.write_str("first"),
        }
    }
}

impl FromStr for GatewayName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "first" => Ok(GatewayName::First),
            _ => text.parse().map(GatewayName::Address).map_err(|_| format!("{text:?} is no address")),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}/{:#x}", self.value, self.mask)
    }
}

impl FromStr for Mark {
    type Err = String;

    /// `0x650000/0xff0000`, in its only spelling.
    fn from_str(text: &str) -> Result<Self, String> {
        let hex = |part: &str| u32::from_str_radix(part.strip_prefix("0x")?, 16).ok();
        let mark = text.split_once('/').and_then(|(v, m)| Some(Self { value: hex(v)?, mask: hex(m)? }));
        match mark {
            // A value of 0 would be that of what nobody has marked.
            Some(mark) if mark.value != 0 && mark.value & !mark.mask == 0 && mark.to_string() == text => {
                Ok(mark)
            }
            _ => Err(format!("{text:?} is no mark (0xVALUE/0xMASK, the value within the mask and not 0)")),
        }
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
            if !["interface", "gateway", "mark", "shared", "main-prefix"].contains(&word) {
                if seen.contains(&word) {
                    return Err(PolicyError { line, fault: format!("{word:?} stands twice") });
                }
                seen.push(word);
            }
            policy.directive(&words).map_err(|fault| PolicyError { line, fault })?;
        }
        // All must be said: what is missing was lost on the way here.
        let required = ["table-base", "rule-priority", "fallback", "gateway-check", "to-rules", "limits"];
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
            ["to-rules", "yes"] => self.to_rules = true,
            ["to-rules", "no"] => self.to_rules = false,
            ["gateway", name, gateways @ ..] if !gateways.is_empty() => {
                let name = InterfaceName::alternative(name).map_err(|e| e.to_string())?;
                let gateways = gateways.iter().map(|text| text.parse()).collect::<Result<_, String>>()?;
                if self.gateways.insert(name, gateways).is_some() {
                    return Err("the gateways of this interface stand twice".to_owned());
                }
            }
            ["mark", name, mark] => {
                let name = InterfaceName::alternative(name).map_err(|e| e.to_string())?;
                if self.marks.insert(name, mark.parse()?).is_some() {
                    return Err("the mark of this interface stands twice".to_owned());
                }
            }
            ["shared", text] => {
                let address = text.parse().map_err(|_| format!("{text:?} is no address"))?;
                if !self.shared.insert(address) {
                    return Err(format!("{address} is shared twice"));
                }
            }
            ["main-prefix", text] => {
                let prefix = text.parse().map_err(|e: BadPrefix| e.to_string())?;
                if self.main_prefixes.contains(&prefix) {
                    return Err(format!("main-prefix {prefix} stands twice"));
                }
                self.main_prefixes.push(prefix);
            }
            ["limits", addresses, copies, objects, writes] => {
                self.limits = Limits {
                    addresses: number(addresses, u32::MAX)?,
                    copies: number(copies, u32::MAX)?,
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
                ["192.0.2.1", "first", "fe80::1"].map(|text| text.parse().expect("a gateway")).to_vec(),
            )]),
            marks: BTreeMap::from([(
                InterfaceName::alternative("uplink-of-provider-two").expect("good"),
                Mark { value: 0x65_0000, mask: 0xff_0000 },
            )]),
            to_rules: false,
            shared: BTreeSet::from(["192.0.2.9".parse().expect("an address")]),
            main_prefixes: vec![
                "10.0.0.0/8".parse().expect("a prefix"),
                "fc00::/7".parse().expect("a prefix"),
            ],
            ..Policy::default()
        }
    }

    #[test]
    fn written_and_read_it_is_the_same() {
        for policy in [Policy::default(), full()] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        let Priorities { local, main, from, to } = full().priorities();
        assert_eq!([local, main, from, to].map(|p| p.0), [32_000, 32_001, 32_002, 32_003]);
        assert_eq!(full().gateways_of(&["eth1"]).count(), 3);
        assert_eq!(full().gateways_of(&["eth0", "eth1"]).nth(1), Some(&GatewayName::First));
        assert_eq!(full().gateways_of(&["eth0"]).count(), 0);
        let mark = Mark { value: 0x65_0000, mask: 0xff_0000 };
        assert_eq!(full().mark_of(&["eth1", "uplink-of-provider-two"]), Some(mark));
        assert_eq!(full().mark_of(&["eth1"]), None);
    }

    #[test]
    fn nothing_is_guessed() {
        let good = full().to_string();
        for (from, to, fault) in [
            ("netevd-policy 2", "netevd-policy 1", "line 1: expected"),
            ("table-base 200", "table-base 0200", "line 5: \"0200\" is no number"),
            ("table-base 200", "table-base", "malformed"),
            ("table-base 200\n", "", "\"table-base\" is missing"),
            ("fallback unreachable", "fallback unreachable\nfallback main", "stands twice"),
            ("gateway eth1 192.0.2.1", "gateway eth1 192.0.2", "no address"),
            ("interface eth1", "interface eth/1", "which no interface name can"),
            ("limits 1024", "limits 0", "is no number from 1"),
            ("to-rules no", "to-rules maybe", "malformed"),
            ("0x650000/0xff0000", "0x650000/0xf0000", "is no mark"),
            ("0x650000/0xff0000", "0x0/0xff0000", "is no mark"),
            ("0x650000/0xff0000", "650000/ff0000", "is no mark"),
            ("0x650000/0xff0000", "0x0650000/0xff0000", "is no mark"),
            (
                "mark ",
                "mark eth1 0x1/0x1\nmark eth1 0x1/0x1\nmark ",
                "the mark of this interface stands twice",
            ),
            ("shared 192.0.2.9", "shared 192.0.2.9\nshared 192.0.2.9", "192.0.2.9 is shared twice"),
            ("shared 192.0.2.9", "shared 192.0.2", "no address"),
            ("main-prefix 10.0.0.0/8", "main-prefix 10.0.0.1/8", "is no network prefix"),
            ("main-prefix fc00::/7", "main-prefix 10.0.0.0/8", "main-prefix 10.0.0.0/8 stands twice"),
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
        fn no_text_panics(text in "(netevd-policy 2\n)?[ -~\n]{0,200}") {
            let _ = text.parse::<Policy>();
        }
    }
}
