//! Each kind of record against the kernel and the scripts' own records.

use super::{LOG, await_record, machine, mode, records, verify};
use crate::support::Host;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the records say of rules and routes, all that was added and not deleted again.
fn standing(all: &[Value]) -> BTreeSet<String> {
    let mut standing = BTreeSet::new();
    for record in all.iter().filter(|record| record["result"] == "success") {
        if record["event_type"] != "rule_change" && record["event_type"] != "route_change" {
            continue;
        }
        let resource = record["resource"].as_str().expect("text").to_owned();
        match record["action"].as_str() {
            Some("add") => standing.insert(resource),
            _ => standing.remove(&resource),
        };
    }
    standing
}

/// What ip shows of netevd's, in the log's words.
fn shown(host: &Host) -> BTreeSet<String> {
    let ours = host.ours();
    let words = ours.iter().map(|line| match line.split_once(": ") {
        Some((table, route)) if table.starts_with("table") => {
            // A record names a link where there is no gateway, and by its index.
            let link = if route.contains(" via ") { "" } else { " dev 7" };
            let route = route.replace(" dev eth1", link).replace(" scope link", "");
            format!("{route} {table}")
        }
        Some((_, rule)) => rule.to_owned(),
        None => line.clone(),
    });
    words.collect()
}

#[test]
fn audit_records_are_what_happened() {
    let Some(host) = machine("audit_records_are_what_happened") else { return };
    for event in ["routable", "address-added", "address-removed", "no-carrier", "mtu"] {
        host.recorder(event, "10-note", "");
    }
    host.script("mtu", "20-fails", "#!/bin/sh\nexit 7\n");
    let daemon = host.start_daemon();
    host.ip("addr add 198.51.100.3/24 dev eth1");
    await_record(&host, "the second address has its rule", |record| {
        record["resource"] == "to 198.51.100.3 lookup 207"
    });
    assert_eq!(standing(&records(&host, LOG)), shown(&host), "rules and routes");
    host.ip("addr del 198.51.100.3/24 dev eth1");
    host.ip("link set eth1 mtu 1400");
    await_record(&host, "the failure", |record| record["details"]["exit_code"] == 7);
    await_record(&host, "the rule is gone", |record| {
        record["resource"] == "to 198.51.100.3 lookup 207" && record["action"] == "delete"
    });
    assert_eq!(standing(&records(&host, LOG)), shown(&host), "rules and routes after deletions");
    // From here on the kernel itself drops routes.
    host.ip("link set eth1 down");
    await_record(&host, "the script of no-carrier", |record| {
        record["event_type"] == "script_execution" && record["details"]["event_type"] == "no-carrier"
    });
    let stopped = daemon.stop();
    assert_eq!(stopped.status, 0);
    let all = records(&host, LOG);

    // Numbers and times rise; every kind that needs no API is there.
    let ids: Vec<u64> = all.iter().filter_map(|record| record["id"].as_u64()).collect();
    assert_eq!(ids, (1..=u64::try_from(all.len()).expect("few")).collect::<Vec<_>>());
    let kinds: BTreeSet<&str> = all.iter().filter_map(|record| record["event_type"].as_str()).collect();
    for kind in [
        "interface_change",
        "network_event",
        "script_execution",
        "route_change",
        "rule_change",
        "config_change",
    ] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }

    // Scripts: one record a run, with the event's number and link.
    let ran = |record: &&Value| record["action"] == "run";
    let mut written: Vec<(String, String, String)> = all
        .iter()
        .filter(ran)
        .filter(|record| record["resource"].as_str().is_some_and(|path| path.ends_with("10-note")))
        .map(|record| {
            let details = &record["details"];
            assert_eq!(record["result"], "success");
            assert!(
                details["duration_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0 && seconds < 20.0)
            );
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            (details["event_id"].to_string(), text(&details["event_type"]), text(&details["interface"]))
        })
        .collect();
    let mut noted: Vec<(String, String, String)> = host
        .records()
        .iter()
        .map(|record| {
            let env = |name: &str| record.env(name).to_owned();
            (env("EVENT_ID"), env("EVENT"), env("LINK"))
        })
        .collect();
    written.sort();
    noted.sort();
    assert!(noted.len() > 5);
    assert_eq!(written, noted);
    let failed: Vec<&Value> = all.iter().filter(ran).filter(|record| record["result"] == "failure").collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["resource"], "/etc/netevd/mtu.d/20-fails");

    // Each script's event is a record, too, of the link, before it.
    for (id, event, link) in &noted {
        let is_of = |record: &Value| {
            record["details"]["event_id"].as_u64().map(|id| id.to_string()).as_ref() == Some(id)
        };
        let position = |is: &dyn Fn(&Value) -> bool| all.iter().position(is);
        let told =
            position(&|record| record["action"] == *event && is_of(record) && record["resource"] == *link);
        let ran = position(&|record| record["action"] == "run" && is_of(record));
        assert!(told.is_some() && told < ran, "{id} {event} {link}");
    }
    assert_eq!(mode(&host, LOG), 0o640);
    let verified = verify(&host, &[]);
    assert_eq!(verified.status, 0, "{verified:?}");
}

#[test]
fn audit_tampering_is_found() {
    let Some(host) = machine("audit_tampering_is_found") else { return };
    let daemon = host.start_daemon();
    await_record(&host, "rules", |record| record["event_type"] == "rule_change");
    let log = daemon.stop().log;
    let head = log.lines().rev().find_map(|line| line.split_once("audit: head ")).expect("a head").1;
    let (id, hash) = head.split_once(' ').expect("two words");
    let text = host.read(LOG);
    let count = text.lines().count();
    assert_eq!(id, count.to_string());
    let whole = verify(&host, &["--head", hash]);
    assert_eq!(whole.status, 0, "{whole:?}");
    assert!(whole.stdout.contains(&format!("whole: {count} records")), "{whole:?}");

    let broken = |text: &str, arguments: &[&str], expected: &str| {
        host.write(LOG, text, 0o640);
        let found = verify(&host, arguments);
        assert_eq!(found.status, 1, "{expected}: {found:?}");
        assert!(found.stdout.contains(expected), "{expected}: {found:?}");
    };
    broken(&text.replacen("198.51.100.2", "198.51.100.9", 1), &[], "audit.log:");
    let without: String =
        text.lines().enumerate().filter(|(n, _)| *n != 2).map(|(_, line)| format!("{line}\n")).collect();
    broken(&without, &[], "audit.log:3: record 4: it was written behind");
    // The end cut off is whole in itself, and is not what the journal says.
    let cut: String = text.lines().take(count - 1).map(|line| format!("{line}\n")).collect();
    host.write(LOG, &cut, 0o640);
    assert_eq!(verify(&host, &[]).status, 0);
    broken(&cut, &["--head", hash], "no line has the hash");
    let json = verify(&host, &["--head", hash, "--format", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((&json["result"], &json["records"]), (&"broken".into(), &(count - 1).into()));

    // The daemon tells it at its start as well.
    host.write(LOG, &without, 0o640);
    host.sh(&format!("chown netevd:netevd {LOG} || true"));
    let daemon = host.start_daemon();
    daemon.await_log(&["does not verify", "line 3"]);
}
