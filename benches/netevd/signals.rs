//! From a signal of networkd to the first instruction of a script: the floor on D-Bus, netevd with
//! the state file there before the signal and without, and networkd-dispatcher where it is
//! installed; one sample in each of the machines after the other, so that a slow second hits all.
//! Then what netevd's worker needs on a bus: memory, and how often it wakes up.

use crate::events::{copy_compiled, times};
use crate::network1::{LINK, Network1, write_state};
use crate::support::{Daemon, Host, wait_for};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const SAMPLES: usize = 300;
/// Not counted: caches and page tables are cold.
const WARM_UP: usize = 20;
/// The slow ones are sampled once in so many rounds.
const SELDOM: usize = 3;
/// After a script's first instruction, for it to end and its daemon to come to rest.
const PAUSE: Duration = Duration::from_millis(6);
/// After the last signal, for what is saved or looked at a while later.
const SETTLE: Duration = Duration::from_secs(5);
/// The two states that are signalled in turn, and their directories.
const WORDS: [&str; 2] = ["routable", "degraded"];
const DISPATCHER: &str = "/usr/bin/networkd-dispatcher";

/// What was measured, in nanoseconds each sample.
pub(crate) struct Times {
    pub(crate) floor: Vec<i64>,
    pub(crate) netevd: Vec<i64>,
    /// The state file does not follow: the report waits as long as it may.
    pub(crate) held: Vec<i64>,
    /// Empty where it is not installed.
    pub(crate) dispatcher: Vec<i64>,
    pub(crate) worker: AtRest,
}

/// netevd's worker after all those signals.
pub(crate) struct AtRest {
    pub(crate) signals: usize,
    /// The text of /proc/PID/status.
    pub(crate) status: String,
    /// Voluntary context switches in the time of rest.
    pub(crate) wakeups: u64,
    pub(crate) seconds: u64,
}

/// A machine with a networkd that obeys; somebody will listen to it.
struct Scene {
    // It leaves before its bus ends.
    networkd: Network1,
    host: Host,
}

impl Scene {
    fn new(name: &str) -> Option<Scene> {
        let host = Host::with_managers(name, &[])?;
        let networkd = Network1::start(&host);
        host.write("/out/probe", "", 0o666);
        Some(Scene { host, networkd })
    }

    /// Puts the probe where each of the two states runs it.
    fn with_probe(&self, directory: &str) {
        for word in WORDS {
            copy_compiled(&self.host, "probe", &format!("{directory}/{word}.d/10-probe"));
        }
    }

    fn netevd(&self) -> Daemon<'_> {
        self.with_probe("/etc/netevd");
        self.host.config(&format!(
            "system: {{ backend: systemd-networkd, startup_events: false }}\n\
             monitoring: {{ interfaces: [{LINK}] }}\n"
        ));
        let daemon = self.host.start_daemon();
        self.networkd.await_listener(&self.host);
        daemon
    }

    /// A listener that says on its standard output or error when it listens.
    fn listener(&self, command: &str, ready: &str) -> Listener {
        let mut command = self.host.command(&["sh", "-c", &format!("exec {command} 2>&1")]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("nsenter starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains(ready) {
            line.clear();
            assert!(lines.read_line(&mut line).expect("readable") > 0, "it ended before it listened");
        }
        // What it says later is nobody's; without a reader it would end.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Listener(child)
    }
}

/// Ends with this value.
struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Signals in a scene, and when each was sent.
struct Series<'s> {
    scene: &'s Scene,
    writes: bool,
    asked: Vec<i64>,
}

impl<'s> Series<'s> {
    fn new(scene: &'s Scene, writes: bool) -> Series<'s> {
        Series { scene, writes, asked: Vec::new() }
    }

    /// One signal, and its script.
    fn once(&mut self) {
        let Scene { host, networkd } = self.scene;
        let word = WORDS[self.asked.len() % WORDS.len()];
        if self.writes {
            write_state(host, word);
        }
        self.asked.push(networkd.signal(word));
        let lines = || host.read("/out/probe").lines().count();
        wait_for("the script ran", || host.log(), || lines() >= self.asked.len());
        std::thread::sleep(PAUSE);
    }

    fn finish(self) -> Vec<i64> {
        let mut all = times(&self.scene.host, self.asked);
        all.split_off(WARM_UP)
    }
}

/// `None` where no such machine is to be had, which has been said.
pub(crate) fn measure() -> Option<Times> {
    let bare = Scene::new("bench: floor on D-Bus")?;
    let plain = Scene::new("bench: signals")?;
    let held = Scene::new("bench: signals without a state file")?;
    bare.with_probe("/srv");
    copy_compiled(&bare.host, "dbus_floor", "/srv/dbus_floor");
    let _floor = bare.listener("/srv/dbus_floor /srv/routable.d/10-probe", "ready");
    let plain_daemon = plain.netevd();
    let _held_daemon = held.netevd();
    let other = if Path::new(DISPATCHER).exists() { Scene::new("bench: networkd-dispatcher") } else { None };
    let _dispatcher = other.as_ref().map(|other| {
        other.with_probe("/etc/networkd-dispatcher");
        other.listener(&format!("{DISPATCHER} --verbose"), "Startup complete")
    });

    let mut often = [Series::new(&bare, true), Series::new(&plain, true)];
    let mut seldom = vec![Series::new(&held, false)];
    seldom.extend(other.as_ref().map(|other| Series::new(other, true)));
    for round in 0..WARM_UP + SAMPLES {
        often.iter_mut().for_each(Series::once);
        if round % SELDOM == 0 || round < WARM_UP {
            seldom.iter_mut().for_each(Series::once);
        }
    }
    let signals = often[1].asked.len();
    let [floor, netevd] = often.map(Series::finish);
    let mut seldom = seldom.into_iter().map(Series::finish);
    Some(Times {
        floor,
        netevd,
        held: seldom.next().unwrap_or_default(),
        dispatcher: seldom.next().unwrap_or_default(),
        worker: at_rest(&plain, &plain_daemon, signals),
    })
}

fn at_rest(scene: &Scene, daemon: &Daemon<'_>, signals: usize) -> AtRest {
    let asked = std::env::var("NETEVD_BENCH_REST").ok();
    let seconds = asked.map_or(30, |text| text.parse().expect("NETEVD_BENCH_REST is a number of seconds"));
    let pid = daemon.child("netevd-worker").expect("it runs");
    let status = || scene.host.read(&format!("/proc/{pid}/status"));
    std::thread::sleep(SETTLE);
    let before = status();
    std::thread::sleep(Duration::from_secs(seconds));
    let switches = |status: &str| crate::field(status, "voluntary_ctxt_switches");
    AtRest { signals, wakeups: switches(&status()) - switches(&before), seconds, status: before }
}
