//! A disk that fails costs records, which are counted, and nothing else.

use super::{CONFIG, LOG, await_record, machine, records, verify};
use crate::support::{Host, wait_for};

const DIRECTORY: &str = "/var/log/netevd";

fn mount(host: &Host, options: &str) {
    let owner = if host.has_users() { "uid=970,gid=970," } else { "" };
    host.sh(&format!("mount -t tmpfs -o {owner}mode=0750,{options} none {DIRECTORY}"));
}

/// Events go on: a script runs for an address that comes now.
fn goes_on(host: &Host, address: &str) {
    host.ip(&format!("addr add {address}/24 dev eth1"));
    host.await_records(&format!("the script for {address}"), |records| {
        records.iter().any(|record| record.env("ADDRESS") == address)
    });
}

/// Addresses come and go until the log has a record of which this holds.
fn until(host: &Host, what: &str, is: impl Fn(&serde_json::Value) -> bool) {
    let mut number = 0_u32;
    wait_for(
        what,
        || host.read(LOG) + &host.log(),
        || {
            number += 1;
            let verb = if number % 2 == 1 { "add" } else { "del" };
            host.ip(&format!("addr {verb} 198.51.100.99/24 dev eth1"));
            records(host, LOG).iter().any(&is)
        },
    );
}

fn missing(record: &serde_json::Value) -> bool {
    record["action"] == "audit-missing" && record["details"]["disk"].as_u64() > Some(0)
}

#[test]
fn audit_survives_a_full_disk() {
    let Some(host) = machine("audit_survives_a_full_disk") else { return };
    host.recorder("address-added", "10-note", "");
    mount(&host, "size=64k");
    let daemon = host.start_daemon();
    await_record(&host, "rules", |record| record["event_type"] == "rule_change");
    host.run(&["sh", "-c", &format!("cat /dev/zero >{DIRECTORY}/filler")]);
    for last in 10..40 {
        goes_on(&host, &format!("198.51.100.{last}"));
    }
    daemon.await_log(&["audit.log cannot be written", "No space left"]);
    let told = daemon.log().matches("No space left").count();
    // What is left of the file's last page takes a short record now and then, so it may be well again
    // for a moment; but it is not told for each of the thirty events.
    assert!((1..=3).contains(&told), "{told} times");
    host.sh(&format!("rm {DIRECTORY}/filler"));
    until(&host, "what is missing is told", missing);
    daemon.await_log(&["is written again"]);
    assert_eq!(daemon.stop().status, 0);
    let whole = verify(&host, &[]);
    assert_eq!(whole.status, 0, "{whole:?}");
}

#[test]
fn audit_survives_a_read_only_disk_and_a_missing_directory() {
    let Some(host) = machine("audit_survives_a_read_only_disk_and_a_missing_directory") else { return };
    host.recorder("address-added", "10-note", "");
    mount(&host, "size=256k,ro");
    let daemon = host.start_daemon();
    daemon.await_log(&["audit.log cannot be opened", "Read-only"]);
    goes_on(&host, "198.51.100.50");
    host.sh(&format!("mount -o remount,rw {DIRECTORY}"));
    until(&host, "what is missing is told", missing);
    assert_eq!(daemon.stop().status, 0);
    let whole = verify(&host, &[]);
    assert_eq!(whole.status, 0, "{whole:?}");

    host.sh(&format!("umount {DIRECTORY}; rm -r {DIRECTORY}"));
    let daemon = host.start_daemon();
    daemon
        .await_log(&["audit.log cannot be opened", "install -d -o netevd -g netevd -m 0750 /var/log/netevd"]);
    // Off is off, whatever was wrong.
    host.config(&CONFIG.replace("enabled: true", "enabled: false"));
    daemon.signal("HUP");
    daemon.await_log(&["configuration reloaded"]);
    super::make_directory(&host);
    goes_on(&host, "198.51.100.51");
    assert_eq!(daemon.stop().status, 0);
    assert!(!host.path(LOG).exists());
}
