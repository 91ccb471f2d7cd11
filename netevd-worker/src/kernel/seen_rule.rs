//! A policy rule with everything that the kernel tells of it (`fib_rule_hdr`, linux/fib_rules.h), in
//! numbers and in the words of ip-rule(8).

use crate::names;
use netlink_packet_core::{DecodeError, NlasIterator, parse_u32};
use protocol::kernel::{FIB_RULE_INVERT, FR_ACT_TO_TBL, RTMSG, address};
use protocol::{Family, Prefix};
use std::fmt;

/// `FR_ACT_GOTO`
const GOTO: u8 = 2;
/// `FIB_RULE_UNRESOLVED`, `FIB_RULE_IIF_DETACHED`, `FIB_RULE_OIF_DETACHED`
const UNRESOLVED: u32 = 4;
const IIF_DETACHED: u32 = 8;
const OIF_DETACHED: u32 = 16;

/// `FRA_*` of linux/fib_rules.h.
mod fra {
    pub(super) use protocol::kernel::fra::*;
    pub(super) const IIFNAME: u16 = 3;
    pub(super) const GOTO: u16 = 4;
    pub(super) const FLOW: u16 = 11;
    pub(super) const TUN_ID: u16 = 12;
    pub(super) const SUPPRESS_IFGROUP: u16 = 13;
    pub(super) const OIFNAME: u16 = 17;
    pub(super) const PAD: u16 = 18;
    pub(super) const L3MDEV: u16 = 19;
    pub(super) const UID_RANGE: u16 = 20;
    pub(super) const IP_PROTO: u16 = 22;
    pub(super) const SPORT_RANGE: u16 = 23;
    pub(super) const DPORT_RANGE: u16 = 24;
    pub(super) const SPORT_MASK: u16 = 28;
    pub(super) const DPORT_MASK: u16 = 29;
}

/// A rule, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// `FRA_PRIORITY`
    pub priority: u32,
    /// `not`: it holds for all that its selectors do not match.
    pub inverted: bool,
    /// `from`; none is all.
    pub source: Option<Prefix>,
    /// `to`; none is all.
    pub destination: Option<Prefix>,
    /// `tos`; 0 is any.
    pub tos: u8,
    /// `fwmark`: value and mask.
    pub mark: Option<(u32, u32)>,
    /// `FRA_IIFNAME`
    pub iif: Option<String>,
    /// There is no such link.
    pub iif_detached: bool,
    /// `FRA_OIFNAME`
    pub oif: Option<String>,
    /// There is no such link.
    pub oif_detached: bool,
    /// `l3mdev`: the table of the VRF that the packet is in.
    pub l3mdev: bool,
    /// `uidrange`, both ends in it.
    pub uids: Option<(u32, u32)>,
    /// `ipproto`
    pub ip_protocol: Option<u8>,
    /// `sport`, both ends in it.
    pub source_ports: Option<(u16, u16)>,
    /// `dport`, both ends in it.
    pub destination_ports: Option<(u16, u16)>,
    /// `tun_id`
    pub tunnel: Option<u64>,
    /// The table looked up; none for other actions, and where the packet's VRF decides (`l3mdev`).
    pub table: Option<u32>,
    /// `suppress_prefixlength`: what the table has of this length or less does not count.
    pub suppress_length: Option<u32>,
    /// `suppress_ifgroup`: what leaves through a link of this group does not count.
    pub suppress_group: Option<u32>,
    /// `realms`: source in the upper half, destination in the lower.
    pub realms: Option<u32>,
    /// `goto`: the priority to go on with.
    pub goto: Option<u32>,
    /// There is no rule of that priority.
    pub unresolved: bool,
    /// As ip-rule(8) words it.
    pub action: &'static str,
    /// `FRA_PROTOCOL`
    pub protocol: u8,
    /// Attributes that are not known here, of a kernel that is newer than this program.
    pub unknown: Vec<u16>,
}

