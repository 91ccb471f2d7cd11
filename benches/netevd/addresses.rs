//! A link under policy routing with a thousand addresses, from the start of netevd to the last of its
//! rules, beside `ip -batch`, which is told the same rules and routes.

use crate::figures::Figures;
use crate::goal::Goal;
use crate::promises::{Monitor, time_of_day_now};
use crate::report::{Report, Row};
use crate::support::{Host, rules};
use std::collections::BTreeSet;

const ADDRESSES: usize = 1000;
/// Each from nothing.
const TIMES: usize = 5;
const FLOOR: &str = "addresses_floor";

pub(crate) fn run(report: &mut Report) {
    let [bare, netevd] = ["bench: a thousand addresses by ip", "bench: a thousand addresses"].map(machine);
    let batch = batch();
    let (mut floor, mut times) = (Vec::new(), Vec::new());
    let mut wrong = 0;
    for _ in 0..TIMES {
        floor.push(timed(&bare, || bare.ip_batch(&batch, false)));
        empty(&bare);
        let mut daemon = None;
        times.push(timed(&netevd, || daemon = Some(netevd.launch())));
        if let Some(daemon) = &mut daemon {
            daemon.await_ready();
        }
        wrong += netevd.ours().symmetric_difference(&expected()).count();
        // What it leaves behind is not to be found again.
        drop(daemon);
        empty(&netevd);
    }
    report.row(Row::new(FLOOR, "1,000 addresses, from start: ip -batch", "us", Figures::new(floor)));
    let row = Row::new("addresses", "1,000 addresses, from start: netevd", "us", Figures::new(times));
    report.row(row.beside(FLOOR).goal(Goal::Times(2.0)));
    let what = "... rules and routes that are not right";
    let wrong = Figures::count(u64::try_from(wrong).unwrap());
    report.row(Row::new("addresses_wrong", what, "", wrong).goal(Goal::Exactly(0.0)));
}

/// eth1 with a thousand addresses beside its own, of one network.
fn machine(name: &str) -> Host {
    let host = crate::machine(name);
    let lines: String = addresses().map(|address| format!("addr add {address}/16 dev eth1\n")).collect();
    host.ip_batch(&lines, false);
    host
}

fn addresses() -> impl Iterator<Item = String> {
    (0..ADDRESSES).map(|n| format!("10.7.{}.{}", n / 250, n % 250 + 1))
}

/// netevd's rules and routes, as they have to be.
fn expected() -> BTreeSet<String> {
    let own = crate::support::eth1_complete();
    let network = "table 207: 10.7.0.0/16 dev eth1".to_owned();
    own.into_iter().chain([network]).chain(addresses().flat_map(|address| rules(&address, 207))).collect()
}

/// The same for ip(8): routes first.
fn batch() -> String {
    let line = |line: &String| match line.strip_prefix("table 207: ") {
        Some(route) => format!("route add {route} table 207 protocol 110\n"),
        None => {
            let (priority, rule) = line.split_once(": ").expect("a rule");
            format!("rule add {rule} priority {priority} protocol 110\n")
        }
    };
    let all = expected();
    // The subnet comes before what is reached by it.
    let (defaults, others): (Vec<_>, Vec<_>) = all.iter().partition(|line| line.contains("default"));
    let (routes, rules): (Vec<_>, Vec<_>) = others.into_iter().partition(|line| line.starts_with("table"));
    routes.into_iter().chain(defaults).chain(rules).map(line).collect()
}

/// From here to the kernel's word of the last rule. The monitor is read meanwhile, or it would wait for
/// its reader.
fn timed(host: &Host, begin: impl FnOnce()) -> i64 {
    let mut monitor = Monitor::start(host, &["rule", "link"]);
    let lines = addresses().chain(["198.51.100.2".to_owned()]).flat_map(|address| rules(&address, 207));
    let mut left: BTreeSet<String> = lines.collect();
    let began = time_of_day_now();
    let reader = std::thread::spawn(move || {
        let mut last = began;
        while !left.is_empty() {
            last = monitor.until(|line| left.remove(&rule(line)));
        }
        last
    });
    begin();
    reader.join().expect("every rule came") - began
}

/// A new rule in a line of ip-monitor(8), as tests write it.
fn rule(line: &str) -> String {
    let text = line.split_once("] ").map_or(line, |(_, text)| text).replace("from all to", "to");
    let words: Vec<&str> = text.split_whitespace().take(5).collect();
    words.join(" ")
}

/// ip(8) deletes while it reads, and so passes over some of so many rules.
fn empty(host: &Host) {
    host.sh("while ip rule show | grep -q 'proto 110'; do ip rule flush protocol 110; done
         ip route flush table 207");
}
