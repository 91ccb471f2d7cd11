//! Rules of policy routing (fib_rules.h).

use super::prefix::Prefix;
use super::wire::{Attributes, address};
use std::net::IpAddr;

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;
const TO_TABLE: u8 = 1;
const INVERT: u8 = 2;
pub(super) const TABLE_LOCAL: u32 = 255;
pub(super) const TABLE_MAIN: u32 = 254;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) is_v4: bool,
    pub(super) priority: u32,
    pub(super) table: u32,
    pub(super) from: Option<Prefix>,
    pub(super) to: Option<Prefix>,
    pub(super) is_ours: bool,
    looks_up: bool,
    is_inverted: bool,
    mark: Option<(u32, u32)>,
    /// Interfaces, users, protocols, ports, TOS.
    is_partial: bool,
    suppress: Option<u32>,
}

impl Rule {
    pub(super) fn read(body: &[u8]) -> Rule {
        let is_v4 = body[0] == 2;
        let a = Attributes::of(&body[12..]);
        let prefix = |kind: u16, length: u8| a.get(kind).and_then(address).map(|ip| Prefix::new(ip, length));
        let number = |kind: u16| a.number(kind);
        let mark = number(FRA_FWMARK).map(|value| (value, number(FRA_FWMASK).unwrap_or(u32::MAX)));
        let users = a.get(FRA_UID_RANGE).is_some_and(|range| range != [0, 0, 0, 0, 255, 255, 255, 255]);
        let partial = [FRA_IIFNAME, FRA_OIFNAME, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE];
        Rule {
            is_v4,
            priority: number(FRA_PRIORITY).unwrap_or(0),
            table: number(FRA_TABLE).unwrap_or_else(|| u32::from(body[4])),
            from: prefix(FRA_SRC, body[2]),
            to: prefix(FRA_DST, body[1]),
            is_ours: a.get(FRA_PROTOCOL) == Some(&[110]),
            looks_up: body[7] == TO_TABLE,
            is_inverted: body[8] & INVERT != 0,
            mark,
            is_partial: body[3] != 0 || users || partial.iter().any(|kind| a.get(*kind).is_some()),
            // The kernel says -1 for none.
            suppress: number(FRA_SUPPRESS_PREFIXLEN).filter(|length| *length != u32::MAX),
        }
    }

    pub(super) fn is_marked(&self) -> bool {
        !self.is_inverted && self.mark.is_some_and(|(value, mask)| value != 0 && mask != 0)
    }

    /// For all packets: the rule to `local` that every host has.
    pub(super) fn is_local_for_all(&self) -> bool {
        let all = self.from.is_none() && self.to.is_none() && !self.is_partial && !self.is_marked();
        self.looks_up && self.table == TABLE_LOCAL && !self.is_ours && all
    }

    /// Unmarked traffic of a link with these addresses may meet its table, which is none of ours.
    pub(super) fn leads(&self, addresses: &[IpAddr], ours: &[u32]) -> bool {
        let elsewhere = ![0, TABLE_MAIN, TABLE_LOCAL].contains(&self.table) && !ours.contains(&self.table);
        let theirs = self.from.is_none_or(|from| addresses.iter().any(|address| from.contains(*address)));
        self.looks_up && !self.is_ours && elsewhere && !self.is_partial && !self.is_marked() && theirs
    }

    /// Another program's word about our table: a conflict.
    pub(super) fn conflicts(&self, table: u32) -> bool {
        !self.is_ours && self.looks_up && self.table == table && !self.is_marked()
    }

    /// As ip(8) would write it, without the protocol.
    pub(super) fn text(&self) -> String {
        let mut words = vec![format!("{}:", self.priority)];
        words.extend(self.is_inverted.then(|| "not".to_owned()));
        words.extend(self.is_partial.then(|| "partial".to_owned()));
        words.extend(self.from.map(|prefix| format!("from {prefix}")));
        words.extend(self.to.map(|prefix| format!("to {prefix}")));
        words.extend(self.mark.map(|(value, mask)| format!("fwmark {value:#x}/{mask:#x}")));
        words.push(if self.looks_up { format!("lookup {}", self.table) } else { "no table".to_owned() });
        words.extend(self.suppress.map(|length| format!("suppress_prefixlength {length}")));
        words.join(" ")
    }
}
