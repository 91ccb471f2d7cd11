//! Addresses under policy routing, each with its two rules: what they cost to put in, to have, and to put back.

use super::pair::{Machine, bulk, count, micros};
use super::series::{Series, Unit};
use super::{Grown, machine};
use crate::support::Host;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A link's most by the helper's default limits, without its own first address.
const PER_LINK: usize = 1_000;
/// How long the kernel is asked for routes.
const LOOKING: Duration = Duration::from_millis(300);
/// Against hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn measure() -> Vec<Grown> {
    let mut series = Series::new("managed", "address", PER_LINK);
    let mut machines = Vec::new();
    for size in [0_usize, 125, 250, 500, 1_000, 2_000] {
        let host = machine(&format!("managed {size}"));
        let links = size.div_ceil(PER_LINK).max(1);
        uplinks(&host, links);
        for link in 0..links {
            let here = size.saturating_sub(link * PER_LINK).min(PER_LINK);
            if here > 0 {
                bulk(&host, &format!("addresses add {} {here} eth{}", link * PER_LINK, link + 1));
            }
        }
        let look_up = look_up(&host);
        let machine = Machine::start(host);
        let start = machine.used();
        let lone = machine.cost(|| drop(machine.host.ip("link set eth0 alias x")));
        let began = Instant::now();
        // What is back while ip(8) still walks the list it may meet twice, and then it stops.
        machine.host.sh("ip rule flush protocol 110 2>/dev/null || true");
        let rules = 2 * (size + links);
        while ours(machine.host) < rules {
            assert!(began.elapsed() < PATIENCE, "{} of {rules} rules", ours(machine.host));
        }
        let back = micros(began.elapsed());
        let among = self::look_up(machine.host);
        use Unit::Microseconds;
        series.point(
            size,
            &[
                ("start to ready", Microseconds, machine.ready),
                ("worker's start", Microseconds, start.worker),
                ("helper's start", Microseconds, start.helper),
                ("a pass without work", Microseconds, lone.worker + lone.helper),
                ("all rules wiped, until back", Microseconds, back),
                ("kernel's look-up without", Microseconds, look_up),
                ("kernel's look-up", Microseconds, among),
            ],
        );
        machines.push(machine);
    }
    vec![Grown { series, machines }]
}

/// eth1 is there already; eth2 and more are like it.
fn uplinks(host: &Host, links: usize) {
    let mut config = "system: { backend: kernel }\nrouting:\n  policy_rules: [".to_owned();
    for n in 1..=links {
        if n > 1 {
            host.veth(&format!("eth{n}"), u32::try_from(6 + n).expect("few"));
            host.peer(&format!("ip addr add 198.18.{n}.1/24 dev eth{n}p"));
            host.sh(&format!(
                "ip addr add 198.18.{n}.2/24 dev eth{n}
                 ip route add default via 198.18.{n}.1 dev eth{n} metric {}",
                200 + n
            ));
        }
        config += &format!("eth{n}, ");
    }
    host.config(&format!("{config}]\n"));
}

fn ours(host: &Host) -> usize {
    host.ip("rule show").lines().filter(|line| line.contains("proto 110")).count()
}

/// Microseconds of one look-up in the kernel from an address that no rule of netevd's is for.
fn look_up(host: &Host) -> f64 {
    let mut command = host.command(&["/opt/netevd/netevd-test-agent", "lookup", "192.0.2.2", "203.0.113.1"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("nsenter starts");
    let mut said = String::new();
    BufReader::new(child.stderr.take().expect("piped")).read_line(&mut said).expect("it says that it looks");
    let began = Instant::now();
    std::thread::sleep(LOOKING);
    drop(child.stdin.take());
    let took = micros(began.elapsed());
    let mut text = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut text).expect("one line");
    child.wait().expect("it ends");
    let seen: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    took / seen["lookups"].as_f64().expect("a count").max(count(1))
}
