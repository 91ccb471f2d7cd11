//! Random sessions on a changing kernel: after each step the real helper on the real kernel and a
//! model of it, written from its description, agree on the answer and on what stands.
//!
//! `NETEVD_TEST_SEED=N` runs the session of a failure again; what is printed is its last steps as
//! requests and as lines of ip(8).

mod admin;
mod examples;
mod expected;
mod facts;
mod oracle;
mod requests;

use crate::netlink::Netlink;
use crate::random::Random;
use crate::view::View;
use crate::world::{Helper, World, address, policy};
use admin::Console;
use oracle::Memory;
use protocol::{Fallback, GatewayCheck, InterfaceName, Limits, Policy, Refusal, Request};
use std::collections::BTreeMap;

/// Of each of the four tests.
const STEPS: usize = 2_500;
/// How much of the way to a failure is shown.
const SHOWN: usize = 40;

struct Session {
    world: World,
    netlink: Netlink,
    console: Console,
    random: Random,
    policy: Policy,
    helper: Helper,
    memory: Memory,
    syncing: bool,
    view: View,
    history: Vec<String>,
    /// How often each kind of request got each kind of reply.
    tally: BTreeMap<String, usize>,
}

impl Session {
    fn new(seed: u64) -> Option<Self> {
        let world = World::new()?;
        let (mut netlink, mut console) = (world.netlink(), Console::new(&world));
        let mut random = Random::new(seed);
        world.ip(admin::SCENE);
        for _ in 0..100 {
            console.run(&world, &admin::happening(&mut random));
        }
        let policy = a_policy(&mut random);
        let helper = world.helper(&policy);
        let view = View::settled(&mut netlink);
        let history = vec![policy.to_string()];
        let (memory, syncing, tally) = (Memory::default(), false, BTreeMap::new());
        Some(Self { world, netlink, console, random, policy, helper, memory, syncing, view, history, tally })
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0 => self.restart(),
            1..=30 => self.happen(),
            _ => self.request(),
        }
    }

    /// Another worker, another helper, and perhaps another policy; what stands stays.
    fn restart(&mut self) {
        self.policy = a_policy(&mut self.random);
        self.history.push(format!("a new helper with\n{}", self.policy));
        let helper = self.world.helper(&self.policy);
        let end = std::mem::replace(&mut self.helper, helper).end();
        assert_eq!(end.status, 0, "{}", end.log);
        (self.memory, self.syncing) = (Memory::default(), false);
        let after = View::of(&mut self.netlink);
        assert!(after.foreign == self.view.foreign, "a new helper changes nothing");
        assert_eq!(after.ours(), self.view.ours(), "a new helper changes nothing");
        self.view = after;
    }

    fn happen(&mut self) {
        let commands = admin::happening(&mut self.random);
        // The helper counts what it makes. What others make by its number it sees at its start.
        if self.policy.limits.objects < 100 && commands.contains(" add ") && commands.contains("110") {
            return;
        }
        self.console.run(&self.world, &commands);
        let after = View::settled(&mut self.netlink);
        // The kernel takes routes of an interface that goes; the helper does nothing by itself.
        if !commands.contains("110") && !after.ours().is_subset(&self.view.ours()) {
            self.fail(&format!(
                "unasked: {:?}",
                after.ours().difference(&self.view.ours()).collect::<Vec<_>>()
            ));
        }
        self.history.push(commands);
        self.view = after;
    }

    fn request(&mut self) {
        let standing: Vec<_> = self.view.ours().into_iter().collect();
        let one = (!standing.is_empty()).then(|| &standing[self.random.below(standing.len())]);
        let withdrawn = one.and_then(|object| requests::withdrawal(object, self.policy.table_base));
        let request = match withdrawn {
            Some(request) if !self.syncing && self.random.below(16) == 0 => request,
            _ => requests::a_request(&mut self.random, self.syncing),
        };
        let expected = self.memory.expect(&self.policy, &self.view, &request);
        let reply = self.helper.ask(&request);
        self.history.push(format!("{request:?} -> {reply:?}"));
        let after = View::of(&mut self.netlink);
        if let Err(fault) = expected.agrees(reply, &self.view.ours(), &after.ours()) {
            self.fail(&fault);
        }
        if after.foreign != self.view.foreign {
            println!("{}", self.told());
            after.nothing_foreign_changed(&self.view, &format!("{request:?}"));
        }
        self.memory.learn(&request, &expected, reply);
        match request {
            Request::SyncBegin => self.syncing = true,
            Request::SyncEnd => self.syncing = false,
            _ => {}
        }
        *self.tally.entry(format!("{} {reply:?}", request.name())).or_default() += 1;
        self.view = after;
    }

    fn told(&self) -> String {
        let last = self.history.len().saturating_sub(SHOWN);
        self.history[last..].join("\n")
    }

    fn fail(&self, fault: &str) -> ! {
        panic!("after\n{}\n{fault}\nbefore it stood {:#?}", self.told(), self.view.ours());
    }
}

fn a_policy(random: &mut Random) -> Policy {
    let many = Limits { writes_per_second: 1_000_000, ..Limits::default() };
    let limits = [
        many,
        many,
        Limits { objects: 7, ..many },
        Limits { addresses: 1, local_networks: 1, ..many },
        Limits { addresses: 2, local_networks: 2, ..many },
    ];
    let name = InterfaceName::new("eth1").expect("a name");
    Policy {
        fallback: random.of(&[Fallback::Main, Fallback::Unreachable]),
        gateway_check: random.of(&[GatewayCheck::Known, GatewayCheck::OnLink]),
        local_networks: random.below(8) > 0,
        gateways: if random.below(2) == 0 {
            BTreeMap::from([(name, vec![address("10.0.2.8"), address("fe80::8")])])
        } else {
            BTreeMap::new()
        },
        limits: random.of(&limits),
        ..policy(&["eth*", "!eth0"])
    }
}

fn sessions(seed: u64) {
    let Some(mut session) = Session::new(seed) else { return };
    for _ in 0..STEPS {
        session.step();
    }
    println!("{:#?}", session.tally);
    // Each kind of addition and deletion was done many times, and most reasons spoke.
    for name in
        ["AddRule", "AddRules", "AddSubnet", "AddLocal", "SetDefault", "DelRule", "DelRoute", "SyncEnd"]
    {
        let done = session.tally.get(&format!("{name} Ok")).copied().unwrap_or_default();
        assert!(done >= 10, "{name} was done {done} times");
    }
    let reasons = Refusal::ALL
        .iter()
        .filter(|refusal| session.tally.keys().any(|key| key.ends_with(&format!("Refused({refusal:?})"))));
    assert!(reasons.count() >= 14);
}

#[test]
fn the_helper_does_what_its_model_does_1() {
    sessions(1);
}

#[test]
fn the_helper_does_what_its_model_does_2() {
    sessions(2);
}

#[test]
fn the_helper_does_what_its_model_does_3() {
    sessions(3);
}

#[test]
fn the_helper_does_what_its_model_does_4() {
    sessions(4);
}
