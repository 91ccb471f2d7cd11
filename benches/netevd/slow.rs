//! From an event of one link to its script, while a script of another link sleeps for five seconds:
//! netevd many times within that time, the others once, since once takes them five seconds.

use crate::compiled::with_probe;
use crate::events::{Poke, times};
use crate::figures::Figures;
use crate::goal::Goal;
use crate::network1::{FIRST, SECOND, write_state};
use crate::networkmanager::{LINKS, Word};
use crate::report::{Report, Row};
use crate::support::{Host, wait_for};
use crate::{nm_signals, signals};

/// In a row, well within the time of the slow script.
const POKES: usize = 100;
/// Where a slow script says that it runs.
const STARTED: &str = "/out/slow";

pub(crate) fn run(report: &mut Report) {
    let figures = Figures::new(netevd());
    let row = Row::new("behind_a_slow_script", "another link behind a 5 s script: netevd", "us", figures);
    report.row(row.goal(Goal::Most(10_000.0)));
    let peers = [
        ("networkd_dispatcher", "networkd-dispatcher", networkd_dispatcher()),
        ("nm_dispatcher", "nm-dispatcher", nm_dispatcher()),
    ];
    for (key, name, time) in peers {
        let key = format!("behind_a_slow_script_{key}");
        let what = format!("another link behind a 5 s script: {name}");
        match time {
            Some(time) => report.row(Row::new(&key, &what, "us", Figures::new(vec![time]))),
            None => report.missing(
                &key,
                &what,
                &format!("{name} is not installed, or there is no bus without root"),
            ),
        }
    }
}

fn netevd() -> Vec<i64> {
    let host = crate::machine("bench: slow script");
    with_probe(&host);
    slow(&host, "/etc/netevd/mtu.d", "LINK", "eth0");
    let _daemon = host.start_daemon();
    host.ip("link set eth0 mtu 1400");
    await_slow(&host);
    let mut poke = Poke::start(&host, "eth1");
    for _ in 0..POKES {
        poke.once();
    }
    times(&host, poke.finish())
}

fn networkd_dispatcher() -> Option<i64> {
    let scene = signals::dispatcher("bench: networkd-dispatcher and a slow script")?;
    let directory = "/etc/networkd-dispatcher/routable.d";
    slow(&scene.host, directory, "IFACE", FIRST.name);
    scene.with_probe(&[directory]);
    let _listener = scene.listener(&format!("{} --verbose", signals::DISPATCHER), "Startup complete");
    write_state(&scene.host, FIRST, "routable");
    scene.fake.say((FIRST, "routable"));
    await_slow(&scene.host);
    write_state(&scene.host, SECOND, "routable");
    let asked = scene.fake.say((SECOND, "routable"));
    Some(second_script(&scene.host) - asked)
}

fn nm_dispatcher() -> Option<i64> {
    let scene = nm_signals::machine("bench: nm-dispatcher and a slow script")?;
    slow(&scene.host, nm_signals::SCRIPTS, "DEVICE_IFACE", LINKS[0]);
    scene.with_probe(&[nm_signals::SCRIPTS]);
    let _listener = nm_signals::dispatcher(&scene);
    let up = |link| scene.fake.say(Word::Action { link, action: "up" });
    up(LINKS[0]);
    await_slow(&scene.host);
    let asked = up(LINKS[1]);
    Some(second_script(&scene.host) - asked)
}

/// A script that sleeps where this variable names this link.
fn slow(host: &Host, directory: &str, variable: &str, link: &str) {
    host.write(STARTED, "", 0o666);
    let text =
        format!("#!/bin/sh\n[ \"${variable}\" = {link} ] || exit 0\necho started >{STARTED}\nexec sleep 5\n");
    host.write(&format!("{directory}/10-slow"), &text, 0o755);
}

fn await_slow(host: &Host) {
    wait_for("the slow script runs", || host.log(), || !host.read(STARTED).is_empty());
}

/// When the probe began for the second time: the first is the slow link's own.
fn second_script(host: &Host) -> i64 {
    let started = || -> Vec<i64> { host.read("/out/probe").lines().filter_map(|l| l.parse().ok()).collect() };
    wait_for("both links' scripts ran", || format!("{:?}", started()), || started().len() == 2);
    started()[1]
}
