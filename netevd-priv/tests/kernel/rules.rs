//! Rules: added, refused, deleted.

use crate::world::{HOST, World, add_rules, addresses, default, del_rules, policy, via};
use protocol::{Family, InterfaceName, Mark, NextHop, Policy, Refusal, Reply, Request, Rules, Through};
use std::collections::{BTreeMap, BTreeSet};

/// Three addresses of eth1.
const THREE: &str = "addr add 10.0.2.6/24 dev eth1\naddr add 10.0.2.7/24 dev eth1";

fn both(texts: &[&str]) -> Vec<String> {
    let mut rules: Vec<_> = texts.iter().map(|a| format!("32002: from {a} lookup 241 proto 110")).collect();
    rules.extend(texts.iter().map(|a| format!("32003: from all to {a} lookup 241 proto 110")));
    rules
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn adds_both_rules_of_each_address_once() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip(THREE);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let three = add_rules(eth1, &["10.0.2.5", "10.0.2.6", "10.0.2.7"]);
    assert_eq!(helper.ask(&three), Reply::Ok);
    assert_eq!(helper.ask(&three), Reply::Exists);
    assert_eq!(sorted(world.rules("-4")), both(&["10.0.2.5", "10.0.2.6", "10.0.2.7"]));
    // Named twice it is there once.
    assert_eq!(helper.ask(del_rules(eth1, &["10.0.2.5", "10.0.2.6", "10.0.2.7"])), Reply::Ok);
    assert_eq!(helper.ask(add_rules(eth1, &["10.0.2.5", "10.0.2.5"])), Reply::Ok);
    assert_eq!(world.rules("-4"), both(&["10.0.2.5"]));
    assert_eq!(helper.ask(add_rules(eth1, &["2001:db8:2::5"])), Reply::Ok);
    assert_eq!(world.rules("-6").len(), 2);
}

#[test]
fn makes_the_rules_of_an_address_what_the_policy_says() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let main_prefixes = ["10.0.0.0/8", "fc00::/7"].map(|text| text.parse().expect("a prefix")).to_vec();
    let mut helper = world.helper(&Policy { to_rules: false, main_prefixes, ..policy(&["eth1"]) });
    // As an earlier policy left it, at other priorities and in other forms. What another address has must be right,
    // else the helper takes it back by itself meanwhile.
    world.ip("addr add 10.0.2.6/24 dev eth1
         rule add from 10.0.2.5 lookup 241 priority 31002 protocol 110
         rule add to 10.0.2.5 lookup 241 priority 32003 protocol 110
         rule add from 10.0.2.5 lookup 299 priority 32002 protocol 110
         rule add from 10.0.2.5 iif eth0 lookup 241 priority 32002 protocol 110
         rule add from 10.0.2.5 to 10.9.0.0/16 lookup main priority 32001 protocol 110
         rule add from 10.0.2.6 lookup 241 priority 32002 protocol 110
         rule add from 10.0.2.5 lookup 7 priority 32002 protocol static");
    assert_eq!(helper.ask(add_rules(eth1, &["10.0.2.5"])), Reply::Ok);
    let expected = [
        "32001: from 10.0.2.5 to 10.0.0.0/8 lookup main proto 110",
        "32002: from 10.0.2.5 lookup 241 proto 110",
        "32002: from 10.0.2.5 lookup 7 proto static",
        "32002: from 10.0.2.6 lookup 241 proto 110",
    ];
    let rules = || {
        sorted(
            world.json("rule").iter().filter(|rule| rule["src"] != "all").map(ToString::to_string).collect(),
        )
    };
    assert_eq!(rules().len(), 4, "{:?}", rules());
    let shown = |world: &World| {
        let lines = world.everything_of_rules();
        sorted(lines.into_iter().filter(|line| line.contains("from 10.")).collect())
    };
    assert_eq!(shown(&world), expected);
    let main_first =
        Request::AddRules { ifindex: eth1, rules: addresses(&["10.0.2.5"]), through: Through::MainFirst };
    assert_eq!(helper.ask(&main_first), Reply::Ok);
    assert_eq!(helper.ask(&main_first), Reply::Exists);
    let added = "32001: from 10.0.2.5 lookup main suppress_prefixlength 7 proto 110";
    assert!(shown(&world).contains(&added.to_owned()), "{:?}", shown(&world));
    let six = Request::AddRules {
        ifindex: eth1,
        rules: addresses(&["2001:db8:2::5"]),
        through: Through::MainFirst,
    };
    assert_eq!(helper.ask(&six), Reply::Ok);
    assert_eq!(helper.ask(add_rules(eth1, &["10.0.2.5"])), Reply::Ok);
    assert_eq!(shown(&world), expected);
    assert_eq!(helper.ask(del_rules(eth1, &["10.0.2.5"])), Reply::Ok);
    assert_eq!(shown(&world), expected[2..]);
    assert_eq!(helper.ask(del_rules(eth1, &["10.0.2.5"])), Reply::Absent);
    assert_eq!(helper.ask(del_rules(eth1, &["2001:db8:2::5"])), Reply::Ok);
    assert!(
        world.json("-6 rule").iter().all(|rule| rule["protocol"] != "110"),
        "{:?}",
        world.json("-6 rule")
    );
}

