//! openapi.yaml against the running server: every path, parameter, status and field, in both directions.

use super::{CONFIG, TCP, array, await_document, machine};
use crate::support::{Answer, Host, request};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const TEXT: &str = include_str!("../../../netevd-worker/src/api/openapi.yaml");
const TOKEN: &str = "0123456789abcdef";

/// Members that this machine has no way to show: systemd, NetworkManager, leases and MPLS are not here.
const ELSEWHERE: [&str; 9] = [
    "Gateway.table",
    "Route.ttl_propagate",
    "EventDetails.connectivity",
    "EventDetails.reason",
    "EventDetails.lease",
    "UnitRun.unit",
    "UnitRun.verb",
    "UnitRun.result",
    "UnitRun.error",
];

/// The document, and which of its members were seen.
struct Description {
    root: Value,
    seen: BTreeSet<String>,
}

impl Description {
    fn read() -> Self {
        Self { root: serde_yaml::from_str(TEXT).expect("YAML"), seen: BTreeSet::new() }
    }

    /// The object itself, or what it refers to.
    fn resolved(&self, value: &Value) -> (String, Value) {
        match value["$ref"].as_str() {
            None => (String::new(), value.clone()),
            Some(place) => {
                let pointer = place.strip_prefix('#').expect("within the document");
                let found = self.root.pointer(pointer).unwrap_or_else(|| panic!("{place} is not there"));
                (place.rsplit('/').next().unwrap_or_default().to_owned(), found.clone())
            }
        }
    }

    /// Panics where a value is not as described, or has a member that is not described.
    fn check(&mut self, value: &Value, schema: &Value, at: &str) {
        if let Err(fault) = self.fault(value, schema, at) {
            panic!("{fault}");
        }
    }

    fn fault(&mut self, value: &Value, schema: &Value, at: &str) -> Result<(), String> {
        let (name, schema) = self.resolved(schema);
        for several in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[several].as_array() {
                let faults: Vec<String> =
                    choices.iter().filter_map(|choice| self.fault(value, choice, at).err()).collect();
                if faults.len() == choices.len() {
                    return Err(faults.join("; "));
                }
            }
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let permitted = match &schema["type"] {
            Value::Null => Vec::new(),
            Value::String(one) => vec![one.as_str()],
            many => array(many).iter().filter_map(Value::as_str).collect(),
        };
        let is = |one: &&str| *one == kind || (*one == "number" && kind == "integer");
        if !permitted.is_empty() && !permitted.iter().any(is) {
            return Err(format!("{at}: {value} is no {permitted:?}"));
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return Err(format!("{at}: {value} is none of {words:?}"));
        }
        let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        if value
            .as_f64()
            .is_some_and(|n| least.is_some_and(|least| n < least) || most.is_some_and(|most| n > most))
        {
            return Err(format!("{at}: {value} is out of range"));
        }
        if let Some(text) = value.as_str() {
            let is_good = match (schema["format"].as_str(), name.as_str()) {
                (Some("ipv4"), _) => text.parse::<std::net::Ipv4Addr>().is_ok(),
                (Some("ipv6"), _) => text.parse::<std::net::Ipv6Addr>().is_ok(),
                (_, "Time") => text.len() == 24 && text.ends_with('Z') && &text[10..11] == "T",
                _ => true,
            };
            if !is_good {
                return Err(format!("{at}: {value} is no {name}"));
            }
        }
        if let Some(list) = value.as_array() {
            for (n, one) in list.iter().enumerate() {
                self.fault(one, &schema["items"], &format!("{at}[{n}]"))?;
            }
        }
        if let (Some(object), Some(properties)) = (value.as_object(), schema["properties"].as_object()) {
            for (member, value) in object {
                let described = properties.get(member);
                let described = described.ok_or(format!("{at}.{member} is not described"))?;
                self.fault(value, described, &format!("{at}.{member}"))?;
                if !value.is_null() {
                    self.seen.insert(format!("{name}.{member}"));
                }
            }
            for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !object.contains_key(required) {
                    return Err(format!("{at}.{required} is missing"));
                }
            }
        }
        Ok(())
    }

    /// Each operation: method, path, and what is said of it.
    fn operations(&self) -> Vec<(String, String, Value)> {
        let paths = self.root["paths"].as_object().expect("paths");
        let of = |(path, item): (&String, &Value)| -> Vec<(String, String, Value)> {
            let methods = item.as_object().expect("methods").iter();
            methods.map(|(method, said)| (method.to_ascii_uppercase(), path.clone(), said.clone())).collect()
        };
        paths.iter().flat_map(of).collect()
    }

    /// An answer is one of those that are described for this operation.
    fn check_answer(&mut self, operation: &Value, answer: &Answer, at: &str) {
        let (_, said) = self.resolved(&operation["responses"][answer.status.to_string()]);
        assert!(!said.is_null(), "{at}: {} is not described: {}", answer.status, answer.text());
        let kind = answer.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        let content = &said["content"][kind];
        assert!(!content.is_null(), "{at}: {} as {kind} is not described", answer.status);
        if kind == "application/json" {
            self.check(&answer.json(), &content["schema"], at);
        }
    }
}

