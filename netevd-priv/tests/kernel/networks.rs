//! Connected subnets and copies of main's local networks.

use crate::world::{HOST, World, add_local, add_subnet, policy};
use protocol::{Family, Policy, Refusal, Reply, Request, RouteKind};

#[test]
fn adds_the_subnet_that_the_kernel_s_address_says() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("addr add 10.0.4.5/32 dev eth1
         addr add 10.0.5.5 peer 10.0.5.6/32 dev eth1
         addr add 10.0.2.6/24 dev eth1
         addr add 1.2.3.4/0 dev eth1");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    for (text, reply) in [
        ("10.0.2.5", Reply::Ok),
        ("10.0.2.6", Reply::Exists),
        ("2001:db8:2::5", Reply::Ok),
        // Its subnet is itself: nothing is to be added.
        ("10.0.4.5", Reply::Exists),
        ("10.0.5.5", Reply::Ok),
        // Its subnet would be a default route.
        ("1.2.3.4", Reply::Refused(Refusal::RouteNotCopyable)),
        ("10.0.2.9", Reply::Refused(Refusal::AddressAbsent)),
        ("169.254.1.1", Reply::Refused(Refusal::AddressUnusable)),
    ] {
        assert_eq!(helper.ask(add_subnet(eth1, text)), reply, "{text}");
    }
    assert_eq!(
        world.table("-4", 241),
        ["10.0.2.0/24 dev eth1 proto 110 scope link", "10.0.5.6 dev eth1 proto 110 scope link"]
    );
    assert_eq!(world.table("-6", 241), ["2001:db8:2::/64 dev eth1 proto 110 metric 1024 pref medium"]);
    let prefix = "10.0.2.0/24".parse().expect("a prefix");
    let delete = |family| Request::DelRoute { ifindex: eth1, family, route: RouteKind::Subnet(prefix) };
    assert_eq!(helper.ask(delete(Family::V6)), Reply::Refused(Refusal::Family));
    assert_eq!(helper.ask(delete(Family::V4)), Reply::Ok);
    assert_eq!(helper.ask(delete(Family::V4)), Reply::Absent);
}

#[test]
fn copies_main_s_route_with_its_gateway_and_follows_it() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("route add 10.88.0.0/16 via 172.17.0.9 dev docker0 proto static src 172.17.0.1
         route add 10.89.0.0/16 dev docker0 metric 5 scope link
         route add 10.89.0.0/16 via 172.17.0.7 metric 9
         route add 10.90.0.0/16 via 192.0.2.77 dev docker0 onlink
         route add 10.91.0.0/16 via inet6 2001:db8:17::9 dev docker0
         -6 route add 2001:db8:88::/64 via 2001:db8:17::9 dev docker0");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    for prefix in [
        "172.17.0.0/16",
        "10.88.0.0/16",
        "10.89.0.0/16",
        "10.90.0.0/16",
        "10.91.0.0/16",
        "2001:db8:17::/64",
        "2001:db8:88::/64",
    ] {
        assert_eq!(helper.ask(add_local(eth1, prefix)), Reply::Ok, "{prefix}");
        assert_eq!(helper.ask(add_local(eth1, prefix)), Reply::Exists, "{prefix}");
    }
    assert_eq!(
        world.table("-4", 241),
        [
            "10.88.0.0/16 via 172.17.0.9 dev docker0 proto 110",
            "10.89.0.0/16 dev docker0 proto 110 scope link",
            "10.90.0.0/16 via 192.0.2.77 dev docker0 proto 110 onlink",
            "10.91.0.0/16 via inet6 2001:db8:17::9 dev docker0 proto 110",
            "172.17.0.0/16 dev docker0 proto 110 scope link",
        ]
    );
    assert_eq!(
        world.table("-6", 241),
        [
            "2001:db8:17::/64 dev docker0 proto 110 metric 1024 pref medium",
            "2001:db8:88::/64 via 2001:db8:17::9 dev docker0 proto 110 metric 1024 pref medium",
        ]
    );
    world.ip("route replace 10.88.0.0/16 via 172.17.0.10 dev docker0 proto static");
    assert_eq!(helper.ask(add_local(eth1, "10.88.0.0/16")), Reply::Ok);
    assert_eq!(world.table("-4", 241)[0], "10.88.0.0/16 via 172.17.0.10 dev docker0 proto 110");
    let route = RouteKind::Local("10.88.0.0/16".parse().expect("a prefix"));
    let delete = Request::DelRoute { ifindex: eth1, family: Family::V4, route };
    assert_eq!(helper.ask(&delete), Reply::Ok);
    assert_eq!(helper.ask(&delete), Reply::Absent);
}

