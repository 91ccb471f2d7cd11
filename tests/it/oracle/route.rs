//! Routes, with all that a copy has to have.

use super::prefix::Prefix;
use super::wire::{Attributes, address, u16_at, u32_at};
use std::fmt::Write;
use std::net::IpAddr;

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_TTL_PROPAGATE: u16 = 26;
const RTA_NH_ID: u16 = 30;
const RTM_F_CLONED: u32 = 0x200;
const RTNH_F_DEAD: u32 = 1;
const RTNH_F_ONLINK: u32 = 4;
const LWTUNNEL_ENCAP_BPF: u16 = 6;
pub(super) const UNICAST: u8 = 1;
pub(super) const LOCAL: u8 = 2;
pub(super) const MULTICAST: u8 = 5;
pub(super) const BLACKHOLE: u8 = 6;
pub(super) const UNREACHABLE: u8 = 7;
pub(super) const PROHIBIT: u8 = 8;
pub(super) const THROW: u8 = 9;
/// The metric that IPv6 gives where none is asked for.
const USUAL_METRIC_V6: u32 = 1024;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Via {
    Nothing,
    Gateway(IpAddr),
    /// Of the other family: RTA_VIA as bytes.
    Other(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hop {
    pub(super) link: u32,
    pub(super) via: Via,
    pub(super) onlink: bool,
    pub(super) weight: u8,
    pub(super) is_dead: bool,
    flow: Vec<u8>,
    /// Type and attributes.
    encap: Option<(Vec<u8>, Vec<u8>)>,
}

impl Hop {
    pub(super) fn plain(link: u32, via: Via, onlink: bool) -> Hop {
        Hop { link, via, onlink, weight: 0, is_dead: false, flow: Vec::new(), encap: None }
    }

    /// The same leg, of a route with other ones or with none.
    pub(super) fn at_weight(&self, weight: u8) -> Hop {
        Hop { weight, ..self.clone() }
    }

    fn read(link: u32, flags: u32, weight: u8, a: &Attributes<'_>) -> Hop {
        let via = match (a.get(RTA_GATEWAY).and_then(address), a.get(RTA_VIA)) {
            (Some(gateway), _) => Via::Gateway(gateway),
            (None, Some(bytes)) => Via::Other(bytes.to_vec()),
            (None, None) => Via::Nothing,
        };
        Hop {
            link,
            via,
            onlink: flags & RTNH_F_ONLINK != 0,
            weight,
            is_dead: flags & RTNH_F_DEAD != 0,
            flow: a.get(RTA_FLOW).unwrap_or_default().to_vec(),
            encap: a.get(RTA_ENCAP).map(|b| (a.get(RTA_ENCAP_TYPE).unwrap_or_default().to_vec(), b.to_vec())),
        }
    }

    fn text(&self, text: &mut String) {
        write!(text, " [dev {}", self.link).expect("a string");
        match &self.via {
            Via::Nothing => {}
            Via::Gateway(gateway) => write!(text, " via {gateway}").expect("a string"),
            Via::Other(bytes) => write!(text, " via {bytes:?}").expect("a string"),
        }
        if self.onlink {
            text.push_str(" onlink");
        }
        write!(text, " weight {}", self.weight).expect("a string");
        if !self.flow.is_empty() {
            write!(text, " flow {:?}", self.flow).expect("a string");
        }
        if let Some(encap) = &self.encap {
            write!(text, " encap {encap:?}").expect("a string");
        }
        text.push(']');
    }
}

/// Routes of one family and one key replace each other.
pub(super) type Key = (Prefix, Prefix, u8, u32);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) table: u32,
    pub(super) protocol: u8,
    pub(super) kind: u8,
    pub(super) prefix: Prefix,
    pub(super) source: Prefix,
    pub(super) tos: u8,
    pub(super) metric: u32,
    scope: u8,
    metrics: Vec<u8>,
    pub(super) pref: u8,
    flow: Vec<u8>,
    propagate: Vec<u8>,
    pub(super) hops: Vec<Hop>,
    has_id: bool,
    is_cloned: bool,
    is_expired: bool,
}

impl Route {
    pub(super) fn read(body: &[u8]) -> Route {
        let is_v4 = body[0] == 2;
        let a = Attributes::of(&body[12..]);
        let prefix = |kind: u16, length: u8| match a.get(kind).and_then(address) {
            Some(address) => Prefix::new(address, length),
            None => Prefix { length, ..Prefix::default(is_v4) },
        };
        let (kind, flags) = (body[7], u32_at(body, 8));
        let expires = a.get(RTA_CACHEINFO).map_or(0, |info| u32_at(info, 8).cast_signed());
        let mut hops = Vec::new();
        if let Some(mut legs) = a.get(RTA_MULTIPATH) {
            while legs.len() >= 8 {
                let length = usize::from(u16_at(legs, 0));
                let own = Attributes::of(&legs[8..length]);
                hops.push(Hop::read(u32_at(legs, 4), u32::from(legs[2]), legs[3], &own));
                legs = &legs[length.next_multiple_of(4).min(legs.len())..];
            }
        } else if let (UNICAST | LOCAL | MULTICAST, Some(link)) = (kind, a.number(RTA_OIF)) {
            let mut hop = Hop::read(link, flags, 0, &a);
            // The route's own, below.
            hop.flow.clear();
            hops.push(hop);
        }
        Route {
            table: a.number(RTA_TABLE).unwrap_or_else(|| u32::from(body[4])),
            protocol: body[5],
            kind,
            prefix: prefix(RTA_DST, body[1]),
            source: prefix(RTA_SRC, body[2]),
            tos: body[3],
            metric: a.number(RTA_PRIORITY).unwrap_or(0),
            scope: if is_v4 { body[6] } else { 0 },
            metrics: a.get(RTA_METRICS).unwrap_or_default().to_vec(),
            pref: a.get(RTA_PREF).map_or(0, |value| value[0]),
            flow: a.get(RTA_FLOW).unwrap_or_default().to_vec(),
            propagate: a.get(RTA_TTL_PROPAGATE).unwrap_or_default().to_vec(),
            hops,
            has_id: a.get(RTA_NH_ID).is_some(),
            is_cloned: flags & RTM_F_CLONED != 0,
            is_expired: expires < 0,
        }
    }

