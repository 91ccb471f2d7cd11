//! How far a worker reaches: every value in every request. What is not on the short list of what
//! may be asked is refused, and what stands afterwards is of that list.

use super::values::{additions, deletions, granted, granted_lists, ifindex};
use super::{Target, legal};
use crate::ours::Ours;
use crate::random::Random;
use crate::view::View;
use crate::world::{World, address};
use protocol::{Family, Refusal, Reply, Request, RouteKind, Selector};
use std::collections::BTreeSet;

fn shuffled(mut requests: Vec<Request>, random: &mut Random) -> Vec<Request> {
    for last in (1..requests.len()).rev() {
        requests.swap(last, random.below(last + 1));
    }
    requests
}

#[test]
fn nothing_but_its_own_state_can_be_asked_for() {
    let Some(mut target) = Target::new() else { return };
    let Some(other) = World::new() else { return };
    other
        .ip("link add wan7 index 77 type veth peer name p7\nlink set wan7 up\naddr add 10.0.2.5/24 dev wan7");
    let mut random = Random::new(5);
    let (granted, lists) = (granted(), granted_lists());
    let possible: BTreeSet<&Ours> = granted.iter().map(|(_, object)| object).collect();
    let mut helper = target.helper();
    let additions = shuffled(additions(), &mut random);
    let mut met = 0;
    for (number, request) in additions.iter().enumerate() {
        let reply = helper.ask(request);
        if granted.iter().map(|(legal, _)| legal).chain(&lists).any(|legal| legal == request) {
            assert!(matches!(reply, Reply::Ok | Reply::Exists), "{request:?}: {reply:?}");
            met += 1;
        } else {
            assert!(matches!(reply, Reply::Refused(_)), "{request:?}: {reply:?}");
        }
        if number % 100 == 0 {
            let ours = target.ours(&format!("at {request:?} or less than 100 before"));
            assert!(ours.iter().all(|object| possible.contains(object)), "{ours:?}");
        }
    }
    assert_eq!(met, granted.len() + lists.len());
    let full = target.ours("all that can be asked for");
    // Of each family one of the gateways stands, all else at once.
    assert_eq!(full.len(), granted.len() - 1, "{full:?}");
    assert!(full.iter().all(|object| possible.contains(object)), "{full:?}");
    // Withdrawn: in any order, and nothing else goes.
    let mut left = full.len();
    for (number, request) in shuffled(deletions(), &mut random).iter().enumerate() {
        let reply = helper.ask(request);
        let wrong_family = matches!(request, Request::DelRoute { family, route, .. }
            if matches!(route, RouteKind::Subnet(p) | RouteKind::Local(p)
                if Family::of(p.address()) != *family));
        assert_eq!(matches!(reply, Reply::Refused(_)), wrong_family, "{request:?}: {reply:?}");
        assert!(matches!(reply, Reply::Ok | Reply::Absent | Reply::Refused(_)), "{request:?}: {reply:?}");
        if number % 100 == 0 || reply == Reply::Ok {
            let ours = target.ours(&format!("at {request:?} or less than 100 before"));
            assert!(ours.is_subset(&full) && ours.len() <= left, "{ours:?}");
            assert!(reply != Reply::Ok || ours.len() < left, "{request:?} deleted nothing");
            left = ours.len();
        }
    }
    assert_eq!(helper.end().status, 0);
    assert_eq!(target.ours("withdrawn").len(), 0);
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
        let wan9 = ifindex(49);
        for request in legal(wan9).into_iter().chain([
            Request::AddSubnet { ifindex: wan9, address: address("10.0.77.5") },
            Request::AddRule { ifindex: wan9, selector: Selector::From, address: address("10.0.77.5") },
            Request::AddRules { ifindex: wan9, addresses: address("10.0.77.5").into() },
        ]) {
            assert_eq!(helper.ask(&request), Reply::Refused(Refusal::Enslaved), "{kind} {request:?}");
        }
        assert_eq!(helper.end().status, 0);
        assert!(target.ours(kind).is_empty());
        target.world.ip("link del wan9\nlink del m9");
    }
    assert!(tried > 0, "not even a bridge");
}
