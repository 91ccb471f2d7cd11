//! The guided tour is a promise as well: its commands are run on a machine, in their order, and what
//! they print is compared with what the page says.
//!
//! In a `console` block a line `$ COMMAND` is run as root (`> ` carries it on); what follows is its output.
//! `systemctl start netevd` starts the daemon without systemd.
//! `…` stands for anything within a line, on a line of its own for any lines. Times, durations and
//! amounts of data may differ, and so may the width of columns.

use crate::support::{Host, wait_for};
use std::path::Path;

/// A command, and the lines that it prints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Step {
    command: String,
    output: Vec<String>,
}

#[test]
fn tour_of_the_documentation_is_true() {
    let Some(host) = Host::new("tour_of_the_documentation_is_true") else { return };
    walk(&host, &page("docs/tour.md"));
}

/// The machine of the README: two uplinks in one subnet, a bridge of containers, the names of the
/// installed `rt_protos.d`.
#[test]
fn tour_of_the_readme_is_true() {
    let Some(host) = Host::new("tour_of_the_readme_is_true") else { return };
    host.isp();
    host.veth("eth0", 2);
    host.veth("eth1", 3);
    host.peer(
        "ip link add br0 up type bridge; ip link set eth0p master br0; ip link set eth1p master br0
         ip addr add 192.0.2.1/24 dev br0",
    );
    host.sh("ip addr add 192.0.2.2/24 dev eth0; ip addr add 192.0.2.3/24 dev eth1
         ip route add default via 192.0.2.1 dev eth0 metric 100
         ip route add default via 192.0.2.1 dev eth1 metric 200
         ip link add docker0 up type bridge; ip addr add 172.17.0.1/16 dev docker0");
    let text = page("README.md");
    let yaml = text.split("```yaml\n").find(|block| block.contains("policy_rules: [eth1]")).expect("a block");
    let yaml = yaml.split("```").next().expect("its end");
    host.config(&format!("system: {{ backend: kernel }}\n{yaml}"));
    host.write("/etc/iproute2/rt_protos.d/netevd.conf", &page("systemd/rt_protos.d/netevd.conf"), 0o644);
    let daemon = host.start_daemon();
    let steps = steps(&text);
    assert!(steps.len() > 3, "the page has steps");
    steps.iter().for_each(|step| take(&host, step));
    assert_eq!(daemon.stop().status, 0);
}

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("the page")
}

/// The machine that the page speaks of: two uplinks, netevd installed, not yet configured.
fn prepare(host: &Host) {
    if host.run(&["ip", "link", "show", "eth0"]).status != 0 {
        host.two_uplinks();
        host.sh("rm /etc/netevd/netevd.yaml");
    }
}

fn walk(host: &Host, text: &str) {
    prepare(host);
    let steps = steps(text);
    assert!(steps.len() > 3, "the page has steps");
    let mut daemon = None;
    for step in &steps {
        // There is no systemd on the machine.
        match step.command.as_str() {
            "systemctl start netevd" => daemon = Some(host.start_daemon()),
            "systemctl stop netevd" => assert_eq!(daemon.take().expect("it runs").stop().status, 0),
            _ => take(host, step),
        }
    }
}

/// A command that only looks is asked again until what it waits for is there.
fn take(host: &Host, step: &Step) {
    let run = || {
        let script = format!("export PATH=/opt/netevd:$PATH COLUMNS=100; cd /root; {}", step.command);
        let output = host.run(&["sh", "-c", &script]);
        format!("{}{}", output.stderr, output.stdout)
    };
    let mut found = run();
    if matches(&step.output, &found) {
        return;
    }
    let looks = ["netevd ", "ip ", "cat ", "grep "].iter().any(|word| step.command.starts_with(word));
    assert!(looks, "$ {}\nprinted\n{found}\nand not\n{}", step.command, step.output.join("\n"));
    let explain =
        |found: &str| format!("$ {}\nprints\n{found}\nand not\n{}", step.command, step.output.join("\n"));
    let last = std::cell::RefCell::new(found.clone());
    wait_for(
        &step.command,
        || explain(&last.borrow()),
        || {
            found = run();
            last.replace(found.clone());
            matches(&step.output, &found)
        },
    );
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            line => match (line.strip_prefix("$ "), line.strip_prefix("> "), steps.last_mut()) {
                (Some(command), ..) => steps.push(Step { command: command.to_owned(), output: Vec::new() }),
                (None, Some(more), Some(step)) if step.output.is_empty() => {
                    step.command.push('\n');
                    step.command.push_str(more);
                }
                (None, _, Some(step)) => step.output.push(line.to_owned()),
                (None, ..) => panic!("output before the first command: {line}"),
            },
        }
    }
    steps
}

fn matches(expected: &[String], found: &str) -> bool {
    let expected: Vec<String> = expected.iter().map(|line| plain(line)).collect();
    let found: Vec<String> = found.lines().map(plain).collect();
    lines_match(&expected, &found)
}

fn lines_match(expected: &[String], found: &[String]) -> bool {
    match (expected.split_first(), found.split_first()) {
        (None, None) => true,
        (Some((line, rest)), _) if line.as_str() == "…" => {
            (0..=found.len()).any(|skipped| lines_match(rest, &found[skipped..]))
        }
        (Some((line, rest)), Some((other, others))) => like(line, other) && lines_match(rest, others),
        _ => false,
    }
}

/// `…` within a line.
fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Single spaces, and one word for each time, duration and amount.
fn plain(line: &str) -> String {
    const UNITS: [&str; 11] = ["ms", "s", "min", "h", "d", "B", "KiB", "MiB", "packets", "packet", "ms,"];
    let mut words: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        let bare = word.trim_end_matches([',', ';', ':']);
        let is_time = bare.len() == 24 && bare.ends_with('Z') && bare.contains('T');
        if is_time {
            words.push("TIME");
        } else if UNITS.contains(&bare)
            && words.last().is_some_and(|last| is_number(last) || *last == "AMOUNT")
        {
            words.pop();
            // Two units are one amount: 1 min 3 s.
            if words.last() != Some(&"AMOUNT") {
                words.push("AMOUNT");
            }
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}

fn is_number(word: &str) -> bool {
    word.parse::<f64>().is_ok()
}

#[test]
fn tour_pages_are_compared_as_they_should_be() {
    let text = "```console\n$ a \\\n> b\none\n\n$ c\n```\n";
    let found = steps(text);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].command.as_str(), found[0].output.len()), ("a \\\nb", 2));
    let lines = |text: &[&str]| text.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert!(matches(&lines(&["x  …  z", "…", "took 12 ms"]), "x 1 2 z\nmore\nand more\ntook 1.5 s\n"));
    assert!(!matches(&lines(&["x … z"]), "x 1 2 y\n"));
    assert!(!matches(&lines(&["x"]), "x\ny\n"));
    assert!(matches(
        &lines(&["at 2026-03-01T09:30:00.250Z, 1 min 3 s"]),
        "at 2027-01-01T00:00:00.000Z, 4 s\n"
    ));
    assert!(!matches(&lines(&["12 rules"]), "13 rules\n"));
}