    pub(super) fn is_v4(&self) -> bool {
        self.prefix.address.is_ipv4()
    }

    /// Not what the kernel remembers by itself, and not what it no longer uses.
    pub(super) fn counts(&self) -> bool {
        !self.is_cloned && !self.is_expired
    }

    pub(super) fn has_legs(&self) -> bool {
        matches!(self.kind, UNICAST | LOCAL | MULTICAST)
    }

    pub(super) fn is_deviceless(&self) -> bool {
        matches!(self.kind, BLACKHOLE | UNREACHABLE | PROHIBIT | THROW)
    }

    pub(super) fn is_default(&self) -> bool {
        self.kind == UNICAST && self.prefix.length == 0
    }

    pub(super) fn living(&self) -> impl Iterator<Item = &Hop> {
        self.hops.iter().filter(|hop| !hop.is_dead)
    }

    /// Whether it leaves, among others, through this link.
    pub(super) fn leaves(&self, link: u32) -> bool {
        self.living().any(|hop| hop.link == link)
    }

    /// What a copy cannot have: a BPF program, or hops that the kernel does not say.
    pub(super) fn is_beyond_copy(&self) -> bool {
        let bpf =
            |hop: &Hop| hop.encap.as_ref().is_some_and(|(kind, _)| u16_at(kind, 0) == LWTUNNEL_ENCAP_BPF);
        self.hops.iter().any(bpf) || (self.has_legs() && self.has_id && self.hops.is_empty())
    }

    /// The copy with these hops.
    pub(super) fn copy(&self, hops: Vec<Hop>) -> Route {
        let mut copy = Route { hops, table: 0, protocol: 110, has_id: false, ..self.clone() };
        if let [hop] = copy.hops.as_mut_slice() {
            hop.weight = 0;
        }
        if self.is_deviceless() {
            copy.hops.clear();
        }
        copy
    }

    /// One of netevd's own as the kernel uses it: a leg whose link went down while it was there is dead in main too.
    pub(super) fn without_dead(&self) -> Route {
        if self.living().next().is_none() {
            return self.clone();
        }
        Route { table: self.table, ..self.copy(self.living().cloned().collect()) }
    }

    /// A route of netevd's own making.
    pub(super) fn made(kind: u8, prefix: Prefix, metric: u32, hops: Vec<Hop>) -> Route {
        let is_v4 = prefix.address.is_ipv4();
        let any = Prefix::default(is_v4);
        let (metrics, flow, propagate) = (Vec::new(), Vec::new(), Vec::new());
        let has_gateway = hops.iter().any(|hop| hop.via != Via::Nothing);
        // RT_SCOPE_LINK for what is reached without a router, as the kernel demands it.
        let scope = if is_v4 && kind == UNICAST && !has_gateway { 253 } else { 0 };
        let metric = if metric == 0 && !is_v4 { USUAL_METRIC_V6 } else { metric };
        Route {
            table: 0,
            protocol: 110,
            kind,
            prefix,
            source: any,
            tos: 0,
            metric,
            scope,
            metrics,
            pref: 0,
            flow,
            propagate,
            hops,
            has_id: false,
            is_cloned: false,
            is_expired: false,
        }
    }

    /// For this prefix, what this default does: hops and attributes.
    pub(super) fn follow(&self, prefix: Prefix) -> Route {
        let metric = if self.is_v4() { 0 } else { USUAL_METRIC_V6 };
        Route { prefix, metric, ..self.clone() }
    }

    pub(super) fn key(&self) -> Key {
        (self.prefix, self.source, self.tos, self.metric)
    }

    /// Everything that two copies have to share, as a text; hops in any order.
    pub(super) fn text(&self) -> String {
        let kind = match self.kind {
            UNICAST => "unicast".to_owned(),
            LOCAL => "local".to_owned(),
            MULTICAST => "multicast".to_owned(),
            BLACKHOLE => "blackhole".to_owned(),
            UNREACHABLE => "unreachable".to_owned(),
            PROHIBIT => "prohibit".to_owned(),
            THROW => "throw".to_owned(),
            other => format!("type {other}"),
        };
        let mut text = format!("{kind} {}", self.prefix);
        if self.source.length > 0 {
            write!(text, " from {}", self.source).expect("a string");
        }
        write!(text, " metric {}", self.metric).expect("a string");
        // It decides nothing where there is no hop.
        if !self.is_deviceless() {
            write!(text, " scope {}", self.scope).expect("a string");
        }
        for (name, bytes) in
            [("flow", &self.flow), ("metrics", &self.metrics), ("propagate", &self.propagate)]
        {
            if !bytes.is_empty() {
                write!(text, " {name} {bytes:?}").expect("a string");
            }
        }
        for (name, value) in [("tos", self.tos), ("pref", self.pref)] {
            if value != 0 {
                write!(text, " {name} {value}").expect("a string");
            }
        }
        let mut hops = self.hops.clone();
        hops.sort();
        for hop in hops {
            hop.text(&mut text);
        }
        text
    }
}
