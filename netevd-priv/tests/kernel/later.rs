//! What the helper has granted does not stay when its reason is gone, though the worker asks nothing:
//! here the worker is the test, and from some moment on it is silent.

use crate::world::{HOST, Helper, World, add_rules, as_main, copy, follow, policy, until, via};
use protocol::{Family, GatewayName, Ifindex, InterfaceName, Policy, Reply, Request, Rules, Through};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything of both uplinks that main has, and both addresses; with what else is asked.
fn granted(world: &World, policy: &Policy, more: Vec<Request>) -> Helper {
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(policy);
    let all = [
        as_main(eth1, Family::V4),
        as_main(eth1, Family::V6),
        copy(eth1, &["10.0.2.0/24", "172.17.0.0/16", "10.88.0.0/16", "10.66.0.0/16", "10.94.0.0/16"]),
        copy(eth1, &["2001:db8:2::/64", "2001:db8:17::/64", "2001:db8:92::/64"]),
        add_rules(eth1, &["10.0.2.5", "10.0.2.6"]),
        add_rules(eth1, &["2001:db8:2::5"]),
    ];
    // What follows a default goes with another one.
    let last = follow(eth1, &["10.0.1.0/24"]);
    for request in all.into_iter().chain(more).chain([last]) {
        assert_eq!(helper.ask(&request), Reply::Ok, "{request:?}");
    }
    helper
}

const MORE: &str = "
    addr add 10.0.2.6/24 dev eth1
    route add 10.88.0.0/16 via 172.17.0.9 dev docker0
    route add 10.66.0.0/16 via 10.0.2.2 dev eth1
    route add blackhole 10.94.0.0/16
    -6 route add 2001:db8:92::/64 nexthop via 2001:db8:17::8 nexthop via 2001:db8:17::9
";

fn scene() -> Option<World> {
    let world = World::new()?;
    world.ip(HOST);
    world.ip(MORE);
    Some(world)
}

/// Two passes at least have gone by: the one that this change rings for, and before that one another.
fn two_passes(world: &World) {
    for _ in 0..2 {
        world.ip("route add 192.0.2.99/32 dev eth0 table 9\nroute del 192.0.2.99/32 dev eth0 table 9");
        std::thread::sleep(Duration::from_millis(700));
    }
}

/// After `change` exactly the lines of ours that `gone` picks have gone.
fn goes(change: &str, gone: impl Fn(&str) -> bool) -> Duration {
    goes_from("", &policy(&["eth1"]), |_| Vec::new(), change, gone)
}

/// The same on a host with something more, under another policy, where more was asked.
pub(crate) fn goes_from(
    setup: &str,
    policy: &Policy,
    more: impl Fn(Ifindex) -> Vec<Request>,
    change: &str,
    gone: impl Fn(&str) -> bool,
) -> Duration {
    let Some(world) = scene() else { return Duration::ZERO };
    world.ip(setup);
    let helper = granted(&world, policy, more(world.ifindex("eth1")));
    let before = world.ours();
    assert!(before.len() > 15, "{before:?}");
    two_passes(&world);
    assert_eq!(world.ours(), before, "nothing goes while its reason stands");
    world.ip(change);
    let expected: Vec<String> = before.iter().filter(|line| !gone(line)).cloned().collect();
    assert_ne!(before, expected, "{change}: {before:?}");
    let time = until("the withdrawal", || {
        world.ours() == expected || {
            std::thread::sleep(Duration::from_millis(50));
            false
        }
    });
    two_passes(&world);
    assert_eq!(world.ours(), expected);
    let end = helper.end();
    assert_eq!(end.status, 0, "{}", end.log);
    assert!(end.log.contains("no longer supports"), "{}", end.log);
    time
}

#[test]
fn rules_go_with_their_address() {
    goes("addr del 10.0.2.6/24 dev eth1", |line| line.contains("10.0.2.6"));
    goes("addr del 2001:db8:2::5/64 dev eth1", |line| line.contains("2001:db8:2::"));
}

#[test]
fn rules_go_when_another_interface_has_the_address() {
    goes("addr add 10.0.2.6/32 dev docker0", |line| line.contains("10.0.2.6"));
    goes("addr add 10.0.2.5/24 dev eth0", |line| line.contains("10.0.2.5") || line.contains("10.0.2.5 "));
}

#[test]
fn copies_go_with_main_s_route_and_stay_with_its_equal() {
    goes("route del 10.88.0.0/16", |line| line.contains("10.88.0.0"));
    goes("route del blackhole 10.94.0.0/16", |line| line.contains("10.94.0.0"));
    goes("route change 10.88.0.0/16 via 172.17.0.9 dev docker0 mtu 1400", |line| line.contains("10.88.0.0"));
    goes("route replace 10.66.0.0/16 via 10.0.2.3 dev eth1", |line| line.contains("10.66.0.0"));
    goes("route del 10.0.1.0/24", |line| line.contains("10.0.1.0"));
    goes("-6 route del 2001:db8:92::/64", |line| {
        line.contains("2001:db8:92::") || line.contains("2001:db8:17::8") || line.contains("2001:db8:17::9")
    });
}

