//! Each field of status, interfaces, routes and rules against `ip -j` and the scripts' records.

use super::{CONFIG, array, await_document, machine, members, words};
use crate::support::{Host, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A list as a set, where order is somebody else's.
fn set(values: impl IntoIterator<Item = Value>) -> BTreeSet<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

/// Panics with what only one of the two has.
fn same(told: &BTreeSet<String>, shown: &BTreeSet<String>) {
    let (more, less): (Vec<_>, Vec<_>) = (told.difference(shown).collect(), shown.difference(told).collect());
    assert!(more.is_empty() && less.is_empty(), "only the API: {more:#?}\nonly ip: {less:#?}");
}

#[test]
fn api_status_is_what_there_is() {
    let Some(host) = machine("api_status_is_what_there_is", CONFIG) else { return };
    host.recorder("mtu", "10-note", "");
    host.script("mtu", "20-fails", "#!/bin/sh\nexit 3\n");
    let daemon = host.start_daemon();
    host.await_ours("eth1's rules", &crate::support::eth1_complete());
    host.ip("link set eth0 mtu 1400");
    let run = host.await_run("mtu", "eth0");
    let status = await_document(&host, "/api/v1/status", "both scripts have ended", |status| {
        status["scripts_failed"] == 1 && status["scripts_running"] == 0
    });
    assert_eq!(
        members(&status),
        words(
            "status problems version instance started_at uptime_seconds backend backend_state host \
             interfaces_monitored interfaces_total events_processed scripts_executed scripts_failed \
             scripts_running events_waiting rules_managed routes_managed last_event helper dry_run config \
             listeners"
        )
    );
    assert_eq!(status["status"], "ok", "{status}");
    assert_eq!(status["problems"], json!([]));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&status["backend"], &status["backend_state"], &status["host"]),
        (&json!("kernel"), &json!("none"), &json!("online"))
    );
    let links = array(&host.ip_json("link")).len();
    assert_eq!(
        (&status["interfaces_total"], &status["interfaces_monitored"]),
        (&json!(links), &json!(links - 1))
    );
    // Those of eth0's MTU; nothing else has a script.
    assert_eq!((&status["scripts_executed"], &status["events_waiting"]), (&json!(2), &json!(0)));
    let rules = host.ours().iter().filter(|line| line.starts_with("3200")).count();
    let routes = host.ours().len() - rules;
    assert_eq!((&status["rules_managed"], &status["routes_managed"]), (&json!(rules), &json!(routes)));
    assert!(rules == 2 && routes == 2);
    let events = host.api("/api/v1/events?limit=1000");
    let newest = array(&events["events"]).last().expect("events").clone();
    assert_eq!(newest["id"].to_string(), run.env("EVENT_ID"));
    for member in ["id", "timestamp", "event_type", "interface"] {
        assert_eq!(status["last_event"][member], newest[member], "{member}");
    }
    assert_eq!(status["events_processed"], events["count"], "each event is in the ring");
    assert_eq!(status["helper"], json!({ "state": "connected", "complaints": [] }));
    assert_eq!(status["dry_run"], false);
    assert_eq!(status["config"]["files"], json!(["/etc/netevd/netevd.yaml"]));
    assert_eq!(
        (&status["config"]["last_reload_successful"], &status["config"]["last_error"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        status["listeners"],
        json!([
            { "address": "unix:/run/netevd/api.sock", "state": "listening", "error": null },
            { "address": "http://127.0.0.1:9090", "state": "listening", "error": null },
        ])
    );
    // The clock's: it started before now, and runs.
    let started = status["started_at"].as_str().expect("a time").to_owned();
    assert!(started.as_str() <= newest["timestamp"].as_str().expect("a time"), "{started}");
    let uptime = status["uptime_seconds"].as_f64().expect("a number");
    wait_for("time passes", String::new, || {
        let later = host.api("/api/v1/status");
        assert_eq!(later["started_at"], started);
        later["uptime_seconds"].as_f64().is_some_and(|later| later > uptime)
    });
    let health = host.api("/health");
    assert_eq!(health["status"], "healthy", "{health}");
    assert_eq!(members(&health["checks"]), words("netlink dbus config backend helper"));
    for (check, expected) in
        [("netlink", "ok"), ("dbus", "off"), ("config", "ok"), ("backend", "off"), ("helper", "ok")]
    {
        assert_eq!(health["checks"][check]["status"], expected, "{check}: {health}");
    }
    drop(daemon);
}

#[test]
fn api_interfaces_are_those_of_ip() {
    let Some(host) = machine("api_interfaces_are_those_of_ip", CONFIG) else { return };
    host.veth("eth2", 20);
    host.sh("ip link add name br0 type bridge
         ip link set eth2 mtu 1280 master br0
         ip -6 addr add 2001:db8::5/64 dev eth0 nodad
         ip -6 addr add 2001:db8::6/64 dev eth0 nodad preferred_lft 0 valid_lft 10000
         ip link set br0 up");
    host.veth("eth3", 21);
    host.peer("ip link set eth3p down");
    let _daemon = host.start_daemon();
    let answer = await_document(&host, "/api/v1/interfaces?statistics=true", "the addresses", |answer| {
        array(&answer["interfaces"]).iter().any(|link| array(&link["addresses"]).len() == 3)
    });
    let shown = host.ip_json("-d -s addr show");
    assert_eq!(answer["count"], json!(array(&shown).len()));
    for (link, shown) in array(&answer["interfaces"]).iter().zip(array(&shown)) {
        let name = shown["ifname"].as_str().expect("a name");
        assert_eq!((&link["name"], &link["index"]), (&shown["ifname"], &shown["ifindex"]), "in ip's order");
        assert_eq!(link["mtu"], shown["mtu"], "{name}");
        assert_eq!(link["mac_address"], shown["address"], "{name}");
        let operstate = shown["operstate"].as_str().expect("text").to_ascii_lowercase();
        assert_eq!(link["operstate"], operstate, "{name}");
        let kind = match &shown["linkinfo"]["info_kind"] {
            Value::Null => &shown["link_type"],
            kind => kind,
        };
        assert_eq!(&link["type"], kind, "{name}");
        // NO-CARRIER is ip's own word for a flag that is not set; RUNNING it does not show.
        let flags = |value: &Value| -> BTreeSet<String> {
            let all = array(value).iter().filter_map(Value::as_str);
            all.filter(|flag| !["NO-CARRIER", "RUNNING"].contains(flag)).map(str::to_owned).collect()
        };
        assert_eq!(flags(&link["flags"]), flags(&shown["flags"]), "{name}");
        let addresses = array(&shown["addr_info"]).iter().map(|address| {
            let family = if address["family"] == "inet" { "ipv4" } else { "ipv6" };
            // What is not dynamic is permanent; ip leaves that word out.
            let flags: Vec<&str> = ["deprecated", "nodad", "permanent", "secondary", "tentative"]
                .into_iter()
                .filter(|flag| address[flag] == true || (*flag == "permanent" && address["dynamic"] != true))
                .collect();
            json!({ "ip": address["local"], "prefix": address["prefixlen"], "family": family,
                    "scope": address["scope"], "flags": flags })
        });
        let told = array(&link["addresses"]).iter().map(|address| {
            let mut address = address.clone();
            let mut flags: Vec<Value> = array(&address["flags"]).clone();
            flags.retain(|flag| flag != "noprefixroute");
            flags.sort_by_key(Value::to_string);
            address["flags"] = flags.into();
            address
        });
        assert_eq!(set(told), set(addresses), "{name}");
        let statistics = &link["statistics"];
        for (ours, theirs) in
            [("bytes", "bytes"), ("packets", "packets"), ("errors", "errors"), ("dropped", "dropped")]
        {
            for way in ["rx", "tx"] {
                let told = &statistics[format!("{way}_{ours}")];
                if name == "lo" {
                    assert_eq!(told, &shown["stats64"][way][theirs], "{name} {way} {ours}");
                } else {
                    assert!(told.as_u64() <= shown["stats64"][way][theirs].as_u64(), "{name} {way} {ours}");
                }
            }
        }
        let multicast = shown["stats64"]["rx"]["multicast"].as_u64();
        assert!(statistics["multicast"].as_u64() <= multicast, "{name}");
        assert_eq!(statistics["collisions"], shown["stats64"]["tx"]["collisions"], "{name}");
        assert_eq!(link["monitored"], name != "lo", "{name}");
        assert_eq!(link["managed"], name == "eth1", "{name}");
        assert_eq!(link["administrative_state"], Value::Null, "{name}: no manager");
    }
    let state = |name: &str| host.api(&format!("/api/v1/interfaces/{name}"))["state"].clone();
    assert_eq!((state("eth0"), state("eth3")), (json!("routable"), json!("no-carrier")));
    // The deprecated address is the last choice of its family.
    let eth0 = host.api("/api/v1/interfaces/eth0");
    let last = array(&eth0["addresses"]).iter().rfind(|address| address["family"] == "ipv6").expect("IPv6");
    assert_eq!(last["ip"], "2001:db8::6");
    assert_eq!(host.api("/api/v1/interfaces/eth2")["controller"], "br0");

    // Parameters choose, and without one the counters are left out.
    let names = |query: &str| -> Vec<String> {
        let answer = host.api(&format!("/api/v1/interfaces{query}"));
        assert_eq!(answer["count"], json!(array(&answer["interfaces"]).len()));
        assert!(array(&answer["interfaces"]).iter().all(|link| link["statistics"].is_null()), "{query}");
        array(&answer["interfaces"]).iter().map(|link| link["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("?type=veth"), ["eth0", "eth1", "eth2", "eth3"]);
    assert_eq!(names("?state=routable"), ["eth0", "eth1"]);
    assert_eq!(names("?state=no-carrier&type=veth"), ["eth3"]);
    assert_eq!(names("?type=wireguard"), Vec::<String>::new());
}

#[test]
fn api_an_interface_has_all_about_it() {
    let Some(host) = machine("api_an_interface_has_all_about_it", CONFIG) else { return };
    host.recorder("mtu", "10-note", "");
    host.script("mtu", "20-waits", "#!/bin/sh\nuntil [ -e /out/go ]; do sleep 0.02; done\n");
    let _daemon = host.start_daemon();
    host.await_ours("eth1's rules", &crate::support::eth1_complete());
    host.ip("link set eth1 mtu 1400");
    let run = host.await_run("mtu", "eth1");
    let eth1 = await_document(&host, "/api/v1/interfaces/eth1", "the second script runs", |eth1| {
        eth1["queue"]["script"] == "/etc/netevd/mtu.d/20-waits"
    });
    let listed = host.api("/api/v1/interfaces?statistics=true");
    let listed = array(&listed["interfaces"]).iter().find(|link| link["name"] == "eth1").expect("eth1");
    for (member, value) in listed.as_object().expect("an object") {
        if member != "statistics" {
            assert_eq!(&eth1[member], value, "{member}");
        }
    }
    assert!(eth1["statistics"]["tx_packets"].is_u64());
    let more = "problems routes rules table gateways dns_servers domains controller queue events";
    assert_eq!(members(&eth1), members(listed).union(&words(more)).copied().collect());
    assert_eq!(eth1["table"], 207);
    assert_eq!(
        eth1["gateways"],
        json!([{ "family": "ipv4", "address": "198.51.100.1", "source": "kernel", "table": null }])
    );
    assert_eq!(
        (&eth1["dns_servers"], &eth1["domains"], &eth1["controller"]),
        (&json!([]), &json!([]), &Value::Null)
    );
    // Routes and rules are those of the lists.
    let routes = host.api("/api/v1/routes?interface=eth1");
    assert_eq!(eth1["routes"], routes["routes"]);
    let shown = array(&host.ip_json("-4 route show table all dev eth1")).len()
        + array(&host.ip_json("-6 route show table all dev eth1")).len();
    assert_eq!(array(&eth1["routes"]).len(), shown);
    let rules = host.api("/api/v1/rules");
    let of_eth1: Vec<&Value> =
        array(&rules["rules"]).iter().filter(|rule| rule["interface"] == "eth1").collect();
    assert_eq!(array(&eth1["rules"]).iter().collect::<Vec<_>>(), of_eth1);
    assert_eq!(of_eth1.len(), 2);
    assert_eq!(eth1["queue"]["event"].to_string(), run.env("EVENT_ID"));
    let newest = array(&eth1["events"]).last().expect("events").clone();
    assert_eq!(newest["id"].to_string(), run.env("EVENT_ID"));
    assert_eq!(newest["action"], "running");
    host.ip("link set eth1 mtu 1300");
    await_document(&host, "/api/v1/interfaces/eth1", "one waits", |eth1| eth1["queue"]["waiting"] == 1);
    host.sh("touch /out/go");
    await_document(&host, "/api/v1/interfaces/eth1", "nothing waits", |eth1| {
        eth1["queue"] == json!({ "waiting": 0, "event": null, "script": null })
    });

    // A name is one segment, whatever is in it.
    host.ip("link add name 'w?b#' type bridge");
    await_document(&host, "/api/v1/interfaces", "it is there", |all| {
        array(&all["interfaces"]).iter().any(|link| link["name"] == "w?b#")
    });
    assert_eq!(host.api("/api/v1/interfaces/w%3Fb%23")["name"], "w?b#");
    let absent = host.get("/api/v1/interfaces/eth9");
    assert_eq!((absent.status, absent.code().as_str()), (404, "not_found"));
    assert!(absent.message().contains("eth9"), "{}", absent.message());
}

/// A route of `ip -j -d route`, in the API's words; `None` for what the API has no word for.
fn route_of_ip(route: &Value, family: &str) -> Value {
    let text = |key: &str, default: &str| route[key].as_str().unwrap_or(default).to_owned();
    let length = if family == "ipv4" { "32" } else { "128" };
    let mut destination = text("dst", "");
    if destination != "default" && !destination.contains('/') {
        destination = format!("{destination}/{length}");
    }
    let protocol = text("protocol", "boot");
    let hop = |hop: &Value| json!({ "gateway": hop["gateway"], "interface": hop["dev"] });
    let hops: Vec<Value> = route["nexthops"].as_array().into_iter().flatten().map(hop).collect();
    let first = hops.first().cloned().unwrap_or_else(|| hop(route));
    let kind = text("type", "unicast");
    // For a route that leads nowhere IPv6 shows lo.
    let nowhere = ["unreachable", "blackhole", "prohibit", "throw"].contains(&kind.as_str());
    json!({
        "destination": destination, "family": family, "type": kind, "gateway": first["gateway"],
        "interface": if nowhere { &Value::Null } else { &first["interface"] },
        "metric": route["metric"].as_u64().unwrap_or(0), "table": text("table", "main"),
        "protocol": if protocol == "110" { "netevd" } else { &protocol }, "scope": text("scope", "global"),
        "source": route["prefsrc"], "next_hops": hops, "managed": protocol == "110",
    })
}

/// The members that every route or rule has; `list` is compared with ip's words for the others.
fn plain(mut document: Value) -> Value {
    const ALWAYS: [&str; 16] = [
        "destination",
        "family",
        "type",
        "gateway",
        "interface",
        "metric",
        "table",
        "protocol",
        "scope",
        "source",
        "next_hops",
        "managed",
        "priority",
        "from",
        "to",
        "action",
    ];
    let is_route = !document["destination"].is_null();
    let object = document.as_object_mut().expect("an object");
    object.retain(|member, _| ALWAYS.contains(&member.as_str()) && !(is_route && member == "from"));
    for hop in document.get_mut("next_hops").and_then(Value::as_array_mut).into_iter().flatten() {
        let hop = hop.as_object_mut().expect("an object");
        hop.retain(|member, _| ["gateway", "interface"].contains(&member.as_str()));
    }
    document
}

fn routes_of_ip(host: &Host, words: &str) -> BTreeSet<String> {
    let of = |option: &str, family: &'static str| {
        // ip fails where a family has no such table.
        let text = host.sh(&format!("ip -j -d {option} route show {words} 2>/dev/null || true"));
        let list: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!([]));
        let routes: Vec<Value> = array(&list).iter().map(|route| route_of_ip(route, family)).collect();
        routes
    };
    set(of("-4", "ipv4").into_iter().chain(of("-6", "ipv6")))
}

#[test]
fn api_routes_are_those_of_ip() {
    let config = CONFIG.replace("policy_rules: [eth1]", "policy_rules: [eth1]\n  fallback: unreachable");
    let Some(host) = machine("api_routes_are_those_of_ip", &config) else { return };
    host.sh("ip -6 addr add 2001:db8::5/64 dev eth0 nodad
         ip -6 route add 2001:db8:1::/48 via 2001:db8::1 dev eth0 metric 77
         ip route add 203.0.113.0/24 table 4242 nexthop via 192.0.2.1 dev eth0 nexthop via 198.51.100.1 dev eth1
         ip route add 10.0.0.0/8 via 192.0.2.1 src 192.0.2.2 protocol static
         ip route add unreachable 10.9.0.0/16 table 4242 metric 5
         ip route add blackhole 10.8.0.0/16
         ip -6 route add prohibit 2001:db8:9::/48 table 4242
         ip route add 10.7.0.1 dev eth0 scope link table 1000000 protocol dhcp
         ip route add 10.6.0.0/24 via inet6 2001:db8::1 dev eth0");
    let _daemon = host.start_daemon();
    host.await_ours("eth1's table", &{
        let mut all = crate::support::eth1_complete();
        all.push("table 207: unreachable default metric 4294967295".to_owned());
        all.push("table 207: blackhole 10.8.0.0/16".to_owned());
        all
    });
    let asked = |query: &str| {
        let answer = host.api(&format!("/api/v1/routes{query}"));
        assert_eq!(members(&answer), words("routes count has_more"));
        assert_eq!(
            (&answer["has_more"], &answer["count"]),
            (&json!(false), &json!(array(&answer["routes"]).len()))
        );
        set(array(&answer["routes"]).iter().cloned().map(plain))
    };
    // `via inet6` has no gateway in ip's JSON but a `via`; it is compared by itself.
    let without = |routes: BTreeSet<String>| -> BTreeSet<String> {
        routes.into_iter().filter(|route| !route.contains("10.6.0.0/24")).collect()
    };
    let all = asked("");
    same(&without(all.clone()), &without(routes_of_ip(&host, "table all")));
    let via6 = all.iter().find(|route| route.contains("10.6.0.0/24")).expect("it is there");
    assert!(via6.contains(r#""gateway":"2001:db8::1""#), "{via6}");
    assert!(all.len() > 20);
    assert_eq!(all.iter().filter(|route| route.contains(r#""managed":true"#)).count(), 4);
    for (query, words) in [
        ("?table=4242", "table 4242"),
        ("?table=207", "table 207"),
        ("?table=1000000", "table 1000000"),
        ("?interface=eth1&table=local", "table local dev eth1"),
        ("?table=local", "table local"),
    ] {
        let table = query.rsplit('=').next().expect("a table");
        let named = |route: String| match serde_json::from_str::<Value>(&route) {
            // ip leaves out what was asked for.
            Ok(mut route) => {
                route["table"] = table.into();
                if query.contains("interface=eth1") {
                    route["interface"] = "eth1".into();
                }
                route.to_string()
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(asked(query), routes_of_ip(&host, words).into_iter().map(named).collect(), "{query}");
    }
    same(&without(asked("?table=main")), &without(routes_of_ip(&host, "")));
    assert_eq!(asked("?table=254"), asked("?table=main"));
    let v6: BTreeSet<String> =
        all.iter().filter(|route| route.contains(r#""family":"ipv6""#)).cloned().collect();
    assert_eq!(asked("?family=ipv6"), v6);
    // By a multipath route's second way as well.
    assert!(asked("?interface=eth1&table=4242").iter().any(|route| route.contains("203.0.113.0/24")));
    let few = host.api("/api/v1/routes?limit=2");
    assert_eq!((&few["count"], &few["has_more"]), (&json!(all.len()), &json!(true)));
    assert_eq!(array(&few["routes"]).len(), 2);
}

#[test]
fn api_rules_are_those_of_ip() {
    let Some(host) = machine("api_rules_are_those_of_ip", CONFIG) else { return };
    host.sh("ip rule add priority 100 from 10.0.0.0/8 to 203.0.113.7 iif eth0 lookup 4242
         ip rule add priority 200 to 10.1.0.0/16 prohibit
         ip rule add priority 210 from 10.2.0.1 blackhole protocol static
         ip rule add priority 220 unreachable iif eth1
         ip rule add priority 230 goto 32766
         ip -6 rule add priority 100 from 2001:db8::/32 lookup main");
    let _daemon = host.start_daemon();
    host.await_ours("eth1's rules", &crate::support::eth1_complete());
    let answer = host.api("/api/v1/rules");
    let of = |option: &str, family: &str| -> Vec<Value> {
        let list = host.ip_json(&format!("-d {option} rule"));
        let address = |rule: &Value, key: &str, length: &str| match (&rule[key], &rule[length]) {
            (Value::Null, _) => "all".to_owned(),
            (address, Value::Null) => address.as_str().expect("text").to_owned(),
            (address, length) => format!("{}/{length}", address.as_str().expect("text")),
        };
        let rule = |rule: &Value| {
            let protocol = rule["protocol"].as_str().unwrap_or("unspec");
            let ours = protocol == "110";
            let action = match (&rule["action"], &rule["goto"]) {
                (Value::String(action), _) => action.as_str(),
                (_, Value::Number(_)) => "goto",
                _ => "lookup",
            };
            json!({
                "priority": rule["priority"], "family": family, "from": address(rule, "src", "srclen"),
                "to": address(rule, "dst", "dstlen"), "table": rule["table"], "action": action,
                "interface": if ours { json!("eth1") } else { rule["iif"].clone() },
                "protocol": if ours { "netevd" } else { protocol }, "managed": ours,
            })
        };
        array(&list).iter().map(rule).collect()
    };
    let shown = [of("-4", "ipv4"), of("-6", "ipv6")].concat();
    let rules: Vec<Value> = array(&answer["rules"]).iter().cloned().map(plain).collect();
    assert_eq!(rules, shown, "in the same order");
    assert_eq!(answer["count"], json!(shown.len()));
    assert_eq!(shown.iter().filter(|rule| rule["managed"] == true).count(), 2);
}
