//! Everything about one link on one screen.

use super::{count, events, interfaces, routes, rules};
use crate::output::{Cell, Part, View, bytes};
use netevd_worker::document::{
    AddressDocument, GatewayDocument, InterfaceDetail, QueueDocument, StatisticsDocument,
};

/// The link, its rules, its routes, its last runs.
pub(crate) fn view(detail: &InterfaceDetail) -> View {
    let link = &detail.interface;
    let mut parts = vec![
        Part::Heading(Cell::new(format!("{}: {}", link.name, link.state)).strong()),
        Part::Pairs(vec![
            ("state", state(detail)),
            ("link", Cell::new(format!("index {}, {}, mtu {}", link.index, link.kind, link.mtu))),
            ("mac", link.mac_address.as_ref().map(Cell::new).unwrap_or_default()),
            ("flags", Cell::new(link.flags.join(" "))),
            ("controller", detail.controller.as_ref().map(Cell::new).unwrap_or_default()),
            ("addresses", Cell::list(link.addresses.iter().map(address))),
            ("gateways", Cell::list(detail.gateways.iter().map(gateway))),
            ("dns", Cell::list(&detail.dns_servers)),
            ("domains", Cell::new(detail.domains.join(" "))),
            ("routing", routing(detail)),
            ("problems", Cell::list(&detail.problems).bad()),
            (
                "scripts",
                Cell::new(if link.monitored {
                    "its events run scripts"
                } else {
                    "its events run no scripts (monitoring.interfaces)"
                }),
            ),
            ("queue", queue(&detail.queue)),
            ("traffic", link.statistics.as_ref().map(traffic).unwrap_or_default()),
        ]),
    ];
    parts.push(Part::Heading(Cell::new("Rules of netevd's").strong()));
    parts.push(Part::Grid(rules::grid(&detail.rules), "  none"));
    parts.push(Part::Heading(Cell::new("Routes").strong()));
    parts.push(Part::Grid(routes::grid(&detail.routes), "  none"));
    parts.push(Part::Heading(Cell::new("Last events").strong()));
    parts.push(Part::Grid(events::short(&detail.events), "  none since the daemon started"));
    parts.push(Part::Heading(Cell::new("Last runs").strong()));
    parts.push(Part::Grid(events::runs(&detail.events), "  none since the daemon started"));
    View(parts)
}

fn state(detail: &InterfaceDetail) -> Cell {
    let link = &detail.interface;
    let manager = link.administrative_state.as_ref().map(|state| format!(", manager: {state}"));
    let text = format!("{} (kernel: {}{})", link.state, link.operstate, manager.unwrap_or_default());
    interfaces::state(&link.state).with_text(text)
}

fn address(address: &AddressDocument) -> String {
    let mut words = vec![interfaces::short(address), address.scope.clone()];
    words.extend(address.peer.map(|peer| format!("peer {peer}")));
    words.extend(address.flags.iter().cloned());
    words.join(" ")
}

fn gateway(gateway: &GatewayDocument) -> String {
    let source = gateway_source(&gateway.source, gateway.table);
    match gateway.address {
        Some(address) => format!("{address} from {source}"),
        None => format!("{}: none needed, point to point; from {source}", gateway.family),
    }
}

/// Where a gateway came from, in words.
pub(super) fn gateway_source(source: &str, table: Option<u32>) -> String {
    let text = match (source, table) {
        ("configuration", _) => "routing.gateways of the configuration",
        ("kernel", _) => "a default route of the kernel",
        ("table", Some(table)) => {
            return format!("a default route in table {table}, to which a rule of another program leads");
        }
        ("manager", _) => "the network manager",
        ("lease", _) => "the lease",
        ("neighbour", _) => "the only next hop of the routes to its own subnets",
        ("point-to-point", _) => {
            "routing.policy_rules, which lists it by name, or half of the world, which leaves through it"
        }
        (other, _) => other,
    };
    text.to_owned()
}

/// What each problem of a listed link begins with for which nothing can be installed.
const LISTED: &str = "routing.policy_rules lists ";

fn routing(detail: &InterfaceDetail) -> Cell {
    match (detail.interface.managed, detail.table) {
        (true, Some(table)) => Cell::new(format!(
            "policy routing by table {table}, {}",
            count(u64::try_from(detail.rules.len()).unwrap_or(0), "rule")
        )),
        (true, None) => Cell::new("under policy routing, and without a table").bad(),
        (false, _) if detail.problems.iter().any(|text| text.contains(LISTED)) => {
            Cell::new("listed in routing.policy_rules, and not routed: see problems").bad()
        }
        (false, _) => Cell::new("not under policy routing (routing.policy_rules)"),
    }
}

