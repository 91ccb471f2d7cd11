//! Copies of main's routes, and routes that follow the default.

use crate::world::{HOST, World, as_main, copy, copy_except, del_routes, follow, policy, via};
use protocol::{Family, Policy, Refusal, Reply};

/// Local networks, static routes and all that main may hold beside them.
const MAIN: &str = "
    route add 10.88.0.0/16 via 172.17.0.9 dev docker0 proto static src 172.17.0.1
    route add 10.89.0.0/16 dev docker0 metric 5 scope link
    route add 10.89.0.0/16 via 172.17.0.7 metric 9
    route add 10.90.0.0/16 via 192.0.2.77 dev docker0 onlink
    route add 10.91.0.0/16 via inet6 2001:db8:17::9 dev docker0
    route add 10.92.0.0/16 dev docker0 proto 80 mtu lock 1400 hoplimit 9 realms 7
    route add 10.93.0.0/16 via 10.0.2.2 dev eth1 advmss 1300 initcwnd 20 window 5000
    route add blackhole 10.94.0.0/16
    route add unreachable 10.95.0.0/16 metric 7
    route add prohibit 10.96.0.0/16
    route add throw 10.97.0.0/16
    route add local 10.98.0.0/16 dev lo
    route add multicast 239.1.0.0/16 dev eth1
    route add 10.99.0.0/16 tos 0x10 via 172.17.0.9
    route add 10.99.0.0/16 via 172.17.0.10
    route add 10.100.0.0/16 nexthop via 172.17.0.8 weight 3 nexthop via 172.17.0.9 dev docker0 nexthop via 10.0.2.3 dev eth1
    nexthop add id 7 via 172.17.0.8 dev docker0
    nexthop add id 8 via 172.17.0.9 dev docker0
    nexthop add id 9 group 7,2/8
    route add 10.101.0.0/16 nhid 7
    route add 10.102.0.0/16 nhid 9
    route add 169.254.0.0/16 dev eth1 scope link
    route append 10.103.0.0/16 via 172.17.0.8
    route append 10.103.0.0/16 via 172.17.0.6
    route append 10.103.0.0/16 via 172.17.0.7
    route append 10.104.0.0/16 nexthop via 172.17.0.8 dev docker0 nexthop via 172.17.0.9 dev docker0
    route append 10.104.0.0/16 via 172.17.0.8
    -6 route add 2001:db8:88::/64 via 2001:db8:17::9 dev docker0 mtu 1400
    -6 route add 2001:db8:89::/64 dev docker0 metric 256 pref high
    -6 route add unreachable 2001:db8:90::/64
    -6 route add 2001:db8:91::/64 from 2001:db8:2::/64 via 2001:db8:17::9
    -6 route add 2001:db8:92::/64 nexthop via 2001:db8:17::8 nexthop via 2001:db8:17::9 weight 2 nexthop via fe80::3 dev eth1
    -6 route add 2001:db8:93::/64 via 2001:db8:17::9 expires 300
    -6 route add 2001:db8:94::/64 nhid 10
";

fn four() -> Vec<String> {
    let mut all: Vec<String> = (88..=104).map(|n| format!("10.{n}.0.0/16")).collect();
    all.extend(["10.0.2.0/24", "172.17.0.0/16", "169.254.0.0/16", "239.1.0.0/16"].map(String::from));
    all
}