#[test]
fn where_table_local_comes_late_it_is_looked_up_first_for_each_address() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let request = add_rules(eth1, &["10.0.2.5"]);
    assert_eq!(helper.ask(&request), Reply::Ok);
    // As a VRF has it.
    world.ip("rule add lookup local priority 32765\nrule del priority 0 lookup local");
    assert_eq!(helper.ask(&request), Reply::Ok);
    let late = ["32000: from 10.0.2.5 lookup local proto 110", "32002: from 10.0.2.5 lookup 241 proto 110"];
    let ours = |world: &World| {
        let lines = world.everything_of_rules().into_iter();
        lines.filter(|line| line.contains("proto 110")).collect::<Vec<_>>()
    };
    assert_eq!(ours(&world), late);
    // Only for marked packets: it decides nothing.
    world.ip("rule add fwmark 1 lookup local priority 50");
    assert_eq!(helper.ask(&request), Reply::Exists);
    // Where some programs move it to.
    world.ip("rule add lookup local priority 100");
    assert_eq!(helper.ask(&request), Reply::Ok);
    assert_eq!(ours(&world), both(&["10.0.2.5"]));
}

#[test]
fn an_address_that_moved_takes_its_rules_along() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let (eth0, eth1) = (world.ifindex("eth0"), world.ifindex("eth1"));
    let mut helper = world.helper(&policy(&["eth*"]));
    assert_eq!(helper.ask(add_rules(eth1, &["10.0.2.5"])), Reply::Ok);
    world.ip("addr del 10.0.2.5/24 dev eth1\naddr add 10.0.2.5/24 dev eth0");
    assert_eq!(helper.ask(add_rules(eth0, &["10.0.2.5"])), Reply::Ok);
    let moved = both(&["10.0.2.5"]).iter().map(|line| line.replace("241", "240")).collect::<Vec<_>>();
    assert_eq!(world.rules("-4"), moved);
    // Of the interface that had it before there is nothing to delete.
    assert_eq!(helper.ask(del_rules(eth1, &["10.0.2.5"])), Reply::Absent);
    assert_eq!(world.rules("-4"), moved);
}

