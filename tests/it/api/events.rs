//! Events and scripts against what the scripts themselves have noted.

use super::{CONFIG, array, await_document, machine, members, texts, words};
use crate::support::Record;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The event of a run.
fn event<'a>(events: &'a [Value], record: &Record) -> &'a Value {
    let id: u64 = record.env("EVENT_ID").parse().expect("a number");
    let found = events.iter().find(|event| event["id"] == id);
    found.unwrap_or_else(|| panic!("no event {id}: {events:#?}"))
}

#[test]
fn api_events_are_what_scripts_were_told() {
    let config = CONFIG.replace(
        "routing:",
        "filters:\n  - match: { interface: br9, event: mtu }\n    action: ignore\nrouting:",
    );
    let Some(host) = machine("api_events_are_what_scripts_were_told", &config) else { return };
    for event in
        ["routable", "carrier", "no-carrier", "mtu", "address-added", "routes", "manager", "link-added"]
    {
        host.recorder(event, "10-note", "");
    }
    host.script("mtu", "20-fails", "#!/bin/sh\nexit 7\n");
    host.script("mtu", "30-dies", "#!/bin/sh\nkill -KILL $$\n");
    host.script("mtu", "40-nothing", "#!/no/such/interpreter\n");
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.3/24 dev eth0");
    host.ip("link set eth0 mtu 1400");
    host.ip("route add 10.0.0.0/8 via 192.0.2.1 metric 5 protocol static");
    host.ip("link add name br9 type bridge");
    host.ip("link set br9 mtu 1300");
    host.await_run("mtu", "eth0");
    host.await_run("routes", "eth0");
    host.await_run("link-added", "br9");
    host.ip("link set eth1 down");
    host.await_run("no-carrier", "eth1");
    let all = await_document(&host, "/api/v1/events?limit=1000", "all is over", |all| {
        array(&all["events"]).iter().all(|event| event["action"] != "running" && event["action"] != "waiting")
            && array(&all["events"]).iter().any(|event| event["action"] == "ignored")
    });
    assert_eq!(members(&all), words("events count has_more"));
    let events = array(&all["events"]);
    assert_eq!((&all["count"], &all["has_more"]), (&json!(events.len()), &json!(false)));
    let ids: Vec<u64> = events.iter().filter_map(|event| event["id"].as_u64()).collect();
    assert!(ids.is_sorted() && ids.len() == events.len());

    let records = host.records();
    assert!(records.len() >= 8, "{}", records.len());
    for record in &records {
        let event = event(events, record);
        let about = format!("{:?}: {event}", record.what());
        assert_eq!(members(event), words("id timestamp event_type interface action details scripts units"));
        let document = record.document();
        assert_eq!(event["event_type"], record.env("EVENT"), "{about}");
        assert_eq!(event["timestamp"], document["time"], "{about}");
        let link = if record.env("EVENT") == "manager" { Value::Null } else { json!(record.env("LINK")) };
        assert_eq!(event["interface"], link, "{about}");
        assert_eq!(event["action"], "done", "{about}");
        let details = &event["details"];
        assert_eq!(details["state"], record.env("STATE"), "{about}");
        assert_eq!(details["old_state"].as_str().unwrap_or_default(), record.env("OLD_STATE"), "{about}");
        assert_eq!(details["startup"], record.env("STARTUP") == "1", "{about}");
        assert_eq!(details["backend"], record.env("BACKEND"), "{about}");
        assert_eq!(details["skipped"].to_string(), record.env("SKIPPED"), "{about}");
        let run = array(&event["scripts"]).iter().find(|run| run["script"] == record.script());
        let run = run.unwrap_or_else(|| panic!("its script: {about}"));
        assert_eq!((&run["result"], &run["exit_code"]), (&json!("success"), &json!(0)), "{about}");
        assert!(run["duration_seconds"].as_f64().is_some_and(|took| took > 0.0 && took < 20.0), "{about}");
        assert!(run["started_at"].as_str() >= event["timestamp"].as_str(), "{about}");
    }

    // What belongs to one kind.
    let of = |kind: &str, link: &str| -> &Value {
        let mut found =
            events.iter().filter(|event| event["event_type"] == kind && event["interface"] == link);
        found.next_back().unwrap_or_else(|| panic!("{kind} of {link}: {events:#?}"))
    };
    assert_eq!(of("mtu", "eth0")["details"]["mtu"], json!({ "old": 1500, "new": 1400 }));
    let address = &of("address-added", "eth0")["details"]["address"];
    assert_eq!(
        (&address["ip"], &address["prefix"], &address["scope"]),
        (&json!("192.0.2.3"), &json!(24), &json!("global"))
    );
    let routes = events.iter().filter(|event| event["event_type"] == "routes");
    let changes: Vec<&Value> = routes.flat_map(|event| array(&event["details"]["routes"])).collect();
    let added = changes.iter().find(|change| change["destination"] == "10.0.0.0/8").expect("the route");
    assert_eq!(
        **added,
        json!({ "action": "added", "destination": "10.0.0.0/8", "family": "ipv4", "gateway": "192.0.2.1",
                "table": "main", "metric": 5, "protocol": "static", "scope": "global", "type": "unicast" })
    );
    let ignored = of("mtu", "br9");
    assert_eq!((&ignored["action"], &ignored["details"]["filters"]), (&json!("ignored"), &json!([1])));
    assert_eq!(ignored["scripts"], json!([]));

    // How each script ended, and the count of it.
    let ends: BTreeMap<&str, (&str, &Value, &Value)> = array(&of("mtu", "eth0")["scripts"])
        .iter()
        .map(|run| {
            let name = run["script"].as_str().and_then(|path| path.rsplit('/').next()).expect("a name");
            (name, (run["result"].as_str().expect("text"), &run["exit_code"], &run["signal"]))
        })
        .collect();
    assert_eq!(ends["20-fails"], ("failure", &json!(7), &Value::Null));
    assert_eq!(ends["30-dies"], ("failure", &Value::Null, &json!(9)));
    assert_eq!(ends["40-nothing"], ("not-started", &Value::Null, &Value::Null));
    assert_eq!(ends["10-note"].0, "success");

    // One event, and a choice of them.
    let one = of("mtu", "eth0");
    assert_eq!(host.api(&format!("/api/v1/events/{}", one["id"])), *one);
    let chosen = |query: &str| -> Vec<Value> {
        let answer = host.api(&format!("/api/v1/events?{query}"));
        assert_eq!(answer["count"], json!(array(&answer["events"]).len()));
        array(&answer["events"]).clone()
    };
    let expected =
        |is: &dyn Fn(&Value) -> bool| -> Vec<Value> { events.iter().filter(|e| is(e)).cloned().collect() };
    assert_eq!(chosen("limit=1000&interface=eth1"), expected(&|event| event["interface"] == "eth1"));
    let two = |event: &Value| event["event_type"] == "mtu" || event["event_type"] == "address-added";
    assert_eq!(chosen("limit=1000&event_type=mtu,address-added"), expected(&two));
    assert_eq!(chosen("limit=1000&event_type=mtu&event_type=address-added"), expected(&two));
    let place = one["id"].as_u64().expect("a number");
    assert_eq!(
        chosen(&format!("limit=1000&since={place}")),
        expected(&|event| event["id"].as_u64() > Some(place))
    );
    let time = one["timestamp"].as_str().expect("text");
    let later = chosen(&format!("limit=1000&since={time}"));
    assert!(later.iter().all(|event| event["timestamp"].as_str() >= Some(time)));
    assert!(later.iter().any(|event| event["event_type"] == "no-carrier"));
    // Without a place the newest, with one the oldest after it.
    assert_eq!(chosen("limit=2"), events[events.len() - 2..]);
    assert_eq!(host.api("/api/v1/events?limit=2")["has_more"], true);
    assert_eq!(chosen("limit=2&since=0"), events[..2]);
}

