//! From a kernel event to the first instruction of a script, netevd and the floor in turn: two
//! machines, one sample in each after the other, so that a slow second hits both.

use crate::support::{Host, wait_for};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const SAMPLES: usize = 600;
/// Not counted: caches and page tables are cold.
const WARM_UP: usize = 20;
/// After each sample, for the script to end: no sample is to meet the one before.
const PAUSE: Duration = Duration::from_millis(8);

/// The agent's `poke` in a machine.
struct Poke {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    asked: Vec<i64>,
}

impl Poke {
    fn start(host: &Host) -> Poke {
        let mut command = host.command(&["/opt/netevd/netevd-test-agent", "poke", "eth1"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Poke { child, stdin, stdout, asked: Vec::new() }
    }

    fn once(&mut self) {
        self.stdin.write_all(b"\n").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        self.asked.push(line.trim().parse().expect("a time"));
        std::thread::sleep(PAUSE);
    }

    fn finish(mut self) -> Vec<i64> {
        drop(self.stdin);
        self.child.wait().unwrap();
        self.asked
    }
}

/// Nanoseconds of the floor, and of netevd.
pub(crate) fn measure() -> (Vec<i64>, Vec<i64>) {
    let (probe, floor) = (compiled("probe"), compiled("floor"));
    let bare = crate::machine("bench: floor");
    let full = crate::machine("bench: events");
    for host in [&bare, &full] {
        host.write("/out/probe", "", 0o666);
        // A directory of its own: /out is for all to write.
        host.write("/srv/bench/README", "", 0o644);
    }
    for (program, name) in [(&probe, "probe"), (&floor, "floor")] {
        std::fs::copy(program, bare.path(&format!("/srv/bench/{name}"))).unwrap();
    }
    host_script(&full, &probe);

    let mut listener = bare.command(&["/srv/bench/floor", "/srv/bench/probe"]);
    let mut listener = listener.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(listener.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    full.config("system: { backend: kernel, startup_events: false }\nrouting: { policy_rules: [eth1] }\n");
    let _daemon = full.start_daemon();

    let (mut poke_bare, mut poke_full) = (Poke::start(&bare), Poke::start(&full));
    for _ in 0..WARM_UP + SAMPLES {
        poke_bare.once();
        poke_full.once();
    }
    let result = (times(&bare, poke_bare.finish()), times(&full, poke_full.finish()));
    let _ = listener.kill();
    let _ = listener.wait();
    result
}

fn host_script(host: &Host, probe: &Path) {
    host.script("address-added", "10-probe", "");
    std::fs::copy(probe, host.path("/etc/netevd/address-added.d/10-probe")).unwrap();
}

/// The time from each question to the script that it started.
fn times(host: &Host, asked: Vec<i64>) -> Vec<i64> {
    let started = || -> Vec<i64> { host.read("/out/probe").lines().filter_map(|l| l.parse().ok()).collect() };
    wait_for("every script ran", || host.log(), || started().len() >= asked.len());
    let started = started();
    assert_eq!(started.len(), asked.len(), "one script for each event");
    asked.iter().zip(started).skip(WARM_UP).map(|(asked, started)| started - asked).collect()
}

/// Compiles `benches/NAME.c`, static, and returns the program.
fn compiled(name: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = manifest.join("target/bench");
    std::fs::create_dir_all(&directory).unwrap();
    let program = directory.join(name);
    let source = manifest.join(format!("benches/{name}.c"));
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-Wall", "-Werror", "-static", "-o"]).arg(&program).arg(source);
    assert!(compiler.status().expect("cc is installed").success(), "{name}.c compiles");
    program
}
