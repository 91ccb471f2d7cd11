//! `make demo` is a promise as well.

use crate::support::Host;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn demo_shows_every_step() {
    // A machine of its own is what the demo needs, too; it makes its own.
    if Host::new("demo_shows_every_step").is_none() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binaries = Path::new(env!("CARGO_BIN_EXE_netevd")).parent().unwrap();
    let output = Command::new(root.join("examples/demo/run.sh"))
        .arg(binaries)
        .stdin(Stdio::null())
        .output()
        .expect("the demo starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(last.starts_with("demo: all 8 steps seen"), "{said}");
    assert!(!said.contains('\u{1b}'), "no colours where there is no terminal");
}
