//! `make scale`: what one more link, address, route, rule, script, client or waiting event costs, as a line through
//! several sizes; and whole hosts, beside what the lines foretell of them.
//!
//! Writes target/scale.json and prints the tables of docs/scale.md, which `make scale-paper` makes from that file.
//! Processor time, not waiting, is what most figures are, so that another program on the machine changes them little.

mod hosts;
mod managed;
mod objects;
mod pair;
pub(crate) mod paper;
mod queues;
pub(crate) mod series;
mod watchers;

use crate::support::Host;
use pair::Machine;
use paper::Report;
use series::Series;
use std::path::Path;
use std::time::Instant;

const REPORT: &str = "target/scale.json";
const PAPER: &str = "docs/scale.md";

/// A series, and the machines that it was measured on, which live on until their memory is read.
struct Grown {
    series: Series,
    machines: Vec<Machine>,
}

/// Some series, one after the other.
type Part = fn() -> Vec<Grown>;

/// `scale [PART...]` measures all, or these parts.
pub(crate) fn measure(parts: &[String]) {
    let began = Instant::now();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|name| name == part);
    let mut grown = Vec::new();
    // What is to be a minute old when its memory is read comes first.
    let all: [(&str, Part); 7] = [
        ("links", objects::links),
        ("addresses", objects::addresses),
        ("routes", objects::routes),
        ("managed", managed::measure),
        ("hosts", hosts::measure),
        ("queues", queues::measure),
        ("watchers", watchers::measure),
    ];
    for (_, run) in all.into_iter().filter(|(part, _)| wanted(part)) {
        grown.extend(run());
    }
    let series = grown.into_iter().map(Grown::finish).collect();
    let report = Report::new(series);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(REPORT);
    std::fs::write(&path, serde_json::to_string_pretty(&report).expect("JSON")).expect("written");
    print!("{}", report.markdown());
    println!("\nmeasured in {:.0} s, written to {}", began.elapsed().as_secs_f64(), path.display());
}

/// `scale-paper`: docs/scale.md with the figures of the last measurement.
pub(crate) fn write_paper() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(REPORT)).expect("target/scale.json: make scale");
    let report: Report = serde_json::from_str(&text).expect("what make scale wrote");
    let paper = std::fs::read_to_string(root.join(PAPER)).expect(PAPER);
    std::fs::write(root.join(PAPER), report.fill(&paper)).expect("written");
}

/// Two uplinks, of which eth1 is under policy routing with the gateway that the kernel knows. Every address that
/// there is was put there: links have none by themselves.
fn machine(name: &str) -> Host {
    let Some(host) = Host::new(&format!("scale: {name}")) else {
        // Host::new has said why.
        std::process::exit(1);
    };
    host.two_uplinks();
    host.sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
    host
}

impl Grown {
    /// Reads the machines' memory when each has lived for a minute.
    fn finish(mut self) -> Series {
        let memory: Vec<_> = self.machines.iter().map(Machine::memory_at_rest).collect();
        if !memory.is_empty() {
            self.series.columns.splice(
                0..0,
                [
                    ("worker's memory", memory.iter().map(|memory| memory.worker).collect()),
                    ("helper's memory", memory.iter().map(|memory| memory.helper).collect()),
                    ("worker at its largest", memory.iter().map(|memory| memory.peak).collect()),
                ]
                .map(|(title, values)| series::Column {
                    title: title.to_owned(),
                    unit: series::Unit::Bytes,
                    values,
                }),
            );
        }
        self.series
    }
}
