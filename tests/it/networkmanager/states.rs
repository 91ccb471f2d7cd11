//! Device states and the host's state.

use super::machine;
use crate::support::{Host, Record, wait_for};

/// The states of a connection that goes and comes.
const ROUND: [&str; 8] = [
    "activated",
    "disconnected",
    "deactivating",
    "prepare",
    "config",
    "ip-config",
    "ip-check",
    "secondaries",
];

/// The `nth` run for this event and link, from 0.
fn nth(records: &[Record], what: (&str, &str), nth: usize) -> Option<Record> {
    records.iter().filter(|record| record.what() == what).nth(nth).cloned()
}

#[test]
fn networkmanager_a_connection_goes_and_comes() {
    let test = "networkmanager_a_connection_goes_and_comes";
    let Some(host) = machine(test, &ROUND) else { return };
    let _daemon = host.start_daemon();
    let uuid = host.sh("nmcli -g connection.uuid connection show nm1").trim().to_owned();

    // What was there before the daemon.
    let nm0 = host.await_run("activated", "nm0");
    assert_eq!(
        (nm0.env("STARTUP"), nm0.env("NM_STATE"), nm0.env("NM_CONNECTION_ID")),
        ("1", "activated", "nm0")
    );
    assert_eq!((nm0.env("DNS"), nm0.env("DOMAINS")), ("198.18.0.1", "nm0.example"));
    assert_eq!((nm0.env("GATEWAY"), nm0.env("BACKEND")), ("198.18.0.1", "NetworkManager"));
    let nm1 = host.await_run("activated", "nm1");
    assert_eq!((nm1.env("DNS"), nm1.env("DOMAINS"), nm1.env("GATEWAY")), ("198.18.1.1", "nm1.example", ""));
    let document = nm1.document();
    assert_eq!(document["schema"], "netevd.event.v1");

    host.sh("nmcli connection down nm1");
    let down = host.await_run("disconnected", "nm1");
    // `deactivating` lasts as long as NetworkManager takes addresses away: it ran, or was over before its turn and
    // is counted by the run for what came after it. Nothing that comes later may be left out, for from
    // `disconnected` each state is higher than the one before.
    let mut events = vec!["activated", "deactivating", "disconnected"];
    if down.env("SKIPPED") == "1" {
        events.remove(1);
    }
    assert_eq!((down.env("STATE"), down.env("OLD_STATE")), ("disconnected", "deactivating"));
    assert_eq!((down.env("NM_STATE"), down.env("NM_REASON")), ("disconnected", "user-requested"));
    assert_eq!((down.env("NM_CONNECTION_ID"), down.env("NM_CONNECTION_UUID")), ("nm1", uuid.as_str()));
    assert_eq!((down.env("NM_DEVICE_TYPE"), down.env("STARTUP")), ("veth", "0"));

    host.sh("nmcli connection up nm1");
    let records =
        host.await_records("activated once more", |records| nth(records, ("activated", "nm1"), 1).is_some());
    let up = nth(&records, ("activated", "nm1"), 1).expect("just seen");
    assert_eq!(
        (up.env("NM_STATE"), up.env("NM_REASON"), up.env("OLD_STATE")),
        ("activated", "none", "secondaries")
    );
    assert_eq!((up.env("NM_CONNECTION_ID"), up.env("NM_CONNECTION_UUID")), ("nm1", uuid.as_str()));
    assert_eq!((up.env("DNS"), up.env("ADDR")), ("198.18.1.1", "198.18.1.2"));
    events.extend(["prepare", "config", "ip-config", "ip-check", "secondaries", "activated"]);
    assert_eq!(super::events(&host, "nm1"), events);
}

#[test]
fn networkmanager_the_other_side_goes_down() {
    let test = "networkmanager_the_other_side_goes_down";
    let Some(host) = machine(test, &["no-carrier", "unavailable", "activated", "carrier"]) else { return };
    let _daemon = host.start_daemon();
    host.await_run("activated", "nm0");
    host.peer("ip link set nm0p down");
    // The kernel's word comes at once, NetworkManager's after some seconds.
    host.await_run("no-carrier", "nm0");
    let gone = host.await_run("unavailable", "nm0");
    assert_eq!((gone.env("NM_REASON"), gone.env("NM_CONNECTION_ID")), ("carrier", "nm0"));
    host.peer("ip link set nm0p up");
    host.await_records("activated again", |records| nth(records, ("activated", "nm0"), 1).is_some());
    host.await_run("carrier", "nm0");
}