impl SeenRule {
    /// Reads what follows the header of an `RTM_NEWRULE` or `RTM_DELRULE`; `None` for families that are
    /// not IP.
    pub(super) fn read(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let Some((&[family, to, from, tos, table, _, _, action, flags @ ..], attributes)) =
            payload.split_first_chunk::<RTMSG>()
        else {
            return Err("shorter than struct fib_rule_hdr".into());
        };
        let Some(family) = Family::numbered(family) else { return Ok(None) };
        let flags = u32::from_ne_bytes(flags);
        let is = |flag: u32| flags & flag != 0;
        let mut rule = Self { tos, inverted: is(FIB_RULE_INVERT), ..Self::any(family, action_name(action)) };
        let (mut table, mut mark) = (u32::from(table), (None, None));
        let prefix = |value: &[u8], length| Prefix::containing(address(value)?, length).ok();
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                fra::DST => rule.destination = prefix(value, to),
                fra::SRC => rule.source = prefix(value, from),
                fra::IIFNAME => rule.iif = Some(name(value)),
                fra::OIFNAME => rule.oif = Some(name(value)),
                fra::GOTO => rule.goto = Some(parse_u32(value)?),
                fra::PRIORITY => rule.priority = parse_u32(value)?,
                fra::FWMARK => mark.0 = Some(parse_u32(value)?),
                fra::FWMASK => mark.1 = Some(parse_u32(value)?),
                fra::FLOW => rule.realms = Some(parse_u32(value)?),
                fra::TUN_ID => rule.tunnel = value.first_chunk().map(|id| u64::from_be_bytes(*id)),
                fra::SUPPRESS_IFGROUP => rule.suppress_group = limit(value)?,
                fra::SUPPRESS_PREFIXLEN => rule.suppress_length = limit(value)?,
                fra::TABLE => table = parse_u32(value)?,
                fra::L3MDEV => rule.l3mdev = value.first().is_some_and(|set| *set != 0),
                fra::UID_RANGE => rule.uids = pair(value, u32::from_ne_bytes),
                fra::PROTOCOL => rule.protocol = value.first().copied().unwrap_or_default(),
                fra::IP_PROTO => rule.ip_protocol = value.first().copied(),
                fra::SPORT_RANGE => rule.source_ports = pair(value, u16::from_ne_bytes),
                fra::DPORT_RANGE => rule.destination_ports = pair(value, u16::from_ne_bytes),
                // The whole of a port, which is in every dump of Linux 6.15 and later.
                fra::SPORT_MASK | fra::DPORT_MASK if value == u16::MAX.to_ne_bytes() => {}
                fra::PAD => {}
                other => rule.unknown.push(other),
            }
        }
        if mark.0.is_some() || mark.1.is_some() {
            rule.mark = Some((mark.0.unwrap_or_default(), mark.1.unwrap_or(u32::MAX)));
        }
        rule.table = (action == FR_ACT_TO_TBL && table != 0).then_some(table);
        rule.unresolved = action == GOTO && is(UNRESOLVED);
        rule.iif_detached = rule.iif.is_some() && is(IIF_DETACHED);
        rule.oif_detached = rule.oif.is_some() && is(OIF_DETACHED);
        Ok(Some(rule))
    }

    /// Without any selector.
    pub fn any(family: Family, action: &'static str) -> Self {
        Self {
            family,
            priority: 0,
            inverted: false,
            source: None,
            destination: None,
            tos: 0,
            mark: None,
            iif: None,
            iif_detached: false,
            oif: None,
            oif_detached: false,
            l3mdev: false,
            uids: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            tunnel: None,
            table: None,
            suppress_length: None,
            suppress_group: None,
            realms: None,
            goto: None,
            unresolved: false,
            action,
            protocol: 0,
            unknown: Vec::new(),
        }
    }

    /// Whether it asks for more than `from` and `to`, so that it holds for a part of what these match.
    pub fn is_narrower(&self) -> bool {
        self.inverted
            || self.tos != 0
            || self.mark.is_some()
            || self.has_other_selectors()
            || self.suppress_length.is_some()
            || self.suppress_group.is_some()
            || self.goto.is_some()
    }

    /// Whether a link, a user, ports, a protocol, a tunnel or something unknown is asked for.
    pub fn has_other_selectors(&self) -> bool {
        self.iif.is_some()
            || self.oif.is_some()
            || self.l3mdev
            || self.uids.is_some()
            || self.ip_protocol.is_some()
            || self.source_ports.is_some()
            || self.destination_ports.is_some()
            || self.tunnel.is_some()
            || !self.unknown.is_empty()
    }

    /// `fwmark` as ip(8) writes it: `0x1`, or `0x1/0xff`.
    pub fn mark_text(&self) -> Option<String> {
        self.mark.map(|(value, mask)| match mask {
            u32::MAX => format!("{value:#x}"),
            mask => format!("{value:#x}/{mask:#x}"),
        })
    }

    /// `realms` as ip(8) writes it: `3/4`, or the destination's alone.
    pub fn realms_text(&self) -> Option<String> {
        self.realms.map(realms)
    }
}

/// `SOURCE/DESTINATION`, or the destination's alone.
pub(super) fn realms(realms: u32) -> String {
    match (realms >> 16, realms & 0xffff) {
        (0, destination) => destination.to_string(),
        (source, destination) => format!("{source}/{destination}"),
    }
}

/// `80`, or `80-90`.
pub fn range<T: PartialEq + fmt::Display>((low, high): (T, T)) -> String {
    if low == high { low.to_string() } else { format!("{low}-{high}") }
}

/// One address without its length, as ip(8) shows it.
pub fn host_or_prefix(prefix: Prefix) -> String {
    if Prefix::host(prefix.address()) == prefix { prefix.address().to_string() } else { prefix.to_string() }
}

