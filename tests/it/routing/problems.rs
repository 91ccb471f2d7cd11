//! What keeps routing from being as it should is one problem with its remedy, while it lasts: another program's
//! rule in front of netevd's, a listed name for which nothing can be installed.

use crate::support::{Daemon, Host, eth1_complete, wait_for};
use serde_json::Value;

const QUESTION: &str = "203.0.113.9 from 198.51.100.2";

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|text| text.as_str().expect("a text").to_owned()).collect()
}

fn problems(host: &Host) -> Vec<String> {
    texts(&host.api("/api/v1/status")["problems"])
}

/// Waits until there is one problem for each of these parts, and no other.
fn await_problems(host: &Host, parts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    wait_for(
        &format!("problems with {parts:?}"),
        || format!("{:#?}", problems(host)),
        || {
            found = problems(host);
            found.len() == parts.len()
                && parts.iter().all(|part| found.iter().any(|text| text.contains(part)))
        },
    );
    found
}

/// The command in the last parentheses.
fn remedy(problem: &str) -> &str {
    let (_, command) = problem.rsplit_once("(ip ").expect("a command");
    command.trim_end_matches(')')
}

fn two_uplinks_and_a_tunnel(host: &Host) -> Daemon<'_> {
    host.two_uplinks();
    host.veth("wg0", 20);
    host.ip("addr add 10.64.0.2/32 dev wg0");
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    assert_eq!(problems(host), [""; 0]);
    daemon
}

#[test]
fn routing_wg_quick_is_named_and_the_command_removes_what_interferes() {
    let name = "routing_wg_quick_is_named_and_the_command_removes_what_interferes";
    let Some(host) = Host::new(name) else { return };
    let daemon = two_uplinks_and_a_tunnel(&host);
    // As wg-quick's add_default does it: the kernel chooses the priorities, in front of netevd's.
    host.ip("route add default dev wg0 table 51820");
    host.ip("rule add not fwmark 51820 table 51820");
    host.ip("rule add table main suppress_prefixlength 0");
    assert_eq!(host.route_get(QUESTION), "wg0", "it does interfere");
    // The second rule lets main's defaults alone, and is none.
    let found = await_problems(&host, &["not from all fwmark 0xca6c lookup 51820"]);
    assert!(found[0].starts_with("routing: eth1 ipv4: rule "), "{found:?}");
    assert_eq!(texts(&host.api("/api/v1/interfaces/eth1")["problems"]).len(), 1);
    assert_eq!(texts(&host.api("/api/v1/interfaces/eth0")["problems"]), [""; 0]);
    let shown = host.sh("/opt/netevd/netevd show interface eth1");
    assert!(shown.contains("not from all fwmark 0xca6c lookup 51820"), "{shown}");
    daemon.await_log(&["WARN", "decides before netevd's", "51820"]);
    host.ip(remedy(&found[0]));
    assert_eq!(host.route_get(QUESTION), "eth1", "and the command cures it");
    await_problems(&host, &[]);
    daemon.await_log(&["INFO", "no longer", "51820"]);
    assert_eq!(daemon.log().matches("decides before netevd's").count(), 2, "one line each\n{}", daemon.log());
}

#[test]
fn routing_an_exit_node_is_named_and_the_priority_cures_it() {
    let Some(host) = Host::new("routing_an_exit_node_is_named_and_the_priority_cures_it") else { return };
    let _daemon = two_uplinks_and_a_tunnel(&host);
    host.ip("rule add priority 5270 lookup 52");
    await_problems(&host, &[]);
    // A route of Tailscale's, and then the exit node's.
    host.ip("route add throw 192.0.2.0/24 table 52");
    host.ip("route add default dev wg0 table 52");
    assert_eq!(host.route_get(QUESTION), "wg0", "it does interfere");
    let found = await_problems(&host, &["rule 5270 (from all lookup 52)"]);
    assert!(found[0].contains("routing.rule_priority: 5200,"), "{found:?}");
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth1], rule_priority: 5200 }\n");
    host.sh("/opt/netevd/netevd reload");
    wait_for("netevd's rules are in front", || host.ip("rule"), || host.route_get(QUESTION) == "eth1");
    await_problems(&host, &[]);
}

