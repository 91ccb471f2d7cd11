//! Storms: very many changes at once. After each of them the final state is exact, every event is
//! accounted for, and the daemon takes what it took before: memory, descriptors, no processor time.
//!
//! `NETEVD_TEST_STORM=full` makes the largest of them as large as they are meant for an optimised
//! daemon; without it they are as large as an unoptimised one does in a few seconds.

mod account;
mod addresses;
mod calm;
mod flaps;
mod links;
mod overruns;
mod routes;

use crate::support::{Host, wait_for};
use serde_json::Value;

/// The storm at its full size, or at this one.
fn size(full: u32, usual: u32) -> u32 {
    match std::env::var("NETEVD_TEST_STORM").as_deref() {
        Ok("full") => full,
        Ok(other) => panic!("NETEVD_TEST_STORM={other}: there is `full` alone"),
        Err(_) => usual,
    }
}

/// Changes routes through eth0 by the test agent; the changes that it made.
fn routes_storm(host: &Host, words: &str) -> u64 {
    let output = host.sh(&format!("/opt/netevd/netevd-test-agent routes eth0 10.0.0.0 {words}"));
    let done: Value = serde_json::from_str(&output).expect("one line of JSON");
    println!("{words}: {done}");
    done["changes"].as_u64().expect("a number")
}

/// Waits until the API's documents are what `ip -j` shows.
fn agrees(host: &Host) {
    let disagreements = || host.disagreements();
    wait_for("API and ip agree", || disagreements().join("\n"), || disagreements().is_empty());
}