#[test]
fn an_address_on_two_interfaces_gets_no_rule_unless_the_policy_shares_it() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let (eth0, eth1) = (world.ifindex("eth0"), world.ifindex("eth1"));
    world.ip(
        "addr add 10.0.2.5/32 dev lo\naddr add 2001:db8:2::5/128 dev docker0 nodad\nlink set docker0 down",
    );
    // The kernel takes IPv6 addresses from an interface that goes down; not these.
    world.ip("link set docker0 up\naddr replace 2001:db8:2::5/128 dev docker0 nodad");
    let mut helper = world.helper(&policy(&["eth*"]));
    assert_eq!(helper.ask(add_rules(eth1, &["10.0.2.5"])), Reply::Ok, "loopback aside");
    let shared = Reply::Refused(Refusal::AddressShared);
    assert_eq!(helper.ask(add_rules(eth1, &["2001:db8:2::5"])), shared);
    world.ip("link set docker0 down");
    assert_eq!(helper.ask(add_rules(eth1, &["2001:db8:2::5"])), Reply::Ok, "it is down");
    world.ip("addr add 10.0.2.5/24 dev eth0");
    for ifindex in [eth0, eth1] {
        assert_eq!(helper.ask(add_rules(ifindex, &["10.0.2.5"])), shared);
    }
    assert_eq!(helper.end().status, 0);
    let policy =
        Policy { shared: BTreeSet::from(["10.0.2.5".parse().expect("an address")]), ..policy(&["eth*"]) };
    let mut helper = world.helper(&policy);
    for ifindex in [eth0, eth1, eth0, eth1] {
        let reply = helper.ask(add_rules(ifindex, &["10.0.2.5"]));
        assert!([Reply::Ok, Reply::Exists].contains(&reply), "{reply:?}");
    }
    assert_eq!(world.rules("-4").len(), 4, "{:?}", world.rules("-4"));
    assert_eq!(helper.ask(del_rules(eth0, &["10.0.2.5"])), Reply::Ok);
    assert_eq!(world.rules("-4"), both(&["10.0.2.5"]));
}

#[test]
fn the_mark_that_the_policy_names_leads_to_the_table() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let (eth0, eth1) = (world.ifindex("eth0"), world.ifindex("eth1"));
    world.ip("link property add dev eth1 altname the-uplink-of-provider-two");
    let name = InterfaceName::alternative("the-uplink-of-provider-two").expect("a name");
    let marks = BTreeMap::from([(name, Mark { value: 0x65_0000, mask: 0xff_0000 })]);
    let mut helper = world.helper(&Policy { marks, ..policy(&["eth*"]) });
    let of =
        |ifindex, family| Request::AddRules { ifindex, rules: Rules::Mark(family), through: Through::Table };
    let delete = |family| Request::DelRules { ifindex: eth1, rules: Rules::Mark(family) };
    assert_eq!(helper.ask(of(eth0, Family::V4)), Reply::Refused(Refusal::MarkUnknown));
    for (flag, family) in [("-4", Family::V4), ("-6", Family::V6)] {
        assert_eq!(helper.ask(of(eth1, family)), Reply::Ok);
        assert_eq!(helper.ask(of(eth1, family)), Reply::Exists);
        assert_eq!(world.rules(flag), ["32002: from all fwmark 0x650000/0xff0000 lookup 241 proto 110"]);
    }
    // Also where table local comes late.
    world.ip("rule add lookup local priority 32765\nrule del priority 0 lookup local");
    assert_eq!(helper.ask(of(eth1, Family::V4)), Reply::Ok);
    assert_eq!(world.ours().iter().filter(|line| line.contains("fwmark 0x650000/0xff0000")).count(), 3);
    assert_eq!(helper.ask(delete(Family::V4)), Reply::Ok);
    assert_eq!(helper.ask(delete(Family::V4)), Reply::Absent);
    assert_eq!(helper.ask(delete(Family::V6)), Reply::Ok);
    assert!(world.ours().is_empty(), "{:?}", world.ours());
}

#[test]
fn deletes_its_own_rule_also_when_the_interface_is_gone_and_never_a_foreign_one() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let delete = del_rules(eth1, &["10.0.2.5"]);
    assert_eq!(helper.ask(&delete), Reply::Absent);
    assert_eq!(helper.ask(add_rules(eth1, &["10.0.2.5"])), Reply::Ok);
    world.ip("link del eth1");
    let reply = helper.ask(&delete);
    // Unless the helper has noticed by itself.
    assert!([Reply::Ok, Reply::Absent].contains(&reply), "{reply:?}");
    // The same in every field but the protocol.
    world.ip("rule add from 10.0.2.5 lookup 241 priority 32002 protocol static");
    let before = world.everything();
    assert_eq!(helper.ask(&delete), Reply::Absent);
    assert_eq!(world.everything(), before);
}

