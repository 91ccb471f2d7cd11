//! Files that are renamed, restarts, and a crash in the middle of a line.

use super::{LOG, await_record, machine, mode, records, verify};
use crate::support::wait_for;

#[test]
fn audit_goes_on_over_renaming_restarts_and_a_torn_line() {
    let Some(host) = machine("audit_goes_on_over_renaming_restarts_and_a_torn_line") else { return };
    let daemon = host.start_daemon();
    await_record(&host, "rules", |record| record["event_type"] == "rule_change");
    // As logrotate does.
    let yesterday = host.sh("date -u -d yesterday +%F");
    let aside = format!("{LOG}.{}", yesterday.trim());
    host.sh(&format!("mv {LOG} {aside}"));
    daemon.signal("HUP");
    wait_for("a new file", || daemon.log(), || !host.read(LOG).is_empty());
    assert_eq!(mode(&host, LOG), 0o640);
    host.ip("addr add 198.51.100.3/24 dev eth1");
    await_record(&host, "the address, in the new file", |record| {
        record["resource"] == "from 198.51.100.3 lookup 207"
    });
    let first = records(&host, LOG).remove(0);
    assert_eq!(first["action"], "audit-file");
    assert!(first["id"].as_u64() > Some(1));

    // Killed at any moment, and the last line half written.
    let worker = daemon.child("netevd-worker").expect("the worker runs");
    host.sh(&format!("kill -KILL {worker}"));
    daemon.ended();
    let text = host.read(LOG);
    host.write(LOG, &text[..text.len() - 30], 0o640);
    host.sh(&format!("chown netevd:netevd {LOG} || true"));
    let torn = verify(&host, &[]);
    assert_eq!(torn.status, 1, "{torn:?}");
    let daemon = host.start_daemon();
    daemon.await_log(&["was cut off"]);
    assert_eq!(daemon.stop().status, 0);
    let whole = verify(&host, &[]);
    assert_eq!(whole.status, 0, "{whole:?}");
    assert!(whole.stdout.contains("cut off by a crash"), "{whole:?}");
    assert!(whole.stdout.contains(&aside), "both files were read: {whole:?}");
}
