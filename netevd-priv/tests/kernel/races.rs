//! An address that comes and goes while its rules are being added.

use crate::world::{HOST, World, add_rules, policy, until};
use protocol::{Refusal, Reply};

#[test]
fn whatever_comes_between_no_rule_is_left_of_an_address_that_is_gone() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let request = add_rules(eth1, &["10.0.2.5", "10.0.2.9"]);
    let mut flapping = world.flap("addr add 10.0.2.9/24 dev eth1\naddr del 10.0.2.9/24 dev eth1");
    let mut granted = 0;
    for _ in 0..2000 {
        match helper.ask(&request) {
            Reply::Ok => granted += 1,
            Reply::Exists => {}
            Reply::Refused(refusal) => assert_eq!(refusal, Refusal::AddressAbsent),
            other => panic!("{other:?}"),
        }
    }
    flapping.kill().expect("running");
    flapping.wait().expect("ended");
    assert!(granted > 0, "the address was never there");
    let _ = world.command("ip").args(["addr", "del", "10.0.2.9/24", "dev", "eth1"]).output();
    until("the end of its rules", || !world.rules("-4").iter().any(|rule| rule.contains("10.0.2.9")));
    assert!(world.rules("-4").iter().all(|rule| rule.contains("10.0.2.5")));
}