/// A gateway that vanishes for a moment is kept; for longer it is not, nor what follows it.
#[test]
fn a_default_goes_two_seconds_after_its_gateway() {
    let four = |line: &str| line.contains("via 10.0.2.1 ");
    let time = goes("route del default dev eth1", four);
    assert!(time > Duration::from_millis(1900), "{time:?}");
    let time = goes("-6 route del default dev eth1", |line| line.contains("fe80::1"));
    assert!(time > Duration::from_millis(1900), "{time:?}");
    let Some(world) = scene() else { return };
    let _helper = granted(&world, &policy(&["eth1"]), Vec::new());
    let before = world.ours();
    world.ip("route del default dev eth1");
    std::thread::sleep(Duration::from_secs(1));
    world.ip("route add default via 10.0.2.1 dev eth1 metric 200");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(world.ours(), before);
}

#[test]
fn a_gateway_that_the_policy_names_stays_as_long_as_it_is_on_link() {
    let Some(world) = scene() else { return };
    let eth1 = world.ifindex("eth1");
    let name = InterfaceName::new("eth1").expect("a name");
    for gateway in ["10.0.2.77", "first"] {
        let gateways =
            BTreeMap::from([(name.clone(), vec![gateway.parse::<GatewayName>().expect("a gateway")])]);
        let mut helper = world.helper(&Policy { gateways, ..policy(&["eth1"]) });
        let address = if gateway == "first" { "10.0.2.1" } else { gateway };
        assert_eq!(helper.ask(via(eth1, address)), Reply::Ok);
        world.ip("route del default dev eth1");
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(world.table("-4", 241), [format!("default via {address} dev eth1 proto 110")]);
        // With the first address of a subnet the kernel takes away the others.
        world.ip("addr del 10.0.2.5/24 dev eth1");
        until("the withdrawal", || world.table("-4", 241).is_empty());
        world.ip("addr add 10.0.2.5/24 dev eth1\naddr add 10.0.2.6/24 dev eth1\nroute add default via 10.0.2.1 dev eth1 metric 200");
        assert_eq!(helper.end().status, 0);
    }
}

#[test]
fn everything_goes_with_the_interface_or_its_name() {
    let all = |_: &str| true;
    goes("link set eth1 down\nlink set eth1 name wan1\nlink set wan1 up", all);
    goes("link del eth1", all);
    goes("link add br0 type bridge\nlink set eth1 master br0", all);
}

#[test]
fn what_an_earlier_policy_granted_goes_at_the_start() {
    let Some(world) = scene() else { return };
    let helper = granted(&world, &policy(&["eth1"]), Vec::new());
    assert_eq!(helper.end().status, 0);
    world.ip("rule add from 10.0.2.5 lookup 1241 priority 5002 protocol 110
         route add 10.55.0.0/16 dev docker0 proto 110");
    // A worker that says nothing at all.
    let _helper = world.stranger(&policy(&["eth0"]).to_string());
    until("the withdrawal", || world.ours().is_empty());
}

#[test]
fn rules_of_other_shapes_and_of_marks_are_held_to_the_policy() {
    let Some(world) = scene() else { return };
    let eth1 = world.ifindex("eth1");
    let marks =
        BTreeMap::from([(InterfaceName::new("eth1").expect("a name"), "0x7/0xf".parse().expect("a mark"))]);
    let with =
        Policy { marks, main_prefixes: vec!["10.0.0.0/8".parse().expect("a prefix")], ..policy(&["eth1"]) };
    let mut helper = world.helper(&with);
    for rules in [Rules::Mark(Family::V4), crate::world::addresses(&["10.0.2.5", "10.0.2.6"])] {
        let request = Request::AddRules { ifindex: eth1, rules, through: Through::MainFirst };
        assert_eq!(helper.ask(&request), Reply::Ok);
    }
    let before = world.ours();
    assert_eq!(before.len(), 11, "{before:?}");
    two_passes(&world);
    assert_eq!(world.ours(), before);
    world.ip("addr del 10.0.2.6/24 dev eth1");
    until("the withdrawal", || world.ours().len() == 7);
    assert_eq!(helper.end().status, 0);
    let _helper = world.helper(&policy(&["eth1"]));
    until("the withdrawal", || world.ours().len() == 3);
    let left = world.ours();
    assert!(left.iter().all(|line| line.contains("10.0.2.5") && !line.contains("fwmark")), "{left:?}");
}

/// In the middle of a storm of changes that it does not need the helper takes a twentieth of a processor.
#[test]
fn a_storm_of_changes_does_not_make_it_busy_and_does_not_blind_it() {
    let Some(world) = scene() else { return };
    let helper = granted(&world, &policy(&["eth1"]), Vec::new());
    let before = world.ours();
    let mut storm =
        world.flap("route add 198.51.100.0/24 dev docker0\nroute del 198.51.100.0/24 dev docker0");
    let ticks = || -> u64 {
        let stat = helper.proc("stat").expect("its times");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number")
    };
    let began = ticks();
    std::thread::sleep(Duration::from_secs(4));
    let used = ticks() - began;
    world.ip("addr del 10.0.2.6/24 dev eth1");
    until("the withdrawal", || world.ours().len() + 2 == before.len());
    storm.kill().expect("running");
    storm.wait().expect("ended");
    // In hundredths of a second; a twentieth of 4 s would be 20, and the ticks are coarse.
    assert!(used <= 40, "{used} ticks in 4 s");
}