#[test]
fn refuses_interfaces_that_are_gone_unlisted_loopback_or_enslaved() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("link add br0 type bridge\nlink add eth2 type veth peer name p3\nlink set eth2 master br0 up");
    world.ip("addr add 10.0.3.5/24 dev eth2\naddr add 10.0.9.9/32 dev lo");
    let before = world.everything();
    let mut helper = world.helper(&policy(&["eth1", "eth2", "lo"]));
    let gone = protocol::Ifindex::try_from(999).expect("valid");
    for (ifindex, text, refusal) in [
        (gone, "10.0.2.5", Refusal::NoInterface),
        (world.ifindex("eth0"), "10.0.1.5", Refusal::NotListed),
        (world.ifindex("lo"), "10.0.9.9", Refusal::Loopback),
        (world.ifindex("eth2"), "10.0.3.5", Refusal::Enslaved),
    ] {
        assert_eq!(helper.ask(add_rules(ifindex, &[text])), Reply::Refused(refusal));
        let nothing = default(ifindex, Family::V4, NextHop::Nothing);
        assert_eq!(helper.ask(nothing), Reply::Refused(refusal));
    }
    assert_eq!(world.everything(), before);
}

#[test]
fn the_current_names_decide_not_the_index() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1", "provider-*", "!*-guest"]));
    world.ip("link set eth1 down\nlink set eth1 name wan1\nlink set wan1 up");
    let request = add_rules(eth1, &["10.0.2.5"]);
    assert_eq!(helper.ask(&request), Reply::Refused(Refusal::NotListed));
    // An alternative name is a name, also for an exclusion.
    world.ip("link property add dev wan1 altname provider-two");
    assert_eq!(helper.ask(&request), Reply::Ok);
    world.ip("link property add dev wan1 altname provider-guest");
    assert_eq!(helper.ask(&request), Reply::Refused(Refusal::NotListed));
    // Names are bytes.
    world.ip(
        "link property del dev wan1 altname provider-two\nlink property del dev wan1 altname provider-guest",
    );
    let name = std::ffi::OsStr::from_bytes(b"provider-\xff\xfe");
    let added =
        world.command("ip").args(["link", "property", "add", "dev", "wan1", "altname"]).arg(name).status();
    assert!(added.expect("nsenter(1)").success());
    let reply = helper.ask(&request);
    assert!([Reply::Ok, Reply::Exists].contains(&reply), "{reply:?}");
}

use std::os::unix::ffi::OsStrExt;

#[test]
fn refuses_addresses_that_are_absent_or_unusable() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("link add eth3 type veth peer name peer3
         link set eth3 up
         addr add 2001:db8:3::5/64 dev eth3
         addr add 169.254.7.7/16 dev eth1
         addr add 10.0.6.77/24 dev eth1 scope link
         addr add 127.0.0.9/8 dev eth1
         addr add 0.1.2.3/24 dev eth1
         addr add 241.1.2.3/24 dev eth1
         -6 addr add ::ffff:1.2.3.4/128 dev eth1 nodad
         -6 addr add fe80::77/64 dev eth1 nodad");
    let (eth1, eth3) = (world.ifindex("eth1"), world.ifindex("eth3"));
    let before = world.everything();
    let mut helper = world.helper(&policy(&["eth*"]));
    for (ifindex, text, refusal) in [
        (eth1, "10.0.2.6", Refusal::AddressAbsent),
        // On this host, but by another interface.
        (eth1, "10.0.1.5", Refusal::AddressAbsent),
        (eth1, "2001:db8:2::6", Refusal::AddressAbsent),
        (eth1, "10.0.6.77", Refusal::AddressUnusable),
        (eth1, "169.254.7.7", Refusal::AddressUnusable),
        (eth1, "127.0.0.9", Refusal::AddressUnusable),
        (eth1, "0.1.2.3", Refusal::AddressUnusable),
        (eth1, "241.1.2.3", Refusal::AddressUnusable),
        (eth1, "::ffff:1.2.3.4", Refusal::AddressUnusable),
        (eth1, "fe80::77", Refusal::AddressUnusable),
        (eth1, "224.0.0.1", Refusal::AddressUnusable),
        (eth1, "0.0.0.0", Refusal::AddressUnusable),
        (eth1, "::", Refusal::AddressUnusable),
        // Without a carrier its duplicate check never ends.
        (eth3, "2001:db8:3::5", Refusal::AddressUnusable),
    ] {
        assert_eq!(helper.ask(add_rules(ifindex, &[text])), Reply::Refused(refusal), "{text}");
        // A list is refused whole for one of them, wherever it is.
        let good = if text.contains(':') { "2001:db8:2::5" } else { "10.0.2.5" };
        for list in [[good, text], [text, good]] {
            if ifindex == eth1 {
                assert_eq!(helper.ask(add_rules(ifindex, &list)), Reply::Refused(refusal), "{text}");
            }
        }
    }
    assert_eq!(world.everything(), before);
}

