//! How far a worker reaches: many values in every request. What is not on the short list of what
//! may be asked is refused or changes nothing, and what stands afterwards is of that list.

use super::{Target, legal};
use crate::random::Random;
use crate::view::View;
use crate::world::{add_rules, address, as_main, copy, default, del_routes, del_rules, follow, until, via};
use protocol::{Family, Ifindex, NextHop, Refusal, Reply, Request, Rules, TableId, Through};
use std::collections::BTreeSet;

/// All that can stand in this scene, as ip(8) words it, written from the description: eth1 is the one
/// interface with usable addresses and gateways; wan4 has a table too.
fn possible() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    // By its number a type is told as well: 7 is unreachable.
    for (address, length) in [("10.0.2.5", 7), ("2001:db8:2::5", 12)] {
        all.extend([
            format!("32002: from {address} lookup 241 proto 110"),
            format!("32003: from all to {address} lookup 241 proto 110"),
            format!("32001: from {address} lookup 254 suppress_prefixlength {length} proto 110"),
        ]);
    }
    let own = "dev eth1 table 241 proto 110";
    all.extend([
        format!("default via 10.0.2.1 {own}"),
        format!("default via 10.0.2.2 {own}"),
        format!("default via 10.0.2.1 {own} metric 200"),
        format!("default via fe80::1 {own} metric 1024 pref medium"),
        format!("default via fe80::1 {own} metric 200 pref medium"),
        format!("fe80::/64 {own} metric 256 pref medium"),
    ]);
    let four = [
        ("10.0.1.0/24", "dev eth0"),
        ("10.0.2.0/24", "dev eth1"),
        ("10.0.5.0/24", "dev br0"),
        ("172.17.0.0/16", "dev docker0"),
        ("169.254.0.0/16", "dev eth1"),
        ("10.66.0.0/16", "via 10.0.2.2 dev eth1"),
        ("10.67.0.0/16", "via 10.0.1.9 dev eth0"),
        ("10.88.0.0/16", "via 172.17.0.9 dev docker0"),
    ];
    let six = [
        ("2001:db8:1::/64", "dev eth0"),
        ("2001:db8:2::/64", "dev eth1"),
        ("2001:db8:17::/64", "dev docker0"),
    ];
    for table in [241, 244] {
        let end = format!("table {table} proto 110");
        for (net, way) in four {
            let scope = if way.starts_with("via") { "" } else { " scope 253" };
            all.insert(format!("{net} {way} {end}{scope}"));
            all.insert(format!("7 {net} {end}"));
            all.extend(["10.0.2.1", "10.0.2.2"].map(|via| format!("{net} via {via} {own}")));
        }
        for (net, way) in six {
            all.insert(format!("{net} {way} {end} metric 256 pref medium"));
            all.insert(format!("7 {net} dev lo {end} metric 1024 pref medium"));
            all.insert(format!("{net} via fe80::1 {own} metric 1024 pref medium"));
        }
    }
    all
}

fn ifindexes() -> Vec<Ifindex> {
    let numbers = [1, 2, 40, 41, 42, 43, 44, 50, 53, 54, 55, 140, 141, 999, 65_589, i32::MAX.cast_unsigned()];
    numbers.iter().map(|n| Ifindex::try_from(*n).expect("valid")).collect()
}

/// Each kind of request, of these interfaces, with many values.
fn requests(ifindexes: &[Ifindex]) -> Vec<Request> {
    let addresses = [
        "10.0.2.5",
        "10.0.2.6",
        "10.0.1.5",
        "10.0.6.77",
        "10.0.9.9",
        "172.17.0.1",
        "169.254.7.7",
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "10.0.2.255",
        "2001:db8:2::5",
        "2001:db8:1::5",
        "fe80::41",
        "fe80::1",
        "::1",
        "::",
        "ff02::1",
        "::ffff:10.0.2.5",
        "10.0.2.1",
        "10.0.2.2",
        "10.0.1.1",
        "10.0.1.9",
        "9.9.9.9",
        "2001:db8:1::1",
    ];
    let nets = [
        "10.0.2.0/24",
        "10.0.1.0/24",
        "10.0.5.0/24",
        "172.17.0.0/16",
        "169.254.0.0/16",
        "10.66.0.0/16",
        "10.67.0.0/16",
        "10.68.0.0/16",
        "10.88.0.0/16",
        "10.88.0.0/17",
        "0.0.0.0/1",
        "127.0.0.0/8",
        "224.0.0.0/4",
        "0.0.0.0/0",
        "10.0.2.5/32",
        "2001:db8:2::/64",
        "2001:db8:1::/64",
        "2001:db8:17::/64",
        "fe80::/64",
        "ff00::/8",
        "::/0",
        "2000::/3",
    ];
    let mut all = Vec::new();
    for ifindex in ifindexes.iter().copied() {
        for text in addresses {
            all.extend([add_rules(ifindex, &[text]), via(ifindex, text)]);
            let rules = crate::world::addresses(&[text]);
            all.push(Request::AddRules { ifindex, rules, through: Through::MainFirst });
            let other = if address(text).is_ipv4() { Family::V6 } else { Family::V4 };
            all.push(default(ifindex, other, NextHop::Gateway(address(text))));
        }
        for text in nets {
            all.extend([copy(ifindex, &[text]), follow(ifindex, &[text])]);
        }
        for family in [Family::V4, Family::V6] {
            let rules = Rules::Mark(family);
            all.push(Request::AddRules { ifindex, rules, through: Through::Table });
            let tables =
                [0, 7, 240, 241, 253, 254, 255, 1 << 31, u32::MAX].map(|n| NextHop::Table(TableId(n)));
            let hops = tables.into_iter().chain([NextHop::PointToPoint, NextHop::Nothing]);
            all.extend(hops.map(|next_hop| default(ifindex, family, next_hop)));
        }
    }
    all
}

