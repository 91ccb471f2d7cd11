//! `/metrics` of a live daemon, against what happened.

mod counted;
mod shipped;

use crate::support::{Daemon, Host, wait_for};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// eth0 and eth1, eth1 managed.
const CONFIG: &str = "\
system: { backend: kernel }
monitoring: { interfaces: [\"eth*\"] }
routing: { policy_rules: [eth1] }
scripts: { timeout: 3s }
";

/// One scrape: the header and the text.
fn scrape(host: &Host, accept: &str) -> (String, String) {
    let mut socket = UnixStream::connect(host.path("/run/netevd/api.sock")).expect("the API's socket");
    let request =
        format!("GET /metrics HTTP/1.1\r\nHost: netevd\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("UTF-8");
    let (header, text) = answer.split_once("\r\n\r\n").expect("a header and a body");
    assert!(header.starts_with("HTTP/1.1 200"), "{answer}");
    (header.to_owned(), text.to_owned())
}

/// Samples by name and labels, labels in order of their names: `name{a="1",b="2"}`.
fn samples(host: &Host) -> BTreeMap<String, f64> {
    let (_, text) = scrape(host, "*/*");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let series = match series.split_once('{') {
                None => series.to_owned(),
                Some((name, labels)) => {
                    // Values here have no comma of their own.
                    let labels: BTreeSet<&str> = labels.trim_end_matches('}').split(',').collect();
                    format!("{name}{{{}}}", labels.into_iter().collect::<Vec<_>>().join(","))
                }
            };
            (series, value.parse().unwrap_or(f64::NAN))
        })
        .collect()
}

/// A sample, 0 when it is not there.
fn value(samples: &BTreeMap<String, f64>, series: &str) -> f64 {
    samples.get(series).copied().unwrap_or(0.0)
}

/// Waits until a sample has this value.
fn await_value(daemon: &Daemon<'_>, host: &Host, series: &str, expected: f64) {
    wait_for(
        &format!("{series} {expected}"),
        || format!("{:#?}\n{}", samples(host), daemon.log()),
        || value(&samples(host), series) == expected,
    );
}