/// Requests of one operation: path and headers, to be sent by TCP, and the status that they are to have.
fn requests(method: &str, path: &str, parameters: &Value) -> Vec<(String, String, u16)> {
    let plain = match path {
        "/api/v1/interfaces/{name}" => path.replace("{name}", "eth1"),
        "/api/v1/events/{id}" => path.replace("{id}", "1"),
        other => other.to_owned(),
    };
    let right = format!("Host: {TCP}\r\nAuthorization: Bearer {TOKEN}\r\n");
    let mut all = vec![
        (plain.clone(), right.clone(), 200),
        (plain.clone(), "Host: evil.example\r\n".to_owned(), 403),
        (plain.clone(), format!("Host: {TCP}\r\nAuthorization: Bearer x\r\n"), 401),
        (format!("{plain}?no-such-parameter=1"), right.clone(), 400),
    ];
    let absent = [
        ("/api/v1/interfaces/{name}", "/api/v1/interfaces/eth9"),
        ("/api/v1/events/{id}", "/api/v1/events/999999"),
    ];
    all.extend(
        absent.iter().filter(|(of, _)| *of == path).map(|(_, path)| ((*path).to_owned(), right.clone(), 404)),
    );
    let good: BTreeMap<&str, &str> = [
        ("state", "routable"),
        ("type", "veth"),
        ("statistics", "true"),
        ("interface", "eth1"),
        ("table", "main"),
        ("family", "ipv4"),
        ("limit", "10"),
        ("event_type", "routable,mtu"),
        ("since", "0"),
        ("tail", "3"),
        ("dry_run", "true"),
    ]
    .into();
    for parameter in parameters.as_array().into_iter().flatten().filter(|one| one["in"] == "query") {
        let name = parameter["name"].as_str().expect("a name");
        let value = if path.ends_with("/stream") && name == "since" { "1-1" } else { good[name] };
        all.push((format!("{plain}?{name}={value}"), right.clone(), 200));
        all.push((format!("{plain}?{name}=%20"), right.clone(), 400));
    }
    if method == "POST" {
        // The dry run alone: the others would reload under the next requests.
        all.retain(|(path, _, status)| *status != 200 || path.contains("dry_run=true"));
    }
    all
}

/// Sends it; of a stream the head is enough.
fn ask(host: &Host, method: &str, path: &str, headers: &str) -> Answer {
    if method == "GET" && path.contains("/stream") {
        let by_head = host.ask_as(0, TCP, &request("HEAD", path, headers)).expect("an answer");
        if by_head.status == 200 {
            return by_head;
        }
    }
    host.ask_as(0, TCP, &request(method, path, headers)).expect("an answer")
}

