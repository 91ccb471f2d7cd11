//! Changes as networkd sees them, judged by what scripts wrote.

use super::{machine, unmanaged_link};
use crate::support::{Host, Record};

fn recorders(host: &Host) {
    for event in ["no-carrier", "carrier", "degraded", "configured", "configuring", "routable", "unmanaged"] {
        host.recorder(event, "10-note", "");
    }
}

fn words(records: &[Record], link: &str) -> Vec<String> {
    let of = |r: &&Record| r.env("LINK") == link;
    records.iter().filter(of).map(|r| r.env("EVENT").to_owned()).collect()
}

#[test]
fn networkd_carrier_lost_and_back() {
    let Some(host) = machine("networkd_carrier_lost_and_back") else { return };
    recorders(&host);
    let _daemon = host.start_daemon();
    host.await_run("routable", "up0");
    let before = words(&host.records(), "up0").len();
    host.peer("ip link set up0p down");
    host.await_run("no-carrier", "up0");
    host.peer("ip link set up0p up");
    let back = host.await_records("routable again", |records| {
        words(records, "up0")[before..].iter().any(|word| word == "routable")
    });
    let seen = words(&back, "up0").split_off(before);
    assert_eq!(seen[0], "no-carrier", "{seen:?}");
    let lost = back.iter().find(|r| r.what() == ("no-carrier", "up0")).expect("seen");
    assert_eq!(lost.env("OLD_STATE"), "routable");
}

