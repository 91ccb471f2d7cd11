//! A gateway that changes, seen by look-ups that never stop.

use crate::support::{ETH1_MANAGED, Host, eth1_complete, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

/// The agent's look-up loop in a host.
struct Lookups(Child);

impl Lookups {
    fn start(host: &Host, source: &str, destination: &str) -> Lookups {
        let mut command = host.command(&["/opt/netevd/netevd-test-agent", "lookup", source, destination]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the agent starts");
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "looking\n");
        Lookups(child)
    }

    fn finish(mut self) -> Value {
        drop(self.0.stdin.take());
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        self.0.wait().unwrap();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }
}

fn default_by(host: &Host, gateway: &str) -> bool {
    host.ours().contains(&format!("table 207: default via {gateway} dev eth1 metric 200"))
}

#[test]
fn routing_gateway_change_never_by_the_wrong_interface() {
    let Some(host) = Host::new("routing_gateway_change_never_by_the_wrong_interface") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    let lookups = Lookups::start(&host, "198.51.100.2", "203.0.113.9");
    for turn in 0..20 {
        let gateway = format!("198.51.100.{}", 1 + 250 * (1 - turn % 2));
        host.ip(&format!("route replace default via {gateway} dev eth1 metric 200"));
        wait_for("the new gateway", || host.log(), || default_by(&host, &gateway));
    }
    let seen = lookups.finish();
    assert!(seen["lookups"].as_u64().unwrap() > 1000, "{seen}");
    assert_eq!(seen["by"]["7"], seen["lookups"], "all through eth1: {seen}");
}

#[test]
fn routing_unreachable_rather_than_by_another_uplink() {
    let Some(host) = Host::new("routing_unreachable_rather_than_by_another_uplink") else { return };
    host.two_uplinks();
    host.config(&format!("{ETH1_MANAGED}  fallback: unreachable\n"));
    let _daemon = host.start_daemon();
    let fallback = "table 207: unreachable default metric 4294967295".to_owned();
    let mut complete = eth1_complete();
    complete.push(fallback);
    host.await_ours("eth1 is complete, with its fallback", &complete);
    let lookups = Lookups::start(&host, "198.51.100.2", "203.0.113.9");

    // As a manager does it that cannot replace: a moment without any gateway.
    for gateway in ["198.51.100.251", "198.51.100.1", "198.51.100.251"] {
        host.ip("route del default dev eth1 metric 200");
        wait_for(
            "our default is gone",
            || host.log(),
            || !host.ours().iter().any(|line| line.starts_with("table 207: default")),
        );
        host.ip(&format!("route add default via {gateway} dev eth1 metric 200"));
        wait_for("the new gateway", || host.log(), || default_by(&host, gateway));
    }
    host.ip("link set eth1 down");
    wait_for("the link is down", || host.log(), || !default_by(&host, "198.51.100.251"));
    assert_eq!(
        host.ours().iter().filter(|line| line.starts_with("3200")).count(),
        2,
        "the rules stay as long as the address does"
    );

    let seen = lookups.finish();
    let by_eth1 = seen["by"]["7"].as_u64().unwrap();
    // EHOSTUNREACH or ENETUNREACH: what an unreachable route answers.
    let unreachable = ["113", "101"].iter().filter_map(|errno| seen["errors"][errno].as_u64()).sum::<u64>();
    assert!(unreachable > 0, "{seen}");
    assert_eq!(
        by_eth1 + unreachable,
        seen["lookups"].as_u64().unwrap(),
        "never through another link: {seen}"
    );

    host.ip("addr del 198.51.100.2/24 dev eth1");
    host.await_ours::<&str>("with the address everything goes", &[]);
}
