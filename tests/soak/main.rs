//! `make soak`: hours of everything at once, on one machine, by the real programs. From a seed, so that what
//! fails can be had again: `make soak SOAK_SECONDS=3600 SOAK_SEED=7`.
//!
//! Links, addresses, gateways and rules change; scripts hang, fork and print; clients come, stall and vanish;
//! configurations are read, good and faulty; the audit log's disk is full; worker and helper are killed; bus
//! and manager are restarted. After each few actions there is a quiet point, at which everything has to be
//! exact (`rest.rs`), and over a worker's life its memory has to be flat (`trend.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends so when it fails")]

mod action;
mod clients;
mod machine;
#[path = "../it/oracle/mod.rs"]
mod oracle;
mod random;
mod rest;
#[path = "../support/mod.rs"]
mod support;
mod trend;

use action::Action;
use clients::Clients;
use machine::Machine;
use random::Random;
use rest::Rest;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use trend::{Growth, Trend};

/// Actions between two quiet points.
const ACTIONS: u32 = 20;
/// Between two lines that say how far it is.
const SAID: Duration = Duration::from_secs(60);
/// Actions that are told when something fails.
const TOLD: usize = 60;

/// What has been done.
#[derive(Default)]
struct Course {
    actions: u64,
    rests: u64,
    last: VecDeque<String>,
    lives: Vec<Growth>,
}

fn main() -> ExitCode {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")),
        _ => default,
    };
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let (seconds, seed) = (number("SOAK_SECONDS", 3_600), number("SOAK_SEED", now));
    println!("soak: {seconds} s, seed {seed}");
    let Some((host, managers)) = machine::make() else { return ExitCode::SUCCESS };
    let mut course = Course::default();
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let run = catch_unwind(AssertUnwindSafe(|| {
        let mut machine = Machine::new(&host, managers);
        go_on(&mut machine, &mut Random::new(seed), until, &mut course);
        machine.starts
    }));
    let Course { actions, rests, last, lives } = course;
    let took = began.elapsed().as_secs();
    let Ok(starts) = run else {
        eprintln!(
            "soak: FAILED with seed {seed} at action {actions}, after {rests} quiet points and {took} s"
        );
        eprintln!("soak: the same again: make soak SOAK_SEED={seed} SOAK_SECONDS={}", took + 600);
        last.iter().for_each(|action| eprintln!("  {action}"));
        return ExitCode::FAILURE;
    };
    println!(
        "soak: seed {seed}: {took} s, {actions} actions, {rests} quiet points, {starts} starts of the daemon"
    );
    println!("soak: KiB, written and anonymous, early and late in each life of a worker:");
    for Growth { points, worker, helper, .. } in &lives {
        println!("  {points} quiet points: worker {worker:?} helper {helper:?}");
    }
    ExitCode::SUCCESS
}

fn go_on(machine: &mut Machine<'_>, random: &mut Random, until: Instant, course: &mut Course) {
    let mut rest = Rest::of(machine);
    machine.start();
    let (mut clients, mut trend) = (Clients::default(), Trend::default());
    rest.hold(machine);
    let mut said = Instant::now();
    while Instant::now() < until {
        for _ in 0..ACTIONS {
            let action = action::draw(random, course.actions, machine.managers);
            course.actions += 1;
            if course.last.len() == TOLD {
                course.last.pop_front();
            }
            course.last.push_back(format!("{} {action}", course.actions));
            perform(machine, &mut rest, &mut clients, &action);
            clients.read();
        }
        course.last.push_back("rest".to_owned());
        machine.calm();
        clients.go();
        let figures = rest.hold(machine);
        course.rests += 1;
        if said.elapsed() >= SAID {
            said = Instant::now();
            let [worker, helper] = &figures.memory;
            println!(
                "soak: {} actions, {} quiet points; worker {} KiB ({} written), helper {} KiB ({} written)",
                course.actions, course.rests, worker.anonymous, worker.dirty, helper.anonymous, helper.dirty
            );
        }
        if let Some(growth) = trend.take(figures) {
            growth.is_flat();
            course.lives.push(growth);
        }
    }
    if let Some(growth) = trend.growth() {
        growth.is_flat();
        course.lives.push(growth);
    }
}

fn perform(machine: &mut Machine<'_>, rest: &mut Rest, clients: &mut Clients, action: &Action) {
    let host = machine.host;
    let flood = |count: u32| {
        // eth0 may be down, and then no route leads by it.
        let words = format!("/opt/netevd/netevd-test-agent routes eth0 10.0.0.0 {count} storm");
        host.run(&["sh", "-c", &format!("ip link set eth0 up; {words} || true")]);
    };
    match action {
        Action::Ip(lines) => host.ip_batch(&format!("{lines}\n"), true),
        Action::ForeignRule { add, rule: (priority, network) } => {
            let verb = if *add { "add" } else { "del" };
            host.ip_batch(
                &format!("rule {verb} priority {priority} from 10.77.{network}.0/24 lookup main\n"),
                true,
            );
            if *add {
                rest.rules.insert((*priority, *network))
            } else {
                rest.rules.remove(&(*priority, *network))
            };
        }
        Action::Flood(count) => flood(*count),
        Action::Overrun => machine.while_stopped(|| flood(30_000)),
        Action::Wipe => {
            host.ip_batch(
                "rule flush protocol 110\n-6 rule flush protocol 110\nroute flush table all protocol 110\n",
                true,
            );
        }
        Action::Reload { managed, variant, by_api } => {
            machine.configure(managed, *variant);
            machine.reload(*by_api);
        }
        Action::BadReload { variant, by_api } => {
            machine.spoil(*variant);
            machine.reload(*by_api);
            machine.fix();
        }
        Action::Rotate => machine.rotate(),
        Action::FillDisk => machine.fill_disk(),
        Action::Scripts(flag) => host.write(&format!("/out/flag/{flag}"), "", 0o644),
        Action::Client(client) => clients.come(host, *client),
        Action::Kill(program) => machine.kill(program),
        Action::Restart => machine.restart(),
        Action::Manager(name) => {
            host.manager(name).restart();
            if *name == "dbus" {
                // It does not come back to a new bus by itself.
                host.manager("networkd").restart();
            }
        }
    }
}
