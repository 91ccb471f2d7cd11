//! Clients that behave badly, and very many idle ones: memory is bounded, the others are served.

use super::{CONFIG, TCP, await_document, machine};
use crate::support::{Host, SOCKET, request, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// Connections that are held until this value ends.
struct Held {
    agent: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// How many there were, and how many could not be had.
    count: (u64, u64),
}

impl Held {
    fn new(host: &Host, count: usize, kind: &str, path: &str) -> Held {
        Held::of(host, &[], count, kind, path)
    }

    /// By a process that these words start.
    fn of(host: &Host, before: &[&str], count: usize, kind: &str, path: &str) -> Held {
        Held::by(host, before, &format!("unix:{SOCKET}"), count, kind, path)
    }

    /// At another place than the unix socket.
    fn at(host: &Host, endpoint: &str, count: usize, kind: &str, path: &str) -> Held {
        Held::by(host, &[], endpoint, count, kind, path)
    }

    fn by(host: &Host, before: &[&str], endpoint: &str, count: usize, kind: &str, path: &str) -> Held {
        let count = count.to_string();
        let agent = ["/opt/netevd/netevd-test-agent", "hold", endpoint, &count, kind, path];
        let words = [before, &agent].concat();
        let mut agent = host
            .command(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter (util-linux) is installed");
        let stdin = agent.stdin.take().expect("piped");
        let stdout = BufReader::new(agent.stdout.take().expect("piped"));
        let mut held = Held { agent, stdin, stdout, count: (0, 0) };
        let made = held.line();
        held.count = (made["held"].as_u64().expect("a number"), made["refused"].as_u64().expect("a number"));
        held
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the agent speaks UTF-8");
        serde_json::from_str(&line).expect("the agent goes on")
    }

    /// How many the daemon has not closed.
    fn open(&mut self) -> u64 {
        self.stdin.write_all(b"?\n").expect("the agent reads");
        self.line()["open"].as_u64().expect("a number")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Its connections end with it.
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

/// What the worker has of its own, in KiB: the pages of its program come and go.
fn memory(host: &Host, worker: u32) -> u64 {
    let memory = host.footprint(worker).anonymous;
    assert_ne!(memory, 0, "it lives");
    memory
}

fn descriptors(host: &Host, worker: u32) -> usize {
    host.sh(&format!("ls /proc/{worker}/fd")).lines().count()
}

#[test]
fn api_500_idle_streams_cost_little_and_disturb_nobody() {
    let Some(host) = machine("api_500_idle_streams_cost_little_and_disturb_nobody", CONFIG) else { return };
    host.recorder("mtu", "10-note", "");
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker").expect("the worker runs");
    host.api("/api/v1/status");
    let before = (memory(&host, worker), descriptors(&host, worker));
    let mut streams = Held::new(&host, 500, "stream", "/api/v1/events/stream");
    assert_eq!(streams.count, (500, 0), "{}", host.log());
    let with = memory(&host, worker);
    // Each is told of this; others are answered, scripts run.
    host.ip("link set eth0 mtu 1400");
    host.await_run("mtu", "eth0");
    host.api("/api/v1/status");
    assert_eq!(streams.open(), 500);
    // Others do not get all that are left: root's tools always get in.
    if host.has_users() {
        let other = ["setpriv", "--reuid=970", "--regid=970", "--clear-groups", "--"];
        let more = Held::of(&host, &other, 100, "stream", "/api/v1/events/stream");
        assert!(more.count.0 > 0 && more.count.1 > 0, "{:?}", more.count);
        assert_eq!(host.api("/health")["status"], "healthy");
    }
    let most = memory(&host, worker);
    drop(streams);
    wait_for("their descriptors are gone", || host.log(), || descriptors(&host, worker) <= before.1 + 1);
    host.api("/api/v1/status");
    let after = memory(&host, worker);
    println!(
        "worker: {} KiB, with 500 streams {with}, after a change of an event {most}, then {after}",
        before.0
    );
    // A stream is a task, two buffers and a socket; of an event there is one copy for all.
    assert!(most < before.0 + 500 * 48, "{before:?} {with} {most}");
    drop(daemon);
}

#[test]
fn api_silent_and_slow_clients_are_sent_away() {
    let Some(host) = machine("api_silent_and_slow_clients_are_sent_away", CONFIG) else { return };
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker").expect("the worker runs");
    let mut drip = Held::new(&host, 100, "drip", "");
    let mut silent = Held::new(&host, 100, "silent", "");
    assert_eq!((drip.count.0, silent.count.0), (100, 100));
    // While they are held, others are served.
    for _ in 0..20 {
        host.api("/api/v1/interfaces");
    }
    wait_for("a head that never ends ends the connection", || host.log(), || drip.open() == 0);
    wait_for("and silence too", || host.log(), || silent.open() == 0);
    assert_eq!(daemon.child("netevd-worker"), Some(worker));
}

#[test]
fn api_silent_sources_take_nobody_s_seat() {
    let Some(host) = machine("api_silent_sources_take_nobody_s_seat", CONFIG) else { return };
    let _daemon = host.start_daemon();
    // By TCP and by the unix socket more than there are seats, from two sources each.
    let sources: [&[&str]; 2] = match host.has_users() {
        true => [
            &["setpriv", "--reuid=970", "--regid=970", "--clear-groups", "--"],
            &["setpriv", "--reuid=0", "--regid=970", "--clear-groups", "--"],
        ],
        false => [&[], &[]],
    };
    let by_socket = sources.map(|words| Held::of(&host, words, 600, "silent", ""));
    let by_tcp = [Held::at(&host, TCP, 300, "silent", ""), Held::at(&host, TCP, 300, "silent", "")];
    assert!(by_socket.iter().chain(&by_tcp).all(|held| held.count.0 >= 256));
    assert_eq!(host.api("/health")["status"], "healthy");
    let text = request("GET", "/health", &format!("Host: {TCP}\r\n"));
    assert_eq!(host.ask_as(0, TCP, &text).map(|answer| answer.status), Some(200));
    // A stream is not idle, and stays.
    let mut stream = super::stream::Reader::open(&host, "/api/v1/events/stream", "");
    let more = Held::new(&host, 600, "silent", "");
    assert!(more.count.0 >= 512);
    host.ip("link set eth0 mtu 1400");
    stream.await_event("mtu", "eth0");
}

#[test]
fn api_clients_that_read_nothing_cost_little() {
    let Some(host) = machine("api_clients_that_read_nothing_cost_little", CONFIG) else { return };
    // An answer of some MB.
    let lines: String = (0..10_000)
        .map(|n| format!("route add 10.{}.{}.0/24 via 192.0.2.1 dev eth0\n", n / 250, n % 250))
        .collect();
    host.ip_batch(&lines, false);
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker").expect("the worker runs");
    let path = "/api/v1/routes?limit=1000";
    await_document(&host, path, "the routes are there", |routes| routes["count"].as_u64() > Some(10_000));
    let before = memory(&host, worker);
    let unread = Held::new(&host, 50, "unread", path);
    assert_eq!(unread.count.0, 50);
    for _ in 0..10 {
        host.api("/api/v1/status");
    }
    let with = memory(&host, worker);
    println!("worker: {before} KiB, with 50 clients that read nothing {with}");
    // Each holds one answer of 1,000 routes, and not the hundreds that it has asked for.
    assert!(with < before + 50 * 1_024, "{before} {with}");
    drop(unread);
    assert_eq!(host.api("/health")["status"], "healthy");
}

#[test]
fn api_many_routes_are_counted_and_not_kept() {
    let Some(host) = machine("api_many_routes_are_counted_and_not_kept", CONFIG) else { return };
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker").expect("the worker runs");
    let lines: String = (0..60_000)
        .map(|n| {
            format!(
                "route add 10.{}.{}.{}/32 via 192.0.2.1 dev eth0 table 5000\n",
                n / 40_000,
                n / 200 % 200,
                n % 200
            )
        })
        .collect();
    host.ip_batch(&lines, false);
    let few = await_document(&host, "/api/v1/routes?limit=1&table=5000", "all of them", |few| {
        few["count"] == 60_000
    });
    assert_eq!(few["has_more"], true);
    let before = memory(&host, worker);
    for _ in 0..10 {
        assert_eq!(host.api("/api/v1/routes?limit=1&table=5000")["count"], 60_000);
    }
    let after = memory(&host, worker);
    println!("worker: {before} KiB, after ten looks at 60,000 routes {after}");
    assert!(after < before + 1_024, "{before} {after}");
}