#[test]
fn api_scripts_are_the_files_and_their_runs() {
    let Some(host) = machine("api_scripts_are_the_files_and_their_runs", CONFIG) else { return };
    host.recorder("mtu", "10-note", "");
    host.script("mtu", "20-fails", "#!/bin/sh\nexit 7\n");
    host.write("/etc/netevd/mtu.d/30-open", "#!/bin/sh\n", 0o777);
    host.sh("ln -s /dev/null /etc/netevd/carrier.d/50-off 2>/dev/null || { mkdir -p /etc/netevd/carrier.d; ln -s /dev/null /etc/netevd/carrier.d/50-off; }
         mkdir -p /usr/lib/netevd/carrier.d /etc/netevd/routabel.d
         printf '#!/bin/sh\\n' >/usr/lib/netevd/carrier.d/50-off; chmod 755 /usr/lib/netevd/carrier.d/50-off
         touch /etc/netevd/mtu.d/60-left.bak");
    let _daemon = host.start_daemon();
    host.ip("link set eth0 mtu 1400");
    host.await_run("mtu", "eth0");
    host.ip("link set eth1 mtu 1400");
    host.await_run("mtu", "eth1");
    let all = await_document(&host, "/api/v1/scripts", "both ran twice", |all| {
        array(&all["scripts"]).iter().any(|script| script["failures"] == 2)
    });
    assert_eq!(members(&all), words("scripts count strays"));
    assert_eq!(all["count"], json!(array(&all["scripts"]).len()));
    let script = |path: &str| -> &Value {
        let found = array(&all["scripts"]).iter().find(|script| script["path"] == path);
        found.unwrap_or_else(|| panic!("{path}: {all:#}"))
    };
    let note = script("/etc/netevd/mtu.d/10-note");
    assert_eq!(members(note), words("path event_type verdict reason runs failures last_run"));
    assert_eq!(
        (&note["event_type"], &note["verdict"], &note["reason"]),
        (&json!("mtu"), &json!("runs"), &Value::Null)
    );
    assert_eq!((&note["runs"], &note["failures"]), (&json!(2), &json!(0)));
    let events = host.api("/api/v1/events?event_type=mtu");
    let mut runs = array(&events["events"]).iter().flat_map(|event| array(&event["scripts"]));
    let last = runs.rfind(|run| run["script"] == "/etc/netevd/mtu.d/10-note").expect("it ran");
    assert_eq!(note["last_run"], *last);
    let fails = script("/etc/netevd/mtu.d/20-fails");
    assert_eq!(
        (&fails["runs"], &fails["failures"], &fails["last_run"]["exit_code"]),
        (&json!(2), &json!(2), &json!(7))
    );
    let open = script("/etc/netevd/mtu.d/30-open");
    assert_eq!(
        (&open["verdict"], &open["runs"], &open["last_run"]),
        (&json!("refused"), &json!(0), &Value::Null)
    );
    assert!(open["reason"].as_str().is_some_and(|reason| reason.contains("chmod")), "{open}");
    assert_eq!(script("/usr/lib/netevd/carrier.d/50-off")["verdict"], "masked");
    assert_eq!(script("/etc/netevd/mtu.d/60-left.bak")["verdict"], "skipped");
    assert_eq!(texts(&all["strays"], "nearest"), words("routable.d"));
    // As the command line finds them itself.
    let listed = host.sh("/opt/netevd/netevd list scripts --format json || true");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(texts(&listed["scripts"], "path"), texts(&all["scripts"], "path"));
}
