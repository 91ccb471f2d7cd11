//! An address that goes away while its rules are being added.

use crate::world::{HOST, World, add_rule, add_rules, policy};
use protocol::{Ifindex, Refusal, Reply, Request, Selector};
use std::time::{Duration, Instant};

/// Asks while 10.0.2.9 comes and goes, until the kernel has seen more rules from `source` come than
/// were answered with Ok: then one was undone. After each refusal nothing is left.
fn undone(request: impl Fn(Ifindex) -> Request, source: &str) {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let (request, purge) = (request(eth1), Request::Purge { ifindex: eth1 });
    let mut flapping = world.flap("addr add 10.0.2.9/24 dev eth1\naddr del 10.0.2.9/24 dev eth1");
    let mut monitor = world.monitor("rule");
    let deadline = Instant::now() + Duration::from_secs(30);
    let (mut granted, mut seen) = (0, 0);
    while seen <= granted {
        assert!(Instant::now() < deadline, "no address went at the right moment: {granted} granted");
        for _ in 0..50 {
            match helper.ask(&request) {
                Reply::Ok => {
                    granted += 1;
                    assert_eq!(helper.ask(&purge), Reply::Ok);
                }
                Reply::Refused(refusal) => {
                    assert_eq!(refusal, Refusal::AddressAbsent);
                    assert_eq!(helper.ask(&purge), Reply::Absent);
                }
                other => panic!("{other:?}"),
            }
        }
        world.ip("rule add from 192.0.2.99 lookup 7\nrule del from 192.0.2.99 lookup 7");
        let lines = monitor.until("from 192.0.2.99");
        // The mark's own deletion.
        monitor.until("from 192.0.2.99");
        let came = |line: &&String| line.contains(&format!("from {source}")) && !line.contains("Deleted");
        seen += lines.iter().filter(came).count();
    }
    flapping.kill().expect("running");
    flapping.wait().expect("ended");
    assert!(world.rules("-4").is_empty());
}

#[test]
fn undoes_the_rule_of_an_address_that_goes_meanwhile() {
    undone(|eth1| add_rule(eth1, Selector::From, "10.0.2.9"), "10.0.2.9");
}

/// Of several addresses one goes between the check and the write: no rule of any of them is left,
/// though the others were right.
#[test]
fn of_a_list_none_is_left_if_one_went_in_between() {
    undone(|eth1| add_rules(eth1, &["10.0.2.5", "10.0.2.9"]), "10.0.2.5");
}
