//! The command line over the API of a running daemon: what it shows is compared with `ip -j`, and with
//! what scripts wrote.

mod changes;
mod follow;
mod hostile;
mod odd;
mod show;
mod terminal;
mod why;

use crate::support::{Host, Output};
use serde_json::Value;

const NETEVD: &str = "/opt/netevd/netevd";

/// Runs `netevd` with these words.
fn netevd(host: &Host, words: &str) -> Output {
    let words: Vec<&str> = std::iter::once(NETEVD).chain(words.split_whitespace()).collect();
    host.run(&words)
}

/// What it prints, which has to succeed.
fn shown(host: &Host, words: &str) -> String {
    let output = netevd(host, words);
    assert_eq!(output.status, 0, "netevd {words}: {}{}", output.stdout, output.stderr);
    output.stdout
}

/// The document that it prints.
fn json(host: &Host, words: &str) -> Value {
    let text = shown(host, &format!("{words} --format json"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("netevd {words}: {e}\n{text}"))
}
