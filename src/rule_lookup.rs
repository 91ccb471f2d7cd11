//! A walk over the rules as the kernel makes it for one packet (fib_rules_lookup), to find which of them decides
//! and which are passed over. Pure; the tables are asked for one by one.

use netevd_worker::kernel::{Question, SeenRoute, SeenRule};
use protocol::Prefix;
use std::net::IpAddr;

/// `RTN_THROW`
const THROW: u8 = 9;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuleLookup<'a> {
    /// The rule that decides, if one does.
    pub(crate) decides: Option<&'a SeenRule>,
    /// What it found in its table; none of a rule that discards.
    pub(crate) route: Option<SeenRoute>,
    /// The rules that hold for the packet and brought nothing.
    pub(crate) passed: Vec<&'a SeenRule>,
}

/// Walks in the order of the rules; `best` is the best route of a table for the packet.
pub(crate) fn rule_lookup<'a, E>(
    rules: &'a [SeenRule],
    question: &Question,
    links: &impl Fn(u32) -> Option<String>,
    mut best: impl FnMut(u32) -> Result<Option<SeenRoute>, E>,
) -> Result<RuleLookup<'a>, E> {
    let mut rule_lookup = RuleLookup::default();
    let mut next = 0;
    while let Some(rule) = rules.get(next) {
        next += 1;
        if !holds(rule, question, links) {
            continue;
        }
        match (rule.table, rule.goto, rule.action) {
            (_, Some(target), _) if !rule.unresolved => {
                next = rules.iter().position(|rule| rule.priority >= target).unwrap_or(rules.len()).max(next);
                rule_lookup.passed.push(rule);
            }
            (_, _, "blackhole" | "unreachable" | "prohibit") => {
                return Ok(RuleLookup { decides: Some(rule), ..rule_lookup });
            }
            (Some(table), ..) => {
                let found = best(table)?.filter(|route| route.kind != THROW).filter(|route| {
                    let length = u32::from(route.destination.length());
                    rule.suppress_length.is_none_or(|limit| length > limit)
                });
                if found.is_some() {
                    return Ok(RuleLookup { decides: Some(rule), route: found, ..rule_lookup });
                }
                rule_lookup.passed.push(rule);
            }
            _ => {}
        }
    }
    Ok(rule_lookup)
}

/// Whether a rule holds for the packet. A packet of this host comes in through lo; users, ports and protocols
/// are not asked for, and a rule for a part of them does not hold.
pub(crate) fn holds(rule: &SeenRule, question: &Question, links: &impl Fn(u32) -> Option<String>) -> bool {
    let within = |prefix: Option<Prefix>, address: Option<IpAddr>| {
        prefix.is_none_or(|prefix| address.is_some_and(|address| prefix.contains(address)))
    };
    let iif = question.iif.map_or_else(|| Some("lo".to_owned()), links);
    let selected = within(rule.source, question.source)
        && within(rule.destination, Some(question.destination))
        && rule.mark.is_none_or(|(value, mask)| question.mark & mask == value)
        && rule.iif.as_ref().is_none_or(|name| Some(name) == iif.as_ref())
        && rule.oif.is_none()
        && rule.tos == 0
        && rule.uids.is_none_or(|(low, high)| question.iif.is_none() && (low..=high).contains(&uid()))
        && rule.ip_protocol.is_none()
        && rule.source_ports.is_none()
        && rule.destination_ports.is_none()
        && rule.tunnel.is_none_or(|id| id == 0)
        && !rule.l3mdev;
    selected != rule.inverted
}

fn uid() -> u32 {
    nix::unistd::Uid::effective().as_raw()
}