#[test]
fn refuses_what_is_no_local_network() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("route add 10.70.0.0/16 proto bird dev docker0
         route add unreachable 10.71.0.0/16
         route add 10.72.0.0/16 nexthop via 172.17.0.8 nexthop via 172.17.0.9
         nexthop add id 7 via 172.17.0.8 dev docker0
         route add 10.73.0.0/16 nhid 7
         route add 10.74.0.0/16 via 10.0.1.1 dev eth0
         route add 10.75.0.0/16 dev docker0 table 7
         route add 169.254.0.0/16 dev docker0
         route add 0.0.0.0/1 dev docker0 table 8
         route add 10.76.0.0/16 dev docker0 metric 9
         route add unreachable 10.76.0.0/16 metric 4
         route add 10.0.2.0/24 dev docker0 metric 1
         route add 10.77.0.0/16 dev lo
         link add vpn0 type veth peer name p9
         link set vpn0 up
         route add 10.78.0.0/16 dev vpn0
         -6 route add 2000::/3 dev vpn0");
    let eth1 = world.ifindex("eth1");
    let before = world.everything();
    let mut helper = world.helper(&policy(&["eth1"]));
    for (prefix, refusal) in [
        ("10.99.0.0/16", Refusal::NoSuchRoute),
        ("172.17.0.0/17", Refusal::NoSuchRoute),
        // In another table than main.
        ("10.75.0.0/16", Refusal::NoSuchRoute),
        ("10.70.0.0/16", Refusal::RouteNotCopyable),
        ("10.71.0.0/16", Refusal::RouteNotCopyable),
        ("10.72.0.0/16", Refusal::RouteNotCopyable),
        ("10.73.0.0/16", Refusal::RouteNotCopyable),
        // The way that counts is the unreachable one.
        ("10.76.0.0/16", Refusal::RouteNotCopyable),
        ("10.77.0.0/16", Refusal::RouteNotCopyable),
        ("169.254.0.0/16", Refusal::RouteNotCopyable),
        ("fe80::/64", Refusal::RouteNotCopyable),
        ("ff00::/8", Refusal::RouteNotCopyable),
        ("127.0.0.0/8", Refusal::RouteNotCopyable),
        ("0.0.0.0/0", Refusal::RouteNotCopyable),
        ("0.0.0.0/1", Refusal::RouteNotCopyable),
        ("::/0", Refusal::RouteNotCopyable),
        // Its own subnet, though by another interface.
        ("10.0.2.0/24", Refusal::RouteNotCopyable),
        ("10.0.1.0/24", Refusal::RouteByUplink),
        ("10.74.0.0/16", Refusal::RouteByUplink),
        // An uplink of the other family.
        ("10.78.0.0/16", Refusal::RouteByUplink),
    ] {
        assert_eq!(helper.ask(add_local(eth1, prefix)), Reply::Refused(refusal), "{prefix}");
    }
    assert_eq!(helper.end().status, 0);
    // What the policy lists is an uplink, also without a default route.
    let mut helper = world.helper(&policy(&["eth1", "docker0"]));
    assert_eq!(helper.ask(add_local(eth1, "172.17.0.0/16")), Reply::Refused(Refusal::RouteByUplink));
    assert_eq!(helper.end().status, 0);
    let mut helper = world.helper(&Policy { local_networks: false, ..policy(&["eth1"]) });
    assert_eq!(helper.ask(add_local(eth1, "172.17.0.0/16")), Reply::Refused(Refusal::RouteNotCopyable));
    assert_eq!(world.everything(), before);
}