#[test]
fn refuses_beside_foreign_routes_and_unmarked_foreign_rules_into_the_table() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let requests = [add_rules(eth1, &["10.0.2.5"]), via(eth1, "10.0.2.1")];
    for (put, take, refusal) in [
        ("rule add from 9.9.9.9 lookup 241 priority 90", "rule del priority 90", Refusal::RuleConflict),
        ("rule add iif eth0 lookup 241 priority 90", "rule del priority 90", Refusal::RuleConflict),
        ("rule add not fwmark 7 lookup 241 priority 90", "rule del priority 90", Refusal::RuleConflict),
        ("rule add fwmark 0/0xff lookup 241 priority 90", "rule del priority 90", Refusal::RuleConflict),
        ("route add unreachable 9.9.9.0/24 table 241", "route flush table 241", Refusal::TableConflict),
        ("route add 9.9.9.0/24 dev eth0 table 241", "route flush table 241", Refusal::TableConflict),
    ] {
        world.ip(put);
        let before = world.everything();
        for request in &requests {
            assert_eq!(helper.ask(request), Reply::Refused(refusal), "{put}");
        }
        assert_eq!(world.everything(), before);
        world.ip(take);
    }
    // Of the other family they are in nobody's way, nor is what is marked, nor another selector.
    world.ip("-6 rule add from all lookup 241 priority 90
         -6 route add unreachable 2001:db8:9::/64 table 241
         rule add fwmark 7 lookup 241 priority 90
         rule add fwmark 7/0xff iif eth0 lookup 241 priority 32002
         rule add from 9.9.9.9 lookup 7 priority 32002
         rule add from 9.9.9.9 blackhole priority 32003");
    for request in &requests {
        assert_eq!(helper.ask(request), Reply::Ok);
    }
    let reply = helper.ask(add_rules(eth1, &["2001:db8:2::5"]));
    assert_eq!(reply, Reply::Refused(Refusal::TableConflict));
}

#[test]
fn tables_of_the_kernel_stay_as_they_are_at_their_indices() {
    let Some(world) = World::new() else { return };
    for index in 53..=55 {
        world.ip(&format!(
            "link add eth{index} index {index} type veth peer name p{index}
             link set p{index} up
             link set eth{index} up
             addr add 10.0.{index}.5/24 dev eth{index}
             route add default via 10.0.{index}.1 dev eth{index} metric {index}"
        ));
    }
    let kernel_s = |world: &World| [253, 254, 255].map(|table| world.table("-4", table));
    let before = kernel_s(&world);
    let mut helper = world.helper(&policy(&["eth*"]));
    for index in 53u32..=55 {
        let ifindex = world.ifindex(&format!("eth{index}"));
        let own = format!("10.0.{index}.5");
        for request in [
            crate::world::copy(ifindex, &[&format!("10.0.{index}.0/24")]),
            via(ifindex, &format!("10.0.{index}.1")),
            add_rules(ifindex, &[&own]),
        ] {
            assert_eq!(helper.ask(&request), Reply::Ok, "{request:?}");
        }
        assert_eq!(world.table("-4", 65_736 + index).len(), 2);
        assert_eq!(helper.ask(crate::world::del_routes(ifindex, &["0.0.0.0/0"])), Reply::Ok);
    }
    assert_eq!(kernel_s(&world), before);
    assert_eq!(world.rules("-4").len(), 6);
    for request in [Request::SyncBegin, Request::SyncEnd] {
        assert_eq!(helper.ask(request), Reply::Ok);
    }
    assert_eq!(kernel_s(&world), before);
    assert!(world.ours().is_empty());
}