/// The better of two routes of one table for a packet: the longer prefix, then the longer source prefix, then
/// the lower metric. Others are the kernel's choice.
pub(crate) fn better(question: &Question, known: Option<SeenRoute>, other: SeenRoute) -> Option<SeenRoute> {
    let matches = other.destination.contains(question.destination)
        && other.tos == 0
        && other.from.is_none_or(|from| question.source.is_some_and(|source| from.contains(source)));
    if !matches {
        return known;
    }
    let rank = |route: &SeenRoute| {
        let source = route.from.map_or(0, |prefix| prefix.length());
        (route.destination.length(), source, std::cmp::Reverse(route.metric))
    };
    match known {
        Some(known) if rank(&known) >= rank(&other) => Some(known),
        _ => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Family;
    use std::convert::Infallible;

    fn prefix(text: &str) -> Prefix {
        let (address, length) = text.split_once('/').expect("a length");
        Prefix::containing(address.parse().expect("good"), length.parse().expect("good")).expect("good")
    }

    fn lookup(priority: u32, table: u32) -> SeenRule {
        SeenRule { priority, table: Some(table), ..SeenRule::any(Family::V4, "lookup") }
    }

    fn route(destination: &str, table: u32) -> SeenRoute {
        SeenRoute {
            destination: prefix(destination),
            from: None,
            tos: 0,
            kind: 1,
            table,
            metric: 0,
            protocol: 3,
            scope: 0,
            flags: 0,
            source: None,
            nexthop_object: None,
            metrics: Vec::new(),
            preference: None,
            expires: None,
            ttl_propagate: None,
            hops: Vec::new(),
        }
    }

    fn packet() -> Question {
        Question {
            destination: "203.0.113.9".parse().expect("good"),
            source: "198.51.100.2".parse().ok(),
            iif: None,
            mark: 0,
        }
    }

    /// The priority of the rule that decides and those passed over, where these tables have these routes.
    fn decides(rules: &[SeenRule], routes: &[SeenRoute]) -> (Option<u32>, Vec<u32>) {
        let question = packet();
        let best = |table: u32| {
            let of_table = routes.iter().filter(|route| route.table == table).cloned();
            Ok::<_, Infallible>(of_table.fold(None, |known, route| better(&question, known, route)))
        };
        let found = rule_lookup(rules, &question, &|_| None, best).expect("no fault");
        (found.decides.map(|rule| rule.priority), found.passed.iter().map(|rule| rule.priority).collect())
    }

    #[test]
    fn the_first_rule_that_brings_something_decides() {
        let routes = [route("0.0.0.0/0", 254), route("192.0.2.0/24", 7)];
        assert_eq!(decides(&[lookup(1, 7), lookup(2, 254), lookup(3, 254)], &routes), (Some(2), vec![1]));
        assert_eq!(decides(&[lookup(1, 7)], &routes), (None, vec![1]));
        let suppressed = SeenRule { suppress_length: Some(0), ..lookup(1, 254) };
        assert_eq!(decides(&[suppressed, lookup(2, 254)], &routes), (Some(2), vec![1]));
        let throw = SeenRoute { kind: THROW, ..route("203.0.113.0/24", 254) };
        let routes = [route("0.0.0.0/0", 254), throw, route("0.0.0.0/0", 8)];
        assert_eq!(decides(&[lookup(1, 254), lookup(2, 8)], &routes), (Some(2), vec![1]));
        let goto = SeenRule { table: None, goto: Some(3), action: "goto", ..lookup(1, 0) };
        assert_eq!(decides(&[goto.clone(), lookup(2, 8), lookup(4, 8)], &routes), (Some(4), vec![1]));
        let unresolved = SeenRule { unresolved: true, ..goto };
        assert_eq!(decides(&[unresolved, lookup(2, 8)], &routes), (Some(2), vec![]));
        let discards = SeenRule { table: None, action: "blackhole", ..lookup(1, 0) };
        assert_eq!(decides(&[discards, lookup(2, 8)], &routes), (Some(1), vec![]));
    }

    #[test]
    fn a_rule_holds_for_what_all_its_selectors_match() {
        let plain = || lookup(1, 7);
        for (name, rule, expected) in [
            ("from", SeenRule { source: Some(prefix("198.51.100.0/24")), ..plain() }, true),
            ("from another", SeenRule { source: Some(prefix("192.0.2.0/24")), ..plain() }, false),
            (
                "not from another",
                SeenRule { inverted: true, source: Some(prefix("192.0.2.0/24")), ..plain() },
                true,
            ),
            ("to another", SeenRule { destination: Some(prefix("192.0.2.0/24")), ..plain() }, false),
            ("a mark", SeenRule { mark: Some((1, 0xff)), ..plain() }, false),
            ("no mark", SeenRule { mark: Some((0, 0xff)), ..plain() }, true),
            ("not a mark", SeenRule { inverted: true, mark: Some((1, u32::MAX)), ..plain() }, true),
            ("of this host", SeenRule { iif: Some("lo".to_owned()), ..plain() }, true),
            ("through a link", SeenRule { iif: Some("eth0".to_owned()), ..plain() }, false),
            ("of a bound socket", SeenRule { oif: Some("eth0".to_owned()), ..plain() }, false),
            ("of a port", SeenRule { destination_ports: Some((80, 80)), ..plain() }, false),
        ] {
            assert_eq!(holds(&rule, &packet(), &|_| None), expected, "{name}");
        }
        let unknown = Question { source: None, ..packet() };
        let from = SeenRule { source: Some(prefix("198.51.100.0/24")), ..plain() };
        assert!(!holds(&from, &unknown, &|_| None), "the kernel has not chosen yet");
        let incoming = Question { iif: Some(6), ..packet() };
        let by_link = SeenRule { iif: Some("eth0".to_owned()), ..plain() };
        assert!(holds(&by_link, &incoming, &|_| Some("eth0".to_owned())));
    }

    #[test]
    fn the_longest_prefix_is_the_best_and_then_the_lowest_metric() {
        let metric = |metric, destination| SeenRoute { metric, ..route(destination, 7) };
        let of_source = |from| SeenRoute { from: Some(prefix(from)), metric: 3, ..route("203.0.0.0/16", 7) };
        let routes = [
            metric(1, "0.0.0.0/0"),
            metric(9, "203.0.0.0/16"),
            metric(5, "203.0.0.0/16"),
            metric(7, "203.0.0.0/16"),
            metric(0, "192.0.2.0/24"),
            of_source("192.0.2.0/24"),
        ];
        let best = |routes: &[SeenRoute]| {
            let found = routes.iter().cloned().fold(None, |known, route| better(&packet(), known, route));
            found.map(|route| route.metric)
        };
        assert_eq!(best(&routes), Some(5));
        assert_eq!(best(&[&routes[..], &[of_source("198.51.100.0/24")]].concat()), Some(3));
        assert_eq!(best(&routes[4..]), None);
    }
}
