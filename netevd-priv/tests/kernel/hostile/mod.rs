//! A worker that belongs to an attacker: everything that it can put on the channel.
//!
//! What is proved here is one sentence: it can withdraw netevd's own routing state, flap it within
//! a rate limit, or choose among gateways that the kernel already knows on an allowed interface,
//! and nothing else, now or later (see later.rs). After whatever it did everything foreign is byte for byte
//! as it was.

mod channel;
mod flood;
mod frames;
mod reach;
mod states;

use crate::netlink::Netlink;
use crate::ours::Ours;
use crate::view::View;
use crate::world::{Helper, World, add_rules, copy, del_routes, del_rules, follow, policy, via};
use protocol::{Ifindex, Policy, Reply, Request, VERSION};
use std::collections::BTreeSet;

/// eth1 is the one interface that the policy lists and that may be served; wan* are listed as
/// well, each with something that forbids it. No interface gives itself IPv6 addresses, so that
/// nothing but what is done here changes.
const SCENE: &str = "
    link add eth0 index 40 type veth peer name p0 index 140
    link add eth1 index 41 type veth peer name p1 index 141
    link add docker0 index 42 type veth peer name p2 index 142
    link add wan3 index 43 type veth peer name p3 index 143
    link add wan4 index 44 type veth peer name p4 index 144
    link add br0 index 50 type bridge
    link set eth0 addrgenmode none
    link set p0 addrgenmode none
    link set eth1 addrgenmode none
    link set p1 addrgenmode none
    link set docker0 addrgenmode none
    link set p2 addrgenmode none
    link set wan3 addrgenmode none
    link set p3 addrgenmode none
    link set wan4 addrgenmode none
    link set p4 addrgenmode none
    link set br0 addrgenmode none
    link set wan3 master br0
    link set p0 up
    link set p1 up
    link set p2 up
    link set p3 up
    link set eth0 up
    link set eth1 up
    link set docker0 up
    link set wan3 up
    link set br0 up
    link set wan4 up
    addr add 10.0.1.5/24 dev eth0
    addr add 10.0.2.5/24 dev eth1
    addr add 10.0.6.77/24 dev eth1 scope link
    addr add 169.254.7.7/16 dev eth1
    addr add 10.0.3.5/24 dev wan3
    addr add 10.0.5.5/24 dev br0
    addr add 10.0.9.9/32 dev lo
    addr add 172.17.0.1/16 dev docker0
    addr add 2001:db8:1::5/64 dev eth0 nodad
    addr add 2001:db8:2::5/64 dev eth1 nodad
    addr add fe80::41/64 dev eth1 nodad
    addr add 2001:db8:4::5/64 dev wan4
    addr add 2001:db8:17::1/64 dev docker0 nodad
    route add default via 10.0.1.1 dev eth0
    route add default via 10.0.2.1 dev eth1 metric 200
    route add 10.66.0.0/16 via 10.0.2.2 dev eth1
    route add 10.67.0.0/16 via 10.0.1.9 dev eth0
    route add 10.68.0.0/16 via 10.0.1.1 dev eth0 table 240
    route add 10.88.0.0/16 via 172.17.0.9 dev docker0
    -6 route add default via fe80::1 dev eth1 metric 200
    -6 route add default via 2001:db8:1::1 dev eth0 metric 300
    rule add fwmark 7 lookup 240 priority 100
    rule add from 10.0.1.5 lookup 240 priority 32001
    rule add from 10.0.1.5 lookup 240 priority 31000 protocol static
    -6 rule add from 2001:db8:1::5 lookup 240 priority 32001
    neigh add 10.0.1.1 lladdr 02:00:00:00:00:01 nud permanent dev eth0
    nexthop add id 9 via 10.0.1.1 dev eth0
";

/// A host with the scene, and what stood there before anything was asked.
struct Target {
    world: World,
    netlink: Netlink,
    eth1: Ifindex,
    before: View,
}

impl Target {
    fn new() -> Option<Self> {
        let world = World::new()?;
        world.ip(SCENE);
        let mut netlink = world.netlink();
        let before = View::settled(&mut netlink);
        let eth1 = Ifindex::try_from(41).expect("valid");
        Some(Self { world, netlink, eth1, before })
    }

    fn policy() -> Policy {
        policy(&["eth1", "wan*", "lo"])
    }

    /// Greeted.
    fn helper(&self) -> Helper {
        self.world.helper(&Self::policy())
    }

    /// Not greeted.
    fn stranger(&self) -> Helper {
        self.world.stranger(&Self::policy().to_string())
    }

    fn view(&mut self) -> View {
        View::of(&mut self.netlink)
    }

    /// Nothing foreign has changed; returns what is ours.
    fn ours(&mut self, context: &str) -> BTreeSet<Ours> {
        let after = self.view();
        after.nothing_foreign_changed(&self.before, context);
        after.ours()
    }

    /// Puts a working state into the kernel, as an honest worker would have.
    fn serve(&mut self) -> BTreeSet<Ours> {
        let mut helper = self.helper();
        for request in legal(self.eth1) {
            let reply = helper.ask(&request);
            assert!(matches!(reply, Reply::Ok | Reply::Exists), "{request:?}: {reply:?}");
        }
        assert_eq!(helper.end().status, 0);
        let ours = self.ours("an honest worker");
        assert_eq!(ours.len(), 9, "{ours:?}");
        ours
    }

    /// The helper has ended itself with status 2 and one line that holds `words`; what is ours
    /// stands as before, and so does everything else.
    fn ended(&mut self, helper: Helper, words: &str, ours: &BTreeSet<Ours>) {
        let end = helper.wait();
        assert_eq!(end.status, 2, "{words}: {}", end.log);
        assert_eq!(end.log.lines().count(), 1, "{}", end.log);
        assert!(end.log.contains(words), "{words} in {}", end.log);
        assert_eq!(self.ours(words), *ours, "{words}");
    }
}

/// What an honest worker asks for.
fn legal(eth1: Ifindex) -> Vec<Request> {
    vec![
        copy(eth1, &["10.0.2.0/24", "172.17.0.0/16"]),
        via(eth1, "10.0.2.1"),
        via(eth1, "fe80::1"),
        follow(eth1, &["10.67.0.0/16"]),
        add_rules(eth1, &["10.0.2.5"]),
        add_rules(eth1, &["2001:db8:2::5"]),
    ]
}

/// Asks for nothing: a sign of life.
fn nothing(eth1: Ifindex) -> Request {
    del_rules(eth1, &["9.9.9.9"])
}

/// One request of each kind, in the order of the protocol's list, all of them harmless.
fn each_kind(eth1: Ifindex) -> [Request; 9] {
    [
        Request::Hello { version: VERSION },
        add_rules(eth1, &["10.0.2.5"]),
        nothing(eth1),
        via(eth1, "10.0.2.1"),
        copy(eth1, &["172.17.0.0/16"]),
        follow(eth1, &["10.67.0.0/16"]),
        del_routes(eth1, &["9.9.9.0/24"]),
        Request::SyncBegin,
        Request::SyncEnd,
    ]
}
