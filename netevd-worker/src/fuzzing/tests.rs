//! The whole corpus through the targets, on any toolchain: what fuzzing once reached stays right.

use std::path::{Path, PathBuf};

fn replay(target: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries =
        std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    assert!(files.len() > 5, "{} is all but empty", directory.display());
    for file in files {
        // A failure below is told with the file that makes it.
        println!("{}", file.display());
        run(&std::fs::read(&file).expect("readable"));
    }
}

#[test]
fn lease() {
    replay("lease", super::lease);
}

#[test]
fn networkd_state() {
    replay("networkd_state", super::networkd_state);
}

#[test]
fn dbus() {
    replay("dbus", super::dbus);
}

#[test]
fn netlink_events() {
    replay("netlink_events", super::netlink_events);
}

#[test]
fn saved_state() {
    replay("saved_state", super::saved_state);
}

#[test]
fn filter() {
    replay("filter", super::filter);
}

#[test]
fn config() {
    replay("config", super::config);
}

#[test]
fn request() {
    replay("request", super::request);
}