#[test]
fn routing_halves_discards_and_leaps_in_front_are_named() {
    let Some(host) = Host::new("routing_halves_discards_and_leaps_in_front_are_named") else { return };
    let _daemon = two_uplinks_and_a_tunnel(&host);
    host.ip("route add 0.0.0.0/1 dev wg0 table 60");
    for (rule, part, way) in [
        ("priority 100 from 198.51.100.0/24 lookup 60", "lookup 60", "wg0"),
        (
            "priority 101 from 198.51.100.2 prohibit",
            "from 198.51.100.2 prohibit",
            "RTNETLINK answers: Permission denied",
        ),
        ("priority 102 goto 32766", "goto 32766", "eth0"),
    ] {
        host.ip(&format!("rule add {rule}"));
        let question = if way == "wg0" { "9.9.9.9 from 198.51.100.2" } else { QUESTION };
        assert_eq!(host.route_get(question), way, "{rule} does interfere");
        let found = await_problems(&host, &[part]);
        host.ip(remedy(&found[0]));
        await_problems(&host, &[]);
        assert_eq!(host.route_get(question), "eth1");
    }
    // What is in front and takes nothing of eth1's address is nobody's problem.
    host.ip("rule add priority 100 from 192.0.2.2 lookup 60");
    host.ip("rule add priority 101 fwmark 1 lookup 60");
    host.ip("rule add priority 102 to 203.0.113.0/24 lookup 60");
    host.ip("rule add priority 32100 lookup 60");
    host.ip("rule add priority 103 lookup 60 suppress_prefixlength 1");
    host.ip("addr add 198.51.100.3/24 dev eth1");
    wait_for("a pass has been", || host.ip("rule"), || host.ip("rule").contains("from 198.51.100.3"));
    assert_eq!(problems(&host), [""; 0]);
}

#[test]
fn routing_listed_names_for_which_nothing_can_be_done_are_named() {
    let Some(host) = Host::new("routing_listed_names_for_which_nothing_can_be_done_are_named") else {
        return;
    };
    host.two_uplinks();
    host.veth("eth2", 8);
    host.sh("ip link add br0 type bridge; ip link set br0 up; ip link set eth2 master br0
             ip -6 addr add 2001:db8:b::2/64 dev eth1 nodad");
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth1, eth2, eth11, lo] }\n");
    let daemon = host.start_daemon();
    let parts = [
        "lists eth11, and there is no such link",
        "lists lo, the loopback link",
        "lists eth2, a port of br0",
        "eth1 ipv6: 2001:db8:b::2 has no gateway",
    ];
    await_problems(&host, &parts);
    for part in parts {
        daemon.await_log(&["WARN", part]);
    }
    assert_eq!(texts(&host.api("/api/v1/interfaces/eth2")["problems"]).len(), 1);
    host.await_ours("IPv4 is as ever", &eth1_complete());
    // Each goes with its reason.
    host.ip("link set eth2 nomaster");
    host.ip("-6 addr del 2001:db8:b::2/64 dev eth1");
    host.veth("eth11", 9);
    await_problems(&host, &parts[1..2]);
    daemon.await_log(&["INFO", "no longer", parts[3]]);
    // A pattern is nobody's word that each of its links is an uplink.
    host.ip("-6 addr add 2001:db8:b::2/64 dev eth1 nodad");
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [\"eth[1-9]\", \"wg*\"] }\n");
    host.sh("/opt/netevd/netevd reload");
    await_problems(&host, &[]);
}

#[test]
fn routing_every_problem_is_counted_in_the_metrics_and_shown_by_the_api() {
    let name = "routing_every_problem_is_counted_in_the_metrics_and_shown_by_the_api";
    let Some(host) = Host::new(name) else { return };
    host.two_uplinks();
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth1, eth11] }\n");
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    await_problems(&host, &["lists eth11, and there is no such link"]);
    let counted = |kind: &str| {
        let series = format!("netevd_problems{{kind=\"{kind}\"}}");
        let text = host.ask("GET", "/metrics", "").text();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{series} ")).map(str::to_owned));
        line.unwrap_or_else(|| panic!("{series} is not in {text}"))
    };
    assert_eq!(["routing", "listener", "helper"].map(counted), ["1", "0", "0"]);
    host.ip("route add default dev eth0 table 52");
    host.ip("rule add priority 5270 lookup 52");
    await_problems(&host, &["lists eth11", "rule 5270 (from all lookup 52)"]);
    assert_eq!(counted("routing"), "2");
}
