//! `make test-api`: schemathesis makes requests from openapi.yaml, legal and illegal ones, and compares
//! each answer with what is described. It runs where NETEVD_SCHEMATHESIS names the program.

use super::{CONFIG, TCP, machine};
use std::path::Path;
use std::process::Command;

const TOKEN: &str = "0123456789abcdef";

#[test]
fn api_holds_against_made_up_requests() {
    let Some(program) = std::env::var_os("NETEVD_SCHEMATHESIS") else { return };
    let config = CONFIG.replace("{ enabled: true }", "{ enabled: true, token_file: /etc/netevd/token }");
    let Some(host) = machine("api_holds_against_made_up_requests", &config) else { return };
    host.write("/etc/netevd/token", TOKEN, 0o640);
    host.sh("chgrp netevd /etc/netevd/token || true");
    host.recorder("mtu", "10-note", "");
    let daemon = host.start_daemon();
    host.ip("link set eth0 mtu 1400");
    host.await_run("mtu", "eth0");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let description = root.join("netevd-worker/src/api/openapi.yaml");
    let directory = std::env::temp_dir().join(format!("netevd-schemathesis-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    // In the machine's network, with this machine's files.
    let output = Command::new("nsenter")
        .args(host.network())
        .arg(&program)
        .arg("--config-file")
        .arg(root.join("tests/support/schemathesis.toml"))
        .arg("run")
        .arg(&description)
        .args(["--url", &format!("http://{TCP}"), "--header", &format!("Authorization: Bearer {TOKEN}")])
        .args(["--mode", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", "60"])
        // A stream has no end to wait for.
        .args(["--exclude-path", "/api/v1/events/stream", "--seed", "1", "--no-color"])
        .args(["--request-timeout", "60"])
        .current_dir(&directory)
        .output()
        .expect("nsenter (util-linux) is installed");
    let _ = std::fs::remove_dir_all(&directory);
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(host.api("/health")["status"], "healthy");
    drop(daemon);
}