#[test]
fn nothing_but_its_own_state_can_be_asked_for() {
    let Some(mut target) = Target::new() else { return };
    let mut random = Random::new(5);
    let mut helper = target.helper();
    let possible = possible();
    let mut asked = requests(&ifindexes());
    for last in (1..asked.len()).rev() {
        asked.swap(last, random.below(last + 1));
    }
    let (mut seen, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for (number, request) in asked.iter().enumerate() {
        match helper.ask(request) {
            Reply::Ok | Reply::Exists => {}
            Reply::Refused(refusal) => drop(refused.insert(refusal)),
            other => panic!("{request:?}: {other:?}"),
        }
        if number % 40 == 0 {
            target.ours(&format!("at {request:?} or less than 40 before"));
            seen.extend(target.world.ours());
        }
    }
    seen.extend(target.world.ours());
    let beyond: Vec<_> = seen.difference(&possible).collect();
    assert!(beyond.is_empty(), "{beyond:#?}");
    assert!(seen.len() > 15, "{seen:?}");
    for refusal in [
        Refusal::NoInterface,
        Refusal::NotListed,
        Refusal::Loopback,
        Refusal::Enslaved,
        Refusal::AddressAbsent,
        Refusal::AddressUnusable,
        Refusal::MarkUnknown,
        Refusal::Family,
        Refusal::GatewayNotUnicast,
        Refusal::GatewayOwn,
        Refusal::GatewayOffLink,
        Refusal::NotPointToPoint,
        Refusal::NoSuchRoute,
        Refusal::RouteNotCopyable,
        Refusal::TableForbidden,
    ] {
        assert!(refused.contains(&refusal), "{refusal:?} was never met");
    }
    // Withdrawn, and nothing else goes.
    let eth1 = target.eth1;
    for request in [
        del_rules(eth1, &["10.0.2.5"]),
        del_rules(eth1, &["2001:db8:2::5"]),
        del_routes(eth1, &["0.0.0.0/0"]),
        del_routes(eth1, &["::/0"]),
        Request::SyncBegin,
        Request::SyncEnd,
    ] {
        assert!(matches!(helper.ask(&request), Reply::Ok | Reply::Absent), "{request:?}");
        target.ours("withdrawn");
    }
    assert_eq!(helper.end().status, 0);
    assert_eq!(target.ours("withdrawn").len(), 0);
}

/// Whatever is asked, once nobody asks any more only that stays which might be asked for again.
#[test]
fn what_stands_when_the_worker_is_silent_is_what_would_be_granted() {
    let Some(target) = Target::new() else { return };
    let mut helper = target.helper();
    for request in legal(target.eth1).into_iter().chain([as_main(target.eth1, Family::V4)]) {
        assert!(matches!(helper.ask(&request), Reply::Ok | Reply::Exists), "{request:?}");
    }
    target
        .world
        .ip("addr del 10.0.2.5/24 dev eth1\nlink set docker0 down\naddr del 2001:db8:2::5/64 dev eth1");
    until("the withdrawal", || {
        let ours = target.world.ours();
        // main still has both defaults, and the prefix that follows one.
        ours.iter().all(|line| line.starts_with("default") || line.starts_with("10.67.0.0"))
            && ours.len() == 3
    });
}

/// Whatever an interface is enslaved to, where the kernel has that kind.
#[test]
fn no_slave_of_any_kind_is_served() {
    let Some(mut target) = Target::new() else { return };
    let mut tried = 0;
    for (kind, more) in [("bridge", ""), ("bond", ""), ("vrf", "table 77"), ("team", "")] {
        let mut command = target.world.command("ip");
        command.args(["link", "add", "m9", "type", kind]).args(more.split_whitespace());
        let made = command.output().expect("nsenter(1)").status.success();
        if !made {
            eprintln!("SKIPPED: no slave of a {kind}: this kernel has none");
            continue;
        }
        tried += 1;
        // A bond takes none that is up.
        target.world.ip("link add wan9 index 49 type veth peer name p9
             link set wan9 addrgenmode none
             link set m9 addrgenmode none
             link set p9 addrgenmode none
             link set wan9 master m9
             link set p9 up
             link set wan9 up
             link set m9 up
             addr add 10.0.77.5/24 dev wan9");
        target.before = View::settled(&mut target.netlink);
        let mut helper = target.helper();
        let wan9 = Ifindex::try_from(49).expect("valid");
        for request in legal(wan9).into_iter().chain([add_rules(wan9, &["10.0.77.5"])]) {
            assert_eq!(helper.ask(&request), Reply::Refused(Refusal::Enslaved), "{kind} {request:?}");
        }
        assert_eq!(helper.end().status, 0);
        assert!(target.ours(kind).is_empty());
        target.world.ip("link del wan9\nlink del m9");
    }
    assert!(tried > 0, "not even a bridge");
}
