//! The whole corpus through the targets: what fuzzing once reached stays right, on any toolchain.

use std::path::{Path, PathBuf};

fn replay(target: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
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
fn frame() {
    replay("frame", super::frame);
}

#[test]
fn policy() {
    replay("policy", super::policy);
}

#[test]
fn session() {
    replay("session", super::session);
}

#[test]
fn netlink() {
    replay("netlink", super::netlink);
}
