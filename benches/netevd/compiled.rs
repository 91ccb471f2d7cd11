//! The programs in C beside this one: the probe and the floors, static, as small as they can be.

use crate::support::Host;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Puts a compiled program into a machine.
pub(crate) fn copy_compiled(host: &Host, name: &str, path: &str) {
    host.write(path, "", 0o755);
    std::fs::copy(compiled(name), host.path(path)).unwrap();
}

/// Puts the probe where each new address runs it, and lets nothing run it at the start.
pub(crate) fn with_probe(host: &Host) {
    host.write("/out/probe", "", 0o666);
    copy_compiled(host, "probe", "/etc/netevd/address-added.d/10-probe");
    host.config("system: { backend: kernel, startup_events: false }\nrouting: { policy_rules: [eth1] }\n");
}

/// Compiles `benches/NAME.c`, static, and returns the program.
fn compiled(name: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = manifest.join("target/bench");
    std::fs::create_dir_all(&directory).unwrap();
    let program = directory.join(name);
    let source = manifest.join(format!("benches/{name}.c"));
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-Wall", "-Werror", "-static", "-o"]).arg(&program).arg(source);
    assert!(compiler.status().expect("cc is installed").success(), "{name}.c compiles");
    program
}