#[test]
fn networkd_200_transitions_are_each_run_or_counted() {
    let Some(host) = machine("networkd_200_transitions_are_each_run_or_counted") else { return };
    unmanaged_link(&host);
    for event in ["carrier", "routable"] {
        host.recorder(event, "10-note", "");
    }
    let _daemon = host.start_daemon();
    host.await_run("carrier", "tst0");
    let count = |records: &[Record]| -> usize {
        let of = records.iter().filter(|r| r.env("LINK") == "tst0" && r.env("STARTUP") != "1");
        of.map(|r| 1 + r.env("SKIPPED").parse().unwrap_or(0)).sum()
    };
    assert_eq!(count(&host.records()), 0);
    // Each step waits for networkd, which is then told of the next at once.
    host.sh("file=/run/systemd/netif/links/50
        is() { until grep -q \"OPER_STATE=$1\" $file; do sleep 0.002; done; }
        for n in $(seq 100); do
            ip addr add 203.0.113.9/24 dev tst0; is routable
            ip addr del 203.0.113.9/24 dev tst0; is carrier
        done");
    let records = host.await_records("all of them", |records| count(records) >= 200);
    assert_eq!(count(&records), 200);
    assert_eq!(words(&records, "tst0").last().map(String::as_str), Some("carrier"));
}

#[test]
fn networkd_forged_signals_run_nothing() {
    let Some(host) = machine("networkd_forged_signals_run_nothing") else { return };
    recorders(&host);
    let daemon = host.start_daemon();
    // Of both of its states, which are events with runs of their own.
    host.await_run("routable", "up0");
    host.await_run("configured", "up0");
    let before = words(&host.records(), "up0");
    let path = format!("/org/freedesktop/network1/link/_3{}", host.ifindex("up0"));
    assert_eq!(path.len(), "/org/freedesktop/network1/link/_3N".len(), "an index of one digit");
    let body = "PropertiesChanged 'sa{sv}as' org.freedesktop.network1.Link 1 OperationalState s no-carrier 0";
    let emit = |to: &str| format!("busctl emit {to} {path} org.freedesktop.DBus.Properties {body}");
    host.sh(&emit(""));
    // And to each connection by name, the worker's among them, as any user may.
    let names = "busctl list --no-pager --no-legend --unique | cut -d' ' -f1";
    let sent =
        host.run_as("netevd", &format!("for name in $({names}); do {}; done", emit("--destination=$name")));
    assert_eq!(sent.status, 0, "{}", sent.stderr);
    daemon.await_log(&["is ignored"]);
    // What networkd says is still heard.
    host.peer("ip link set up1p down");
    host.await_run("no-carrier", "up1");
    assert_eq!(words(&host.records(), "up0"), before);
}

#[test]
fn networkd_a_new_link_is_told_from_its_first_state_to_its_last() {
    let Some(host) = machine("networkd_a_new_link_is_told_from_its_first_state_to_its_last") else { return };
    recorders(&host);
    host.recorder("linger", "10-note", "");
    let _daemon = host.start_daemon();
    host.await_run("routable", "up0");
    let text = "[Match]\nName=new0\n[Network]\nAddress=203.0.113.2/24\nGateway=203.0.113.1\nLinkLocalAddressing=no\n";
    host.write("/etc/systemd/network/20-new0.network", text, 0o644);
    host.sh("networkctl reload");
    host.veth("new0", 60);
    host.await_run("configuring", "new0");
    let records = host.await_records("new0 is set up", |records| {
        let seen = words(records, "new0");
        seen.contains(&"configured".to_owned()) && seen.contains(&"routable".to_owned())
    });
    let routable = records.iter().find(|r| r.what() == ("routable", "new0")).expect("seen");
    assert!(routable.env("JSON").contains("\"Driver\":\"veth\""), "{}", routable.env("JSON"));
    assert_eq!(routable.env("ADDRESSES"), "203.0.113.2/24");
}

/// A line of a link's operational states, each of which has the one before as its OLD_STATE.
fn operational(records: &[Record], link: &str) -> Vec<String> {
    let states = ["off", "no-carrier", "carrier", "degraded", "routable"];
    let own = |r: &&Record| r.env("LINK") == link && states.contains(&r.env("EVENT"));
    let own: Vec<&Record> = records.iter().filter(own).collect();
    let mut before = "";
    for record in &own {
        // The kernel's view has one more, in which networkd's word is another.
        if record.env("OLD_STATE") != "configured" {
            assert_eq!(record.env("OLD_STATE"), before, "{:?}", record.what());
        }
        before = record.env("STATE");
    }
    own.iter().map(|record| record.env("STATE").to_owned()).collect()
}

#[test]
fn networkd_has_the_first_word_for_a_new_link() {
    let Some(host) = machine("networkd_has_the_first_word_for_a_new_link") else { return };
    recorders(&host);
    host.recorder("off", "10-note", "");
    let _daemon = host.start_daemon();
    host.await_run("routable", "up0");
    let text = "[Match]\nName=new0\n[Network]\nAddress=203.0.113.2/24\nGateway=203.0.113.1\nLinkLocalAddressing=no\n";
    host.write("/etc/systemd/network/20-new0.network", text, 0o644);
    host.sh("networkctl reload");
    host.veth("new0", 60);
    host.await_run("routable", "new0");
    host.await_run("configured", "new0");
    let states = operational(&host.records(), "new0");
    // The kernel alone would begin with no-carrier.
    assert_eq!(states.first().map(String::as_str), Some("off"), "{states:?}");
    assert_eq!(states.iter().filter(|state| *state == "routable").count(), 1, "{states:?}");
}

#[test]
fn networkd_that_is_late_says_nothing_twice() {
    let Some(host) = machine("networkd_that_is_late_says_nothing_twice") else { return };
    recorders(&host);
    host.recorder("off", "10-note", "");
    let _daemon = host.start_daemon();
    host.await_run("routable", "up0");
    host.manager("networkd").signal("STOP");
    host.veth("tst0", 50);
    host.ip("addr add 203.0.113.9/24 dev tst0");
    host.ip("route add default via 203.0.113.1 dev tst0 metric 5000");
    // It is waited for, and then the kernel's view counts.
    let kernel = host.await_run("routable", "tst0");
    assert_eq!(kernel.env("AdministrativeState"), "configured", "by the address alone");
    host.manager("networkd").signal("CONT");
    host.await_networkd("tst0", "routable", "unmanaged");
    host.await_run("unmanaged", "tst0");
    host.ip("addr del 203.0.113.9/24 dev tst0");
    let records = host.await_records("networkd's own word", |records| {
        words(records, "tst0").last().is_some_and(|word| word == "carrier" || word == "degraded")
    });
    let states = operational(&records, "tst0");
    assert_eq!(states.iter().filter(|state| *state == "routable").count(), 1, "{states:?}");
    assert!(!states.contains(&"off".to_owned()), "{states:?}");
}