#[test]
fn networkmanager_the_host_s_state() {
    let Some(host) = machine("networkmanager_the_host_s_state", &["manager"]) else { return };
    let _daemon = host.start_daemon();
    let is = |record: &Record, state: &str| record.env("EVENT") == "manager" && record.env("STATE") == state;
    let records = host
        .await_records("the state at the start", |records| records.iter().any(|r| is(r, "connected-global")));
    let first = records.iter().find(|record| is(record, "connected-global")).expect("just seen");
    assert_eq!((first.env("LINK"), first.env("NM_STATE")), ("", "connected-global"));
    assert_eq!(first.env("NM_CONNECTIVITY"), "full");
    host.sh("nmcli networking off");
    host.await_records("asleep", |records| records.iter().any(|record| is(record, "asleep")));
    host.sh("nmcli networking on");
    let back = |records: &[Record]| {
        let asleep = records.iter().position(|record| is(record, "asleep"));
        asleep.is_some_and(|at| records[at..].iter().any(|record| is(record, "connected-global")))
    };
    host.await_records("connected again", back);
}

#[test]
fn networkmanager_a_flapping_connection_ends_as_it_is() {
    let test = "networkmanager_a_flapping_connection_ends_as_it_is";
    let Some(host) = machine(test, &ROUND) else { return };
    let _daemon = host.start_daemon();
    host.await_run("activated", "nm1");
    let at_first = super::events(&host, "nm1").len();
    host.sh("for i in 1 2 3 4 5 6 7 8 9 10; do nmcli connection down nm1; nmcli connection up nm1; done >/dev/null");
    // Eight changes a round, each one a run or counted by the run after it.
    let counted = |records: &[Record]| {
        let own = records.iter().filter(|record| record.env("LINK") == "nm1").skip(at_first);
        own.map(|record| 1 + record.env("SKIPPED").parse::<usize>().unwrap_or_default()).sum::<usize>()
    };
    host.await_records("eighty changes", |records| counted(records) >= 80);
    let records = host.records();
    assert_eq!(counted(&records), 80);
    let last = records.iter().rfind(|record| record.env("LINK") == "nm1").expect("seen");
    assert_eq!((last.env("EVENT"), last.env("DNS")), ("activated", "198.18.1.1"));
}

/// A script that waits for /out/go, of the link `nm1` alone.
const WAITS: &str = "#!/bin/sh\n[ \"$LINK\" = nm1 ] || exit 0\ntouch /out/waiting\nuntil [ -e /out/go ]; do sleep 0.02; done\n";

/// Makes the waiting script wait, does `act`, lets it go, and returns what ran on nm1 after it.
fn behind_a_slow_script(host: &Host, act: &str, last: &str) -> Vec<String> {
    host.sh("rm -f /out/waiting /out/go; ip addr add 198.18.1.77/32 dev nm1");
    wait_for("the slow script", || host.log(), || host.path("/out/waiting").exists());
    let before = super::events(host, "nm1").len();
    host.sh(act);
    // Another link says when the daemon has read what the manager said.
    host.sh("touch /out/go; ip addr del 198.18.1.77/32 dev nm1 2>/dev/null || true");
    let since = || super::events(host, "nm1").split_off(before);
    wait_for(last, || host.log(), || since().iter().any(|event| event == last));
    since()
}

#[test]
fn networkmanager_states_that_end_something_run_behind_a_slow_script() {
    let test = "networkmanager_states_that_end_something_run_behind_a_slow_script";
    let ends = ["failed", "disconnected", "deactivating", "unmanaged", "unavailable"];
    let Some(host) = machine(test, &ends) else { return };
    host.recorder("activated", "10-record", "");
    host.script("address-added", "10-wait", WAITS);
    host.sh("touch /out/go");
    let _daemon = host.start_daemon();
    host.await_run("activated", "nm1");

    // As at sleep: three states within a millisecond. (Sleep itself leaves veths alone.)
    let networking = |on: &str, state: &str| {
        format!(
            "nmcli networking {on}; timeout 30 sh -c 'until nmcli -g DEVICE,STATE device | grep -qx nm1:{state}; \
             do sleep 0.05; done'"
        )
    };
    let ran = behind_a_slow_script(&host, &networking("off", "unmanaged"), "unmanaged");
    assert_eq!(ran, ["deactivating", "disconnected", "unmanaged"]);
    host.sh(&networking("on", "connected"));
    host.await_records("activated", |_| {
        super::events(&host, "nm1").last().is_some_and(|last| last == "activated")
    });

    // An activation that fails: nothing answers DHCP on this link.
    host.sh(
        "nmcli connection modify nm1 ipv4.method auto ipv4.addresses '' ipv4.gateway '' ipv4.may-fail no \
             ipv4.dhcp-timeout 1 ipv6.method disabled connection.autoconnect no",
    );
    let ran = behind_a_slow_script(&host, "nmcli connection up nm1 || true", "disconnected");
    let tail: Vec<&str> = ran.iter().map(String::as_str).skip_while(|event| *event != "failed").collect();
    assert_eq!(tail, ["failed", "disconnected"], "{ran:?}");
}