#[test]
fn api_is_as_openapi_describes_it() {
    let config = CONFIG.replace("{ enabled: true }", "{ enabled: true, token_file: /etc/netevd/token }")
        + "filters:\n  - match: { interface: br9, event: mtu }\n    action: ignore\n";
    let Some(host) = machine("api_is_as_openapi_describes_it", &config) else { return };
    host.write("/etc/netevd/token", TOKEN, 0o640);
    host.sh("chgrp netevd /etc/netevd/token || true");
    host.recorder("mtu", "10-note", "");
    host.recorder("routes", "10-note", "");
    host.script("mtu", "20-dies", "#!/bin/sh\nkill -KILL $$\n");
    host.script("mtu", "30-nothing", "#!/no/such/interpreter\n");
    host.write("/etc/netevd/mtu.d/40-open", "#!/bin/sh\n", 0o777);
    // Those of the start do not wait.
    host.sh("touch /out/go");
    host.script("address-added", "10-slow", "#!/bin/sh\nuntil [ -e /out/go ]; do sleep 0.02; done\n");
    host.veth("eth2", 20);
    host.sh("mkdir -p /etc/netevd/routabel.d
         ip link add name br9 type bridge; ip link set eth2 master br9
         ip route add 203.0.113.0/24 table 4242 nexthop via 192.0.2.1 dev eth0 nexthop via 198.51.100.1 dev eth1
         ip rule add priority 100 iif eth0 lookup 4242
         ip rule add priority 101 not from 203.0.113.7 fwmark 0x1/0xff iif no-such oif eth0 uidrange 0-9 ipproto tcp sport 80 dport 90-99 tos 0x04 goto 102
         ip rule add priority 103 l3mdev
         ip rule add priority 104 tun_id 5 lookup 4242 realms 3/4 suppress_prefixlength 0 suppress_ifgroup 7
         ip nexthop add id 30 via 198.51.100.1 dev eth1
         ip route add 203.0.113.0/25 table 4242 tos 0x04 nhid 30
         ip route add 203.0.113.128/26 table 4242 via 172.31.1.1 dev eth1 onlink mtu lock 1400 realm 4
         ip route add 203.0.113.208/28 table 4242 encap ip dst 192.0.2.9 dev eth1
         ip route add 203.0.113.224/28 table 4242 nexthop encap ip dst 192.0.2.9 dev eth1 nexthop via 192.0.2.1 dev eth0 realm 5
         ip addr add 203.0.113.6 peer 203.0.113.5 dev eth1
         ip -6 route add default from 2001:db8:9::/64 dev eth1 table 4242 expires 3600");
    let daemon = host.start_daemon();
    for gateway in ["198.51.100.9", "198.51.100.1"] {
        host.ip(&format!("route replace default via {gateway} dev eth1 metric 200"));
    }
    host.ip("link set eth1 mtu 1400");
    host.ip("link set br9 mtu 1400");
    host.ip("route add 10.0.0.0/8 via 198.51.100.1");
    host.await_run("mtu", "eth1");
    host.await_run("routes", "eth1");
    host.sh("rm /out/go");
    // Its script goes on while the documents are read: the queue has all its members.
    host.ip("addr add 198.51.100.7/24 dev eth1");
    host.ip("addr add 198.51.100.8/24 dev eth1");
    // The second stands for the first.
    host.ip("link set eth1 mtu 1401");
    host.ip("link set eth1 mtu 1402");
    await_document(&host, "/api/v1/interfaces/eth1", "a script runs", |eth1| {
        !eth1["queue"]["script"].is_null()
    });
    let mut described = Description::read();

    let mut statuses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (method, path, operation) in described.operations() {
        let key = format!("{method} {path}");
        for (place, headers, expected) in requests(&method, &path, &operation["parameters"]) {
            let at = format!("{method} {place}");
            let answer = ask(&host, &method, &place, &headers);
            assert_eq!(answer.status, expected, "{at}: {}", answer.text());
            if answer.body.is_empty() {
                continue;
            }
            described.check_answer(&operation, &answer, &at);
            statuses.entry(key.clone()).or_default().insert(expected.to_string());
        }
        // Another method is refused, and told which is right.
        let other = if method == "GET" { "POST" } else { "GET" };
        let answer = ask(
            &host,
            other,
            &path.replace("{name}", "eth1").replace("{id}", "1"),
            &format!("Host: {TCP}\r\nAuthorization: Bearer {TOKEN}\r\n"),
        );
        assert_eq!(answer.status, 405, "{other} {path}");
    }

    // A body that is too long, and one that does not come.
    let operation = described.root["paths"]["/api/v1/reload"]["post"].clone();
    for (length, expected) in [(100_000, 413), (10, 408)] {
        let text = request("POST", "/api/v1/reload?dry_run=true", &format!("Content-Length: {length}\r\n"));
        let answer = Answer::parse(&host.exchange(text.as_bytes()));
        assert_eq!(answer.status, expected);
        described.check_answer(&operation, &answer, "a body");
        statuses.entry("POST /api/v1/reload".to_owned()).or_default().insert(expected.to_string());
    }

    // The stream's messages are events.
    let event = json!({ "$ref": "#/components/schemas/Event" });
    let mut reader = super::stream::Reader::open(&host, "/api/v1/events/stream?tail=1000", "");
    described.check(&reader.next().expect("a message").1, &event, "stream");
    host.sh("touch /out/go");
    let all = host.api("/api/v1/events?limit=1000");
    described.check(&all, &json!({ "$ref": "#/components/schemas/Events" }), "events");
    // A faulty configuration: refused with each problem; status and health say so.
    host.config("system: { backend: kernel }\nsytem: {}\n");
    let refused = host.ask("POST", "/api/v1/reload", "");
    assert_eq!((refused.status, refused.code().as_str()), (400, "invalid_configuration"));
    let problems = &refused.json()["error"]["details"]["problems"];
    assert!(!array(problems).is_empty());
    described.check(
        problems,
        &json!({ "type": "array", "items": { "$ref": "#/components/schemas/Problem" } }),
        "problems",
    );
    assert_eq!((&problems[0]["line"], &problems[0]["column"]), (&json!(2), &json!(1)), "{problems}");
    let status = host.api("/api/v1/status");
    described.check(&status, &json!({ "$ref": "#/components/schemas/Status" }), "status");
    let health = host.get("/health");
    let operation = described.root["paths"]["/health"]["get"].clone();
    described.check_answer(&operation, &health, "unhealthy");
    statuses.entry("GET /health".to_owned()).or_default().insert(health.status.to_string());
    let overview = reader.await_state(|state| state["health"] == "unhealthy");
    described.check(&overview, &json!({ "$ref": "#/components/schemas/Overview" }), "overview");
    assert_eq!(overview["problems"], status["problems"]);
    // Without metrics there are none; with a port in use a listener has a fault.
    host.config(&(config.replace("port: 9090", "") + "metrics: { enabled: false }\n"));
    assert_eq!(host.ask("POST", "/api/v1/reload", "").status, 200);
    await_document(&host, "/api/v1/status", "the reload is done", |status| {
        status["config"]["last_reload_successful"] == true
    });
    let metrics = host.get("/metrics");
    assert_eq!(metrics.status, 404);
    statuses.entry("GET /metrics".to_owned()).or_default().insert("404".to_owned());
    host.sh("rm /etc/netevd/token");
    host.ask("POST", "/api/v1/reload", "");
    let failed =
        await_document(&host, "/api/v1/status", "a listener failed", |status| status["status"] == "degraded");
    described.check(&failed, &json!({ "$ref": "#/components/schemas/Status" }), "degraded");

    // Every status that is described was seen, but for a kernel and a loop that do not answer.
    for (method, path, operation) in described.operations() {
        let key = format!("{method} {path}");
        let said: BTreeSet<String> =
            operation["responses"].as_object().expect("responses").keys().cloned().collect();
        let mut open: BTreeSet<String> = said.difference(&statuses[&key]).cloned().collect();
        open.remove("500");
        if path != "/health" {
            open.remove("503");
        }
        if path.ends_with("/stream") {
            open.remove("200");
        }
        assert!(open.is_empty(), "{key} never answered {open:?}");
    }
    // And every member, with a value.
    let schemas = described.root["components"]["schemas"].as_object().expect("schemas");
    let mut unseen = BTreeSet::new();
    for (name, schema) in schemas {
        for member in schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys()) {
            let full = format!("{name}.{member}");
            if !described.seen.contains(&full) && !ELSEWHERE.contains(&full.as_str()) {
                unseen.insert(full);
            }
        }
    }
    // Of the kernel backend nobody knows these.
    for absent in ["administrative_state", "controller", "dns_servers", "domains"] {
        unseen.remove(&format!("InterfaceDetail.{absent}"));
        unseen.remove(&format!("Interface.{absent}"));
    }
    assert!(unseen.is_empty(), "described and never seen: {unseen:?}");
    drop(daemon);
}

#[test]
fn api_serves_its_own_description() {
    let Some(host) = machine("api_serves_its_own_description", CONFIG) else { return };
    let _daemon = host.start_daemon();
    for path in ["/openapi.yaml", "/api/v1/openapi.yaml"] {
        assert_eq!(host.get(path).text(), TEXT, "{path}");
    }
    let described = Description::read();
    let words = described.root["components"]["schemas"]["EventType"]["enum"].clone();
    let refused = host.get("/api/v1/events?event_type=x").message();
    for word in array(&words) {
        assert!(refused.contains(word.as_str().expect("text")), "{word}: {refused}");
    }
}
