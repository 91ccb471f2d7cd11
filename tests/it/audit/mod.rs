//! The audit log: what is in it, compared with what happened; and what happens to it.

mod disk;
mod kinds;
mod rotation;

use crate::support::{Host, Output, wait_for};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

const LOG: &str = "/var/log/netevd/audit.log";

/// eth0 and eth1 with addresses and default routes, eth1 managed, the log on.
const CONFIG: &str = "\
system: { backend: kernel }
monitoring: { interfaces: [\"eth*\"] }
routing: { policy_rules: [eth1], fallback: unreachable }
audit: { enabled: true }
";

/// The log's directory, as a package makes it.
fn make_directory(host: &Host) {
    host.sh("install -d -m 0750 /var/log/netevd && (chown netevd:netevd /var/log/netevd || true)");
}

fn machine(test: &str) -> Option<Host> {
    let host = Host::new(test)?;
    host.two_uplinks();
    host.config(CONFIG);
    make_directory(&host);
    Some(host)
}

/// The records of a file.
fn records(host: &Host, file: &str) -> Vec<Value> {
    host.read(file).lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
}

/// Waits for a record of which this holds.
fn await_record(host: &Host, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    wait_for(
        what,
        || host.read(LOG) + &host.log(),
        || {
            let text = host.read(LOG);
            let whole = text.rsplit_once('\n').map(|(whole, _)| whole).unwrap_or_default();
            let mut all =
                whole.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record is JSON"));
            found = all.find(&is).unwrap_or_default();
            !found.is_null()
        },
    );
    found
}

fn verify(host: &Host, arguments: &[&str]) -> Output {
    host.run(&[&["/opt/netevd/netevd", "audit", "verify"], arguments].concat())
}

fn mode(host: &Host, file: &str) -> u32 {
    host.path(file).metadata().expect("there").permissions().mode() & 0o777
}
