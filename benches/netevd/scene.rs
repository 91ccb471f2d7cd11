//! A machine with a service that says what it is told to, and somebody who listens to it; and samples
//! of it, one at a time.

use crate::bus::Fake;
use crate::compiled::copy_compiled;
use crate::events::times;
use crate::support::{Daemon, Host, wait_for};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

/// Not counted: caches and page tables are cold.
pub(crate) const WARM_UP: usize = 20;
/// After each, for its script to begin and end and its daemon to come to rest.
const PAUSE: Duration = Duration::from_millis(8);

/// A machine with a bus and the fake on it.
pub(crate) struct Scene<W> {
    // It leaves before its bus ends.
    pub(crate) fake: Fake<W>,
    pub(crate) host: Host,
}

impl<W: Send + 'static> Scene<W> {
    /// `None` where no such machine is to be had, which has been said.
    pub(crate) fn new(name: &str, start: impl FnOnce(&Host) -> Fake<W>) -> Option<Scene<W>> {
        let host = Host::with_managers(name, &[])?;
        let fake = start(&host);
        host.write("/out/probe", "", 0o666);
        Some(Scene { fake, host })
    }

    /// Puts the probe into each of these directories.
    pub(crate) fn with_probe(&self, directories: &[&str]) {
        for directory in directories {
            copy_compiled(&self.host, "probe", &format!("{directory}/20-probe"));
        }
    }

    /// netevd with this configuration, when it has heard of all that there is.
    pub(crate) fn netevd(&self, config: &str) -> Daemon<'_> {
        self.host.config(config);
        let daemon = self.host.start_daemon();
        self.fake.await_listener(&self.host);
        daemon
    }

    /// A listener that says on its standard output or error when it listens.
    pub(crate) fn listener(&self, command: &str, ready: &str) -> Listener {
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

    /// The floor on this bus: it spawns the probe at each signal that fits the rule.
    pub(crate) fn floor(&self, rule: &str) -> Listener {
        self.with_probe(&["/srv"]);
        copy_compiled(&self.host, "dbus_floor", "/srv/dbus_floor");
        self.listener(&format!("/srv/dbus_floor /srv/20-probe \"{rule}\""), "ready")
    }
}

/// Ends with this value.
pub(crate) struct Listener(pub(crate) Child);

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says something, of a number, and when that was.
type Say<'s, W> = dyn Fn(&Scene<W>, usize) -> i64 + 's;

/// Samples of a scene, and when each was asked for.
pub(crate) struct Series<'s, W> {
    scene: &'s Scene<W>,
    /// Says the next thing, by its number.
    say: Box<Say<'s, W>>,
    asked: Vec<i64>,
}

impl<'s, W: Send + 'static> Series<'s, W> {
    pub(crate) fn new(scene: &'s Scene<W>, say: impl Fn(&Scene<W>, usize) -> i64 + 's) -> Series<'s, W> {
        Series { scene, say: Box::new(say), asked: Vec::new() }
    }

    /// One thing said, and its script.
    pub(crate) fn once(&mut self) {
        let host = &self.scene.host;
        self.asked.push((self.say)(self.scene, self.asked.len()));
        // The pause comes first: a look before the script began would be in its way.
        std::thread::sleep(PAUSE);
        let lines = || host.read("/out/probe").lines().count();
        wait_for("the script ran", || host.log(), || lines() >= self.asked.len());
    }

    /// Nanoseconds of each, without those for warming up.
    pub(crate) fn finish(self) -> Vec<i64> {
        times(&self.scene.host, self.asked).split_off(WARM_UP)
    }
}