fn six() -> Vec<String> {
    let mut all: Vec<String> = (88..=94).map(|n| format!("2001:db8:{n}::/64")).collect();
    all.extend(["2001:db8:2::/64", "2001:db8:17::/64"].map(String::from));
    all
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// A line of ip(8) without what no copy has.
fn as_copied(line: &str, table: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    for gone in ["proto", "src", "nhid", "expires"] {
        if let Some(at) = words.iter().position(|word| *word == gone) {
            words.drain(at..at + 2);
        }
    }
    words.retain(|word| ![table, "linkdown"].contains(word));
    // The group's own hops come sorted by their addresses, and so they are compared.
    let text = words.join(" ");
    let mut parts: Vec<_> = text.split(" nexthop ").map(str::trim).collect();
    parts[1..].sort_unstable();
    parts.join(" nexthop ")
}

fn joined(world: &World, family: &str, table: u32) -> Vec<String> {
    let mut lines = Vec::<String>::new();
    for line in world.table(family, table) {
        match line.strip_prefix("nexthop") {
            Some(_) => *lines.last_mut().expect("a route") += &format!(" {line}"),
            None => lines.push(line),
        }
    }
    lines.iter().map(|line| as_copied(line, "")).collect()
}

#[test]
fn copies_everything_that_a_copy_has_and_nothing_else() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("nexthop add id 10 via 2001:db8:17::9 dev docker0");
    world.ip(MAIN);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    for (family, all) in [("-4", four()), ("-6", six())] {
        let request = copy(eth1, &texts(&all));
        assert_eq!(helper.ask(&request), Reply::Ok);
        let wanted = |line: &&String| {
            all.iter()
                .any(|prefix| line.split(' ').any(|word| word == prefix || format!("{word}/32") == *prefix))
        };
        let main: Vec<_> = joined(&world, family, 254);
        let main: Vec<_> = main.iter().filter(wanted).cloned().collect();
        let copied = joined(&world, family, 241);
        assert_eq!(copied, main);
        assert!(copied.len() >= all.len(), "{copied:?}");
        assert_eq!(helper.ask(&request), Reply::Exists);
        // Each by itself is what it is in the list.
        for text in &all {
            assert_eq!(helper.ask(copy(eth1, &[text])), Reply::Exists, "{text}");
        }
        for line in world.table(family, 241) {
            assert!(line.starts_with("nexthop") || line.contains("proto 110"), "{line}");
        }
    }
    // Changed in main, they are changed; gone there, they go.
    world.ip("route replace 10.88.0.0/16 via 172.17.0.10 dev docker0 proto static
         route change 10.93.0.0/16 via 10.0.2.2 dev eth1 advmss 1200
         route del blackhole 10.94.0.0/16
         route replace unreachable 10.96.0.0/16
         route del 10.103.0.0/16 via 172.17.0.8
         route del 10.104.0.0/16 nexthop via 172.17.0.8 dev docker0
         nexthop replace id 9 group 7
         -6 route replace 2001:db8:88::/64 via 2001:db8:17::9 dev docker0 mtu 1300
         -6 route del 2001:db8:92::/64 nexthop via 2001:db8:17::8 dev docker0
         -6 route append 2001:db8:92::/64 via 2001:db8:17::7
         -6 route del unreachable 2001:db8:90::/64");
    for (family, all) in [("-4", four()), ("-6", six())] {
        assert_eq!(helper.ask(copy(eth1, &texts(&all))), Reply::Ok);
        let wanted = |line: &&String| all.iter().any(|prefix| line.split(' ').any(|word| word == prefix));
        let main: Vec<_> = joined(&world, family, 254).iter().filter(wanted).cloned().collect();
        assert_eq!(joined(&world, family, 241), main);
    }
    let (four, six) = (four(), six());
    assert_eq!(helper.ask(del_routes(eth1, &texts(&four))), Reply::Ok);
    assert_eq!(helper.ask(del_routes(eth1, &texts(&four))), Reply::Absent);
    assert_eq!(helper.ask(del_routes(eth1, &texts(&six))), Reply::Ok);
    assert!(world.ours().is_empty(), "{:?}", world.ours());
}

#[test]
fn leaves_out_hops_by_other_uplinks_and_dead_ones() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("link add vpn0 index 43 type veth peer name p3
         link set p3 up
         link set vpn0 up
         addr add 10.0.3.5/24 dev vpn0
         route add 10.66.0.0/16 nexthop via 10.0.1.9 dev eth0 nexthop via 10.0.2.9 dev eth1 weight 5
         route add 10.67.0.0/16 nexthop via 10.0.1.9 dev eth0 nexthop via 10.0.2.9 dev eth1 nexthop via 10.0.3.9 dev vpn0
         route add 10.68.0.0/16 via 10.0.1.9 dev eth0
         -6 route add 2001:db8:66::/64 nexthop via fe80::2 dev eth0 nexthop via fe80::3 dev eth1");
    let (eth0, eth1) = (world.ifindex("eth0"), world.ifindex("eth1"));
    let mut helper = world.helper(&policy(&["eth1"]));
    let nets = ["10.66.0.0/16", "10.67.0.0/16", "10.68.0.0/16"];
    assert_eq!(helper.ask(copy_except(eth1, &[eth0], &nets)), Reply::Ok);
    let alone = "10.66.0.0/16 via 10.0.2.9 dev eth1 proto 110".to_owned();
    let table = world.table("-4", 241);
    assert_eq!(table.len(), 4, "{table:?}");
    assert_eq!(table[0], alone);
    assert!(table[1].starts_with("10.67.0.0/16 proto 110") && table[3].contains("dev vpn0"), "{table:?}");
    assert_eq!(helper.ask(copy_except(eth1, &[eth0], &["2001:db8:66::/64"])), Reply::Ok);
    assert_eq!(
        world.table("-6", 241),
        ["2001:db8:66::/64 via fe80::3 dev eth1 proto 110 metric 1024 pref medium"]
    );
    // Down, its hop is dead: main still shows it.
    world.ip("link set vpn0 down");
    assert!(world.table("-4", 254).iter().any(|line| line.contains("dead")), "{:?}", world.table("-4", 254));
    assert_eq!(helper.ask(copy_except(eth1, &[eth0], &nets)), Reply::Ok);
    assert_eq!(world.table("-4", 241), [alone.clone(), alone.replace("66", "67")]);
    assert_eq!(helper.ask(copy(eth1, &nets)), Reply::Ok);
    assert_eq!(world.table("-4", 241).len(), 7, "{:?}", world.table("-4", 241));
}

#[test]
fn what_is_of_one_link_or_stands_for_a_default_is_copied_by_the_own_link_alone() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("route add 0.0.0.0/1 via 10.0.1.9 dev eth0
         route add 128.0.0.0/1 via 10.0.2.9 dev eth1
         route add 224.0.0.0/4 dev eth0
         -6 route add 2000::/3 via fe80::9 dev docker0
         -6 route add 8000::/1 via fe80::9 dev docker0");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    assert_eq!(helper.ask(copy(eth1, &["0.0.0.0/1", "128.0.0.0/1", "224.0.0.0/4"])), Reply::Ok);
    assert_eq!(
        world.table("-4", 241),
        ["128.0.0.0/1 via 10.0.2.9 dev eth1 proto 110", "224.0.0.0/4 dev eth0 proto 110 scope link"]
    );
    crate::world::until("a link-local subnet", || {
        world.table("-6", 254).iter().any(|l| l.contains("fe80::/64 dev eth1"))
    });
    assert_eq!(helper.ask(copy(eth1, &["2000::/3", "8000::/1", "fe80::/64"])), Reply::Ok);
    assert_eq!(
        world.table("-6", 241),
        [
            "fe80::/64 dev eth1 proto 110 metric 256 pref medium",
            "8000::/1 via fe80::9 dev docker0 proto 110 metric 1024 pref medium",
        ]
    );
}

#[test]
fn what_cannot_be_copied_whole_is_thrown_back_to_main() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("nexthop add id 7 via 172.17.0.8 dev docker0\nroute add 10.73.0.0/16 nhid 7 metric 30");
    // Then the kernel does not say which hops an object has.
    let off = world.command("sysctl").args(["-qw", "net.ipv4.nexthop_compat_mode=0"]).status();
    assert!(off.expect("nsenter(1)").success());
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    assert_eq!(helper.ask(copy(eth1, &["10.73.0.0/16"])), Reply::Ok);
    assert_eq!(world.table("-4", 241), ["throw 10.73.0.0/16 proto 110"]);
    assert_eq!(helper.ask(copy(eth1, &["10.73.0.0/16"])), Reply::Exists);
    // Nobody can say by which interface such a default leaves.
    assert_eq!(helper.ask(as_main(eth1, Family::V4)), Reply::Ok);
    world.ip("route add default nhid 7 metric 9");
    assert_eq!(helper.ask(as_main(eth1, Family::V4)), Reply::Refused(Refusal::RouteNotCopyable));
}