fn queue(queue: &QueueDocument) -> Cell {
    let runs = match (&queue.script, queue.event) {
        (Some(script), Some(event)) => format!("{script} runs for event {event}"),
        (None, Some(event)) => format!("event {event} is at its turn"),
        (_, None) => "idle".to_owned(),
    };
    match queue.waiting {
        0 => Cell::new(runs),
        waiting => Cell::new(format!("{runs}, {} waiting", count(waiting, "event"))),
    }
}

fn traffic(s: &StatisticsDocument) -> Cell {
    let line = |way: &str, amount, packets, errors, dropped, more: String| {
        format!(
            "{way} {} in {}, {errors} errors, {dropped} dropped{more}",
            bytes(amount),
            count(packets, "packet")
        )
    };
    Cell::list([
        line(
            "received",
            s.rx_bytes,
            s.rx_packets,
            s.rx_errors,
            s.rx_dropped,
            format!(", {} multicast", s.multicast),
        ),
        line(
            "sent",
            s.tx_bytes,
            s.tx_packets,
            s.tx_errors,
            s.tx_dropped,
            format!(", {} collisions", s.collisions),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use crate::output::{Cell, TerminalStyle};
    use crate::views::fixtures::{event, run};
    use netevd_worker::document::InterfaceDetail;
    use serde_json::json;

    fn detail() -> InterfaceDetail {
        let mut done = event(17, "done");
        done.scripts =
            vec![run("/etc/netevd/routable.d/10-hello", 0), run("/etc/netevd/routable.d/20-no", 3)];
        let rule = json!({"priority": 32002, "family": "ipv4", "from": "198.51.100.2", "to": "all", "table": "207",
            "action": "lookup", "interface": "eth1", "protocol": "netevd", "managed": true,
            "text": "from 198.51.100.2 lookup 207"});
        let route = json!({"destination": "default", "family": "ipv4", "type": "unicast", "gateway": "198.51.100.1",
            "interface": "eth1", "metric": 0, "table": "207", "protocol": "netevd", "scope": "global",
            "source": null, "next_hops": [], "managed": true});
        serde_json::from_value(json!({
            "name": "eth1", "index": 7, "state": "routable", "administrative_state": null, "operstate": "up",
            "type": "veth", "mac_address": "02:00:00:00:00:07", "mtu": 1500,
            "addresses": [
                {"ip": "198.51.100.2", "prefix": 24, "family": "ipv4", "scope": "global", "flags": ["permanent"]},
                {"ip": "2001:db8::2", "prefix": 64, "family": "ipv6", "scope": "global", "flags": []}],
            "flags": ["UP", "LOWER_UP"], "monitored": true, "managed": true,
            "statistics": {"rx_bytes": 2048, "tx_bytes": 90, "rx_packets": 3, "tx_packets": 1, "rx_errors": 0,
                "tx_errors": 0, "rx_dropped": 2, "tx_dropped": 0, "multicast": 1, "collisions": 0},
            "routes": [route], "rules": [rule], "table": 207,
            "gateways": [{"family": "ipv4", "address": "198.51.100.1", "source": "kernel"}],
            "dns_servers": ["192.0.2.53"], "domains": ["example.org"], "controller": null,
            "queue": {"waiting": 2, "event": 18, "script": "/etc/netevd/routable.d/10-hello"},
            "events": [done],
        }))
        .expect("a document")
    }

    #[test]
    fn one_screen_tells_everything() {
        let text = super::view(&detail()).text(TerminalStyle { colours: false, width: 80, utf8: true });
        assert_eq!(text, include_str!("interface_expected.txt"), "{text}");
    }

    #[test]
    fn a_listed_port_is_not_called_unlisted() {
        let mut detail = detail();
        (detail.interface.managed, detail.table) = (false, None);
        let cell = |text: &str| Cell::new(text);
        assert_eq!(super::routing(&detail), cell("not under policy routing (routing.policy_rules)"));
        detail.problems =
            vec!["routing.policy_rules lists eth1, a port of the VRF blue: take it out".to_owned()];
        let listed = cell("listed in routing.policy_rules, and not routed: see problems");
        assert_eq!(super::routing(&detail), listed.bad());
    }

    #[test]
    fn the_table_has_the_same_within_its_width() {
        let text = super::view(&detail()).table(TerminalStyle { colours: false, width: 60, utf8: false });
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        for word in ["198.51.100.2/24", "32002", "10-hello", "2001:db8::2/64"] {
            assert!(text.contains(word), "{word}\n{text}");
        }
    }
}
