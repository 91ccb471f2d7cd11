//! What a script finds: environment, arguments, standard input, descriptors, group.

use super::super::*;
use super::support::{Fixture, address, event, link, local};
use crate::model::Outcome;

#[test]
fn the_environment_is_exact_and_nothing_else_is_inherited() {
    let Some(mut fixture) = Fixture::new("environment") else { return };
    // What execve was given, before the shell adds its own.
    fixture.script("etc/configured.d/env", "#!/bin/sh\ncat /proc/$$/environ >@DIR@/env\n");
    fixture.script(
        "etc/configured.d/fds",
        "#!/bin/sh\nls /proc/self/fd | wc -l >@DIR@/fds\nls -l /proc/$$/fd >@DIR@/fdlist\necho $# \"$1\" \"$2\" >@DIR@/arguments\n",
    );
    // A descriptor that somebody forgot to close on exec.
    let leak = nix::fcntl::open("/etc/passwd", nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty());
    let leak = leak.expect("readable");
    local(async {
        fixture.submit(event(5, EventKind::Configured, 3));
        let done = fixture.finish().await;
        assert!(done.iter().all(|done| done.outcome == Outcome::Exited(0)), "{done:?}");
    });
    drop(leak);
    let raw = fixture.written("env");
    let mut found: Vec<&str> = raw.split_terminator('\0').collect();
    found.sort_unstable();
    let expected = [
        "ADDR=",
        "ADDRESSES=",
        "AdministrativeState=configured",
        "BACKEND=kernel",
        "CURRENT_ADDRESSES=",
        "CURRENT_STATE=routable",
        "EVENT=configured",
        "EVENT_ID=5",
        "IFACE=eth3",
        "IP6_ADDRS=",
        "IP_ADDRS=",
        "LINK=eth3",
        "LINKINDEX=3",
        "MAC=02:00:5e:10:00:01",
        "MTU=1500",
        "OperationalState=routable",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "SKIPPED=0",
        "STARTUP=0",
        "STATE=routable",
    ];
    assert_eq!(found, expected);
    assert_eq!(fixture.written("arguments"), "2 eth3 configured\n");
    // ls itself holds the directory that it lists.
    assert_eq!(fixture.written("fds").trim(), "4", "{}", fixture.written("fdlist"));
}

#[test]
fn three_thousand_addresses_are_complete_on_standard_input() {
    let Some(mut fixture) = Fixture::new("addresses") else { return };
    let mut facts = link(4);
    let ip =
        |n: u32| format!("2001:db8:1234:5678:9abc:def0:{:x}:{:x}", 0x1000 + (n >> 8), 0x1000 + (n & 255));
    facts.addresses = (0..3_000).map(|n| address(&ip(n), 64)).collect();
    fixture.facts.0.insert(LinkId(4), Arc::new(facts));
    // It reads late, and what it reads is whole.
    fixture.script(
        "etc/routable.d/a",
        "#!/bin/sh\nsleep 0.1\ncat >@DIR@/stdin\necho \"$ADDRESSES_TRUNCATED\" >@DIR@/cut\n",
    );
    fixture.script("etc/routable.d/b", "#!/bin/sh\ncat >@DIR@/second\n");
    fixture.script("etc/routable.d/c", "#!/bin/sh\n# reads nothing\n");
    local(async {
        fixture.submit(event(6, EventKind::Routable, 4));
        let done = fixture.finish().await;
        assert_eq!(done.len(), 3);
        assert!(done.iter().all(|done| done.outcome == Outcome::Exited(0)), "{done:?}");
    });
    let document: serde_json::Value = serde_json::from_str(&fixture.written("stdin")).expect("is JSON");
    let addresses = document["link"]["addresses"].as_array().expect("a list");
    assert_eq!(addresses.len(), 3_000);
    assert_eq!(addresses.last().map(|a| a["address"].clone()), Some(serde_json::json!(ip(2_999))));
    assert_eq!(fixture.written("cut"), "1\n");
    assert_eq!(fixture.written("second"), fixture.written("stdin"), "each script has its own beginning");
}

#[test]
fn all_scripts_of_an_event_see_the_same_values() {
    let Some(mut fixture) = Fixture::new("same") else { return };
    for name in ["a", "b"] {
        fixture.script(&format!("etc/routable.d/{name}"), "#!/bin/sh\necho \"$MTU\" >>@DIR@/mtu\n");
    }
    local(async {
        fixture.submit(event(1, EventKind::Routable, 2));
        fixture.submit(event(2, EventKind::Mtu, 2));
        let mut changed = link(2);
        changed.mtu = 9_000;
        fixture.facts.0.insert(LinkId(2), Arc::new(changed));
        fixture.script("etc/mtu.d/a", "#!/bin/sh\necho \"$MTU\" >>@DIR@/mtu\n");
        fixture.finish().await;
    });
    // The next event sees what is true when it starts.
    assert_eq!(fixture.written("mtu"), "1500\n1500\n9000\n");
}

#[test]
fn a_removed_link_keeps_its_name() {
    let Some(mut fixture) = Fixture::new("removed") else { return };
    fixture.script("etc/link-removed.d/a", "#!/bin/sh\necho \"$LINK $LINKINDEX $1\" >@DIR@/out\n");
    local(async {
        let last = Arc::new(link(8));
        fixture.facts.0.remove(&LinkId(8));
        fixture.dispatcher.link_gone(LinkId(8), last);
        fixture.submit(event(1, EventKind::LinkRemoved, 8));
        fixture.finish().await;
    });
    assert_eq!(fixture.written("out"), "eth8 8 eth8\n");
}

#[test]
fn malformed_values_are_counted() {
    let Some(mut fixture) = Fixture::new("rejected") else { return };
    let mut bad = link(2);
    bad.mac = Some("x".to_owned());
    fixture.facts.0.insert(LinkId(2), Arc::new(bad));
    fixture.script("etc/routable.d/a", "#!/bin/sh\necho \"$NETEVD_REJECTED\" >@DIR@/out\n");
    local(async {
        fixture.submit(event(1, EventKind::Routable, 2));
        fixture.finish().await;
    });
    assert_eq!(fixture.written("out"), "MAC\n");
    assert_eq!(fixture.dispatcher.counts().rejected_values, 1);
}