#[test]
fn encapsulations_are_copied_as_they_are() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let encap = "route add 10.74.0.0/16 encap ip id 77 dst 192.0.2.9 ttl 9 dev docker0";
    if !world.command("ip").args(encap.split(' ')).status().expect("nsenter(1)").success() {
        eprintln!("SKIPPED: this kernel has no lightweight tunnels");
        return;
    }
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    assert_eq!(helper.ask(copy(eth1, &["10.74.0.0/16"])), Reply::Ok);
    let table = world.table("-4", 241);
    assert!(table[0].contains("encap ip id 77") && table[0].contains("dst 192.0.2.9"), "{table:?}");
    assert_eq!(helper.ask(copy(eth1, &["10.74.0.0/16"])), Reply::Exists);
}

#[test]
fn follows_the_default_of_the_table() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("route add blackhole 10.0.0.0/8\nroute add 10.68.0.0/16 via 10.0.1.9 dev eth0
         route add 0.0.0.0/1 via 10.0.1.9 dev eth0");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let nets = follow(eth1, &["10.0.1.0/24", "10.68.0.0/16", "10.69.0.0/16"]);
    assert_eq!(helper.ask(&nets), Reply::Ok);
    let nowhere = ["unreachable 10.0.1.0/24 proto 110", "unreachable 10.68.0.0/16 proto 110"];
    assert_eq!(world.table("-4", 241), nowhere);
    assert_eq!(helper.ask(as_main(eth1, Family::V4)), Reply::Ok);
    assert_eq!(helper.ask(&nets), Reply::Ok);
    assert_eq!(helper.ask(&nets), Reply::Exists);
    assert_eq!(
        world.table("-4", 241),
        [
            "default via 10.0.2.1 dev eth1 proto 110 metric 200",
            "10.0.1.0/24 via 10.0.2.1 dev eth1 proto 110",
            "10.68.0.0/16 via 10.0.2.1 dev eth1 proto 110",
        ]
    );
    // What stood there is deleted where main has nothing.
    assert_eq!(helper.ask(copy(eth1, &["10.68.0.0/16"])), Reply::Ok);
    world.ip("route del 10.68.0.0/16");
    assert_eq!(helper.ask(follow(eth1, &["10.68.0.0/16"])), Reply::Ok);
    assert_eq!(world.table("-4", 241).len(), 2);
    for text in ["0.0.0.0/1", "0.0.0.0/0", "fe80::/64", "2000::/3"] {
        assert_eq!(helper.ask(follow(eth1, &[text])), Reply::Refused(Refusal::RouteNotCopyable), "{text}");
    }
}

