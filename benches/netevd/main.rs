//! `make bench`: what netevd costs, beside the floor of this machine and beside other programs in the
//! same run.
//!
//! Prints a table and writes target/bench.json. Machines are noisy: the ratio to the floor is what can
//! be compared between two of them.
//!
//! Names of parts select those, without any all are run. `--markdown [FILE...]` prints the file of
//! the last run, or these, for a page; `--page` puts it into README.md; `--spread FILE...` how far the ratios of several runs lie apart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark ends so when it fails"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod addresses;
mod bus;
mod check;
mod compiled;
mod copies;
mod events;
mod figures;
mod goal;
mod helper;
mod leases;
mod network1;
mod networkmanager;
mod nm_signals;
mod process;
mod promises;
mod report;
mod rest;
mod resync;
mod scale;
mod scene;
mod signals;
mod slow;
mod starts;
mod storms;
mod table;
mod watching;

use report::Report;
use std::time::Instant;
use support::Host;

/// A part of the benchmark, which adds its rows.
type Part = fn(&mut Report);

/// In the order in which they run: a row may be compared with one of a part before it.
const PARTS: [(&str, Part); 15] = [
    ("events", events::run),
    ("signals", signals::run),
    ("nm", nm_signals::run),
    ("leases", leases::run),
    ("slow", slow::run),
    ("storms", storms::run),
    ("resync", resync::run),
    ("addresses", addresses::run),
    ("copies", copies::run),
    ("check", check::run),
    ("promises", promises::run),
    ("rest", rest::run),
    ("helper", helper::run),
    ("starts", starts::run),
    ("watching", watching::run),
];

fn main() {
    // `cargo bench` hands over --bench.
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let names: Vec<String> = match words.next().as_deref() {
        Some("--markdown") => return table::markdown(words.collect()),
        Some("--page") => return table::write_page(),
        Some("--spread") => return table::spread(&words.collect::<Vec<_>>()),
        // Minutes, with a report of its own: only by name.
        Some("scale") => return scale::measure(&words.collect::<Vec<_>>()),
        Some("scale-paper") => return scale::write_paper(),
        first => first.map(str::to_owned).into_iter().chain(words).collect(),
    };
    for name in &names {
        if !PARTS.iter().any(|(part, _)| part == name) {
            let parts: Vec<&str> = PARTS.iter().map(|(part, _)| *part).collect();
            eprintln!("{name} is no part of the benchmark; they are: {}", parts.join(" "));
            std::process::exit(2);
        }
    }
    let (mut report, began) = (Report::new(), Instant::now());
    for (part, run) in PARTS {
        if names.is_empty() || names.iter().any(|name| name == part) {
            report.begin(part);
            run(&mut report);
        }
    }
    report.finish(began.elapsed().as_secs());
}

/// The machine of most rows: eth1 under policy routing.
fn machine(name: &str) -> Host {
    let Some(host) = Host::new(name) else {
        // Host::new has said why.
        std::process::exit(1);
    };
    host.two_uplinks();
    host
}
