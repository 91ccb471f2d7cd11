//! Routes and rules of the kernel as documents, with the names that people know. Pure.

use crate::document::{MetricDocument, NextHopDocument, RouteDocument, RuleDocument};
use crate::kernel::{SeenMetric, SeenRoute, SeenRule, host_or_prefix, range};
use crate::names;
use protocol::{Family, Ifindex, InterfaceName, PROTOCOL, Prefix, TableId};
use std::collections::BTreeMap;

/// Names by ifindex.
pub type Links = BTreeMap<Ifindex, InterfaceName>;

/// A route.
pub fn route(route: SeenRoute, links: &Links) -> RouteDocument {
    let leads_nowhere = route.leads_nowhere();
    let link = |oif: Option<u32>| name_of(oif?, links);
    let first = route.hops.first().cloned().unwrap_or_default();
    let next_hops = match route.hops.as_slice() {
        [] | [_] => Vec::new(),
        hops => hops
            .iter()
            .map(|hop| NextHopDocument {
                gateway: hop.gateway,
                interface: link(hop.oif),
                weight: hop.weight,
                flags: flags(hop.flags.into()),
                realms: hop.realms.clone(),
                encapsulation: hop.encap.map(|kind| names::encapsulation(kind).into_owned()),
            })
            .collect(),
    };
    // What a multipath route has of these is its ways'.
    let single = next_hops.is_empty().then_some(());
    let encap = single.and(first.encap);
    RouteDocument {
        destination: match route.destination.length() {
            0 => "default".to_owned(),
            _ => route.destination.to_string(),
        },
        family: family(Family::of(route.destination.address())).to_owned(),
        kind: names::route_type(route.kind).into_owned(),
        gateway: first.gateway,
        interface: if leads_nowhere { None } else { link(first.oif) },
        metric: route.metric,
        table: names::route_table(route.table).into_owned(),
        protocol: names::route_protocol(route.protocol).into_owned(),
        scope: names::scope(route.scope).into_owned(),
        source: route.source,
        next_hops,
        managed: route.protocol == PROTOCOL,
        from: route.from.map(|prefix| prefix.to_string()),
        tos: tos(route.tos),
        nexthop_id: route.nexthop_object,
        flags: flags(route.flags),
        metrics: route.metrics.iter().filter_map(metric).collect(),
        preference: route.preference.map(|preference| names::route_preference(preference).into_owned()),
        expires_seconds: route.expires,
        realms: single.and(first.realms),
        encapsulation: encap.map(|kind| names::encapsulation(kind).into_owned()),
        ttl_propagate: route.ttl_propagate,
    }
}

/// A rule; those of ours stand for the link of their table.
pub fn rule(rule: &SeenRule, links: &Links, table_base: u32) -> RuleDocument {
    let is_ours = rule.protocol == PROTOCOL;
    let stands_for = || name_of(TableId(rule.table?).interface(table_base)?.into(), links);
    let flags = [
        (rule.iif_detached, "iif-detached"),
        (rule.oif_detached, "oif-detached"),
        (rule.unresolved, "unresolved"),
    ];
    RuleDocument {
        priority: rule.priority,
        family: family(rule.family).to_owned(),
        from: selector(rule.source),
        to: selector(rule.destination),
        table: rule.table.map(|table| names::route_table(table).into_owned()),
        action: rule.action.to_owned(),
        interface: if is_ours { stands_for() } else { rule.iif.clone() },
        protocol: names::route_protocol(rule.protocol).into_owned(),
        managed: is_ours,
        text: rule.to_string(),
        not: rule.inverted,
        fwmark: rule.mark_text(),
        iif: rule.iif.clone(),
        oif: rule.oif.clone(),
        uid_range: rule.uids.map(|(low, high)| format!("{low}-{high}")),
        ip_protocol: rule.ip_protocol.map(|number| names::ip_protocol(number).into_owned()),
        source_port: rule.source_ports.map(range),
        destination_port: rule.destination_ports.map(range),
        tos: tos(rule.tos),
        tunnel_id: rule.tunnel,
        l3mdev: rule.l3mdev,
        suppress_prefix_length: rule.suppress_length,
        suppress_group: rule.suppress_group,
        realms: rule.realms_text(),
        goto: rule.goto,
        flags: flags.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.to_owned()).collect(),
    }
}

/// As ip-route(8) writes it; `None` for a hop limit that is the system's own.
fn metric(metric: &SeenMetric) -> Option<MetricDocument> {
    let milliseconds = |ms: u32| match ms {
        0..1000 => format!("{ms}ms"),
        _ => format!("{}s", f64::from(ms) / 1000.0),
    };
    let name = names::route_metric(metric.kind);
    let value = match (&metric.algorithm, &*name, metric.value) {
        (Some(algorithm), ..) => algorithm.clone(),
        (None, "hoplimit", u32::MAX) => return None,
        // The kernel counts in eighths and quarters.
        (None, "rtt", value) => milliseconds(value / 8),
        (None, "rttvar", value) => milliseconds(value / 4),
        (None, "rto_min", value) => milliseconds(value),
        (None, "features", 1) => "ecn".to_owned(),
        (None, "features", value) => format!("{value:#x}"),
        (None, _, value) => value.to_string(),
    };
    Some(MetricDocument { name: name.into_owned(), value, locked: metric.locked })
}

fn name_of(ifindex: u32, links: &Links) -> Option<String> {
    let name = links.get(&Ifindex::try_from(ifindex).ok()?)?;
    Some(name.as_str().to_owned())
}

const fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

fn flags(flags: u32) -> Vec<String> {
    names::route_flags(flags).into_iter().map(str::to_owned).collect()
}

fn tos(tos: u8) -> Option<String> {
    (tos != 0).then(|| format!("{tos:#04x}"))
}

fn selector(prefix: Option<Prefix>) -> String {
    prefix.map_or_else(|| "all".to_owned(), host_or_prefix)
}