#[test]
fn never_touches_a_foreign_route_also_not_one_that_the_kernel_has_joined() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("-6 route add 2001:db8:92::/64 nexthop via 2001:db8:17::8 nexthop via 2001:db8:17::9");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let request = copy(eth1, &["2001:db8:92::/64"]);
    assert_eq!(helper.ask(&request), Reply::Ok);
    // Joined to ours; a dump shows the protocol of the first.
    world.ip("-6 route append 2001:db8:92::/64 via 2001:db8:17::7 table 241 proto static");
    assert_eq!(helper.ask(&request), Reply::Refused(Refusal::TableConflict));
    assert!(world.table("-6", 241).iter().any(|line| line.contains("2001:db8:17::7")));
    assert_eq!(helper.ask(del_routes(eth1, &["2001:db8:92::/64"])), Reply::Ok);
    assert_eq!(
        world.table("-6", 241),
        ["2001:db8:92::/64 via 2001:db8:17::7 dev docker0 proto static metric 1024 pref medium"]
    );
    // And the other way round: ours hides behind a foreign one.
    world.ip("-6 route append 2001:db8:92::/64 via 2001:db8:17::8 table 241 proto 110");
    assert_eq!(helper.ask(&request), Reply::Refused(Refusal::TableConflict));
    let reply = helper.ask(del_routes(eth1, &["2001:db8:92::/64"]));
    assert!([Reply::Ok, Reply::Absent].contains(&reply), "{reply:?}");
    assert_eq!(
        world.table("-6", 241),
        ["2001:db8:92::/64 via 2001:db8:17::7 dev docker0 proto static metric 1024 pref medium"]
    );
}

#[test]
fn a_full_table_of_main_costs_no_memory() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let routes: String = (0..200_000u32)
        .map(|n| format!("route add 20.{}.{}.{}/32 via 10.0.1.9 dev eth0\n", n >> 16, n >> 8 & 255, n & 255))
        .collect();
    world.batch(&routes);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&Policy { ..policy(&["eth1"]) });
    assert_eq!(helper.ask(via(eth1, "10.0.2.1")), Reply::Ok);
    assert_eq!(helper.ask(copy(eth1, &["172.17.0.0/16", "20.0.0.1/32"])), Reply::Ok);
    assert_eq!(world.table("-4", 241).len(), 3);
    let status = helper.proc("status").expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 8192, "{kib} KiB");
}