impl fmt::Display for SeenRule {
    /// In the words of ip-rule(8), without priority and protocol; `ip rule add` and `del` take them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.inverted { "not from " } else { "from " })?;
        f.write_str(&self.source.map_or_else(|| "all".to_owned(), host_or_prefix))?;
        let mut word = |name: &str, value: Option<String>| match value {
            Some(value) => write!(f, " {name} {value}"),
            None => Ok(()),
        };
        let detached = |name: &Option<String>, is: bool| {
            name.as_ref().map(|name| if is { format!("{name} [detached]") } else { name.clone() })
        };
        word("to", self.destination.map(host_or_prefix))?;
        word("tos", (self.tos != 0).then(|| format!("{:#04x}", self.tos)))?;
        word("fwmark", self.mark_text())?;
        word("iif", detached(&self.iif, self.iif_detached))?;
        word("oif", detached(&self.oif, self.oif_detached))?;
        word("lookup", self.l3mdev.then(|| "[l3mdev-table]".to_owned()))?;
        word("uidrange", self.uids.map(|(low, high)| format!("{low}-{high}")))?;
        word("ipproto", self.ip_protocol.map(|number| names::ip_protocol(number).into_owned()))?;
        word("sport", self.source_ports.map(range))?;
        word("dport", self.destination_ports.map(range))?;
        word("tun_id", self.tunnel.map(|id| id.to_string()))?;
        word("lookup", self.table.map(|table| names::route_table(table).into_owned()))?;
        word("suppress_prefixlength", self.suppress_length.map(|length| length.to_string()))?;
        word("suppress_ifgroup", self.suppress_group.map(|group| group.to_string()))?;
        word("realms", self.realms_text())?;
        for number in &self.unknown {
            word("attribute", Some(number.to_string()))?;
        }
        match (self.goto, self.action) {
            (Some(target), _) if self.unresolved => write!(f, " goto {target} [unresolved]"),
            (Some(target), _) => write!(f, " goto {target}"),
            (None, "lookup") => Ok(()),
            (None, action) => write!(f, " {action}"),
        }
    }
}

fn action_name(action: u8) -> &'static str {
    match action {
        FR_ACT_TO_TBL => "lookup",
        GOTO => "goto",
        3 => "nop",
        6 => "blackhole",
        7 => "unreachable",
        8 => "prohibit",
        _ => "unknown",
    }
}

fn name(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

/// -1, which is in every dump, is none.
fn limit(value: &[u8]) -> Result<Option<u32>, DecodeError> {
    Ok(Some(parse_u32(value)?).filter(|limit| *limit != u32::MAX))
}

fn pair<T, const N: usize>(value: &[u8], number: impl Fn([u8; N]) -> T) -> Option<(T, T)> {
    let (low, rest) = value.split_first_chunk()?;
    Some((number(*low), number(*rest.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_without_attributes_is_read_and_a_short_one_is_not() {
        let header = [2, 0, 0, 4, 100, 0, 0, FR_ACT_TO_TBL, 2, 0, 0, 0];
        let rule = SeenRule::read(&header).expect("good").expect("IPv4");
        assert_eq!(rule.to_string(), "not from all tos 0x04 lookup 100");
        assert!(rule.is_narrower());
        assert!(SeenRule::read(&header[..11]).is_err());
        assert_eq!(SeenRule::read(&[&[7], &header[1..]].concat()).expect("good"), None, "of another family");
    }

    #[test]
    fn words_are_those_of_ip() {
        let prefix =
            |text: &str, length| Prefix::containing(text.parse().expect("good"), length).expect("good");
        let plain = SeenRule::any(Family::V4, "lookup");
        for (rule, words) in [
            (
                SeenRule {
                    inverted: true,
                    mark: Some((0xca6c, u32::MAX)),
                    table: Some(51820),
                    ..plain.clone()
                },
                "not from all fwmark 0xca6c lookup 51820",
            ),
            (
                SeenRule { table: Some(254), suppress_length: Some(0), ..plain.clone() },
                "from all lookup main suppress_prefixlength 0",
            ),
            (
                SeenRule {
                    source: Some(prefix("10.0.0.0", 8)),
                    destination: Some(prefix("192.0.2.1", 32)),
                    mark: Some((1, 0xff)),
                    ip_protocol: Some(6),
                    destination_ports: Some((80, 90)),
                    action: "blackhole",
                    ..plain.clone()
                },
                "from 10.0.0.0/8 to 192.0.2.1 fwmark 0x1/0xff ipproto tcp dport 80-90 blackhole",
            ),
            (
                SeenRule { goto: Some(7), unresolved: true, action: "goto", ..plain },
                "from all goto 7 [unresolved]",
            ),
        ] {
            assert_eq!(rule.to_string(), words);
        }
    }
}
