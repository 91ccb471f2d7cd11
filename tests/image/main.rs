//! The container image under podman, in a network namespace: its rules, routes and processes are judged from
//! outside, by `ip` and /proc.
//!
//! It needs root, podman and the image, so it runs only when asked for: `make test-image`.
#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

mod capabilities;
mod container;
mod layout;
mod lifecycle;
mod namespace;
#[path = "../support/wait.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod wait;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What docs/user/container.md says to grant.
const GRANTED: &str = "--cap-add=NET_ADMIN,SETUID,SETGID,SETPCAP,CHOWN";
/// Of the three users in the image.
const WORKER: u32 = 64_001;
const HELPER: u32 = 64_002;
const SCRIPTS: u32 = 64_003;
/// CAP_NET_ADMIN.
const NET_ADMIN: u64 = 1 << 12;

/// The images to test, loaded. `None` where nobody asked for this test, or it cannot run.
fn images() -> Option<&'static [String]> {
    static LOADED: OnceLock<Option<Vec<String>>> = OnceLock::new();
    LOADED.get_or_init(load).as_deref()
}

fn load() -> Option<Vec<String>> {
    let files = std::env::var("NETEVD_IMAGES").ok()?;
    if let Some(missing) = what_is_missing() {
        assert!(std::env::var_os("NETEVD_TEST_REQUIRE").is_none(), "the image cannot be tested: {missing}");
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    let names = files.split_whitespace().map(|file| {
        let said = podman(&["load", "--quiet", "--input", file]);
        said.trim().rsplit(' ').next().expect("a name").to_owned()
    });
    Some(names.collect())
}

fn what_is_missing() -> Option<String> {
    if !nix::unistd::Uid::effective().is_root() {
        return Some("it needs root".to_owned());
    }
    ["podman", "runc", "ip"].into_iter().find_map(|program| {
        let found = Command::new(program).arg("--version").output().is_ok()
            || Path::new("/usr/sbin").join(program).exists();
        (!found).then(|| format!("{program} is not installed"))
    })
}

/// podman with separate storage, not the host's.
fn podman_command(arguments: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("packaging/oci/containers.sh"));
    command.arg(root.join("target/containers")).arg("podman").args(arguments);
    command
}

/// Its standard output; it has to succeed.
fn podman(arguments: &[&str]) -> String {
    let output = podman_command(arguments).output().expect("podman");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "podman {arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

/// A file of this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
