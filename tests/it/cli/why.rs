//! `netevd why`, judged by `ip route get`.

use super::{json, netevd, shown};
use crate::support::{Host, wait_for};
use serde_json::{Value, json as value};

/// What is asked, the rule and the table that decide, and whose the route is.
type Case<'a> = (&'a str, u32, &'a str, &'a str);

/// The same way as ip names, by the same route.
fn agrees_with_ip(host: &Host, words: &str, why: &Value) {
    let family = if words.contains(':') { "-6 " } else { "" };
    let way = &host.ip_json(&format!("{family}route get {words}"))[0];
    assert_eq!((&why["interface"], &why["gateway"]), (&way["dev"], &way["gateway"]), "{words}: {way}\n{why}");
    let route = &host.ip_json(&format!("{family}-d route get fibmatch {words}"))[0];
    let destination = why["route"]["destination"].as_str().expect("a destination");
    let short = destination.trim_end_matches("/32").trim_end_matches("/128");
    assert_eq!((&value!(short), &why["table"]), (&route["dst"], &route["table"]), "{words}: {route}\n{why}");
}

fn check(host: &Host, (words, rule, table, of): Case<'_>) -> Value {
    let why = json(host, &format!("why {words}"));
    assert_eq!((&why["rule"]["priority"], &why["table"]), (&value!(rule), &value!(table)), "{words}: {why}");
    assert_eq!(why["route_of"], of, "{words}: {why}");
    agrees_with_ip(host, words, &why);
    why
}

/// The priorities of the rules that brought nothing.
fn passed(why: &Value) -> Vec<u64> {
    let rules = why["passed"].as_array().expect("a list").iter();
    rules.map(|rule| rule["priority"].as_u64().expect("a priority")).collect()
}

/// `netevd why` where there is no way: status 1, and the kernel's reason.
fn no_way(host: &Host, words: &str, reason: &str) -> Value {
    let output = netevd(host, &format!("why {words} --format json"));
    assert_eq!(output.status, 1, "{words}: {}{}", output.stdout, output.stderr);
    let why: Value = serde_json::from_str(&output.stdout).expect("JSON all the same");
    assert!(why["error"].as_str().is_some_and(|error| error.contains(reason)), "{words}: {why}");
    let of_ip = host.run(&["sh", "-c", &format!("ip route get {words}")]);
    assert!(of_ip.status != 0 && of_ip.stderr.contains(reason), "{words}: {}{}", of_ip.stdout, of_ip.stderr);
    why
}

const MANUAL: &str = "of ip(8) or a program that gave no name";

#[test]
fn cli_why_names_what_decides() {
    let Some(host) = Host::new("cli_why_names_what_decides") else { return };
    host.two_uplinks();
    host.veth("wg0", 20);
    host.ip("addr add 10.64.0.2/32 dev wg0");
    host.ip("-6 addr add 2001:db8:b::2/64 dev eth1 nodad");
    host.ip("-6 route add default via fe80::b1 dev eth1");
    host.ip("rule add priority 200 lookup main suppress_prefixlength 0");
    host.ip("rule add priority 201 fwmark 0x1/0xff lookup 77");
    host.ip("route add default via 192.0.2.99 dev eth0 table 77");
    let daemon = host.start_daemon();
    wait_for(
        "both families are complete",
        || host.ip("-6 rule"),
        || host.ip("-6 rule").contains("32003:") && host.ip("rule").contains("32003:"),
    );
    check(&host, ("203.0.113.9", 32766, "main", MANUAL));
    let local = check(&host, ("192.0.2.77", 200, "main", "of the kernel"));
    assert_eq!((&local["source"], passed(&local)), (&value!("192.0.2.2"), vec![0]), "{local}");
    check(&host, ("198.51.100.2", 0, "local", "of the kernel"));
    check(&host, ("203.0.113.9 mark 0x101", 201, "77", MANUAL));
    check(&host, ("198.51.100.2 from 198.51.100.1 iif eth1", 0, "local", "of the kernel"));
    check(&host, ("2001:db8:9::9 from 2001:db8:b::2", 32002, "207", "netevd's"));
    let ours = check(&host, ("203.0.113.9 from 198.51.100.2", 32002, "207", "netevd's"));
    assert_eq!(ours["gateway_source"], "kernel", "{ours}");
    assert_eq!(passed(&ours), [0, 200], "{ours}");
    assert_eq!(ours["main_route"]["gateway"], "192.0.2.1", "{ours}");
    assert_eq!((&ours["behind"], &ours["problems"]), (&Value::Null, &value!([])), "{ours}");
    let text = shown(&host, "why 203.0.113.9 from 198.51.100.2");
    for part in [
        "203.0.113.9 from 198.51.100.2: through eth1 via 198.51.100.1\n",
        "32002: from 198.51.100.2 lookup 207 (netevd's)",
        "198.51.100.1 from a default route of the kernel",
        "main has     default via 192.0.2.1 dev eth0",
        "200: from all lookup main suppress_prefixlength 0",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }

    // Somebody's rule in front.
    host.ip("route add default dev wg0 table 52");
    host.ip("rule add priority 5270 lookup 52");
    wait_for("the daemon has seen it", String::new, || {
        json(&host, "why 203.0.113.9 from 198.51.100.2")["problems"][0].is_string()
    });
    let taken = check(&host, ("203.0.113.9 from 198.51.100.2", 5270, "52", MANUAL));
    assert_eq!(taken["behind"]["priority"], 32002, "{taken}");
    let text = shown(&host, "why 203.0.113.9 from 198.51.100.2");
    assert!(text.contains("is in front of netevd's for this packet: 32002:"), "{text}");
    host.ip("rule del priority 5270");

    // Without a daemon the kernel's part is the same.
    assert_eq!(daemon.stop().status, 0);
    let alone = check(&host, ("203.0.113.9 from 198.51.100.2", 32002, "207", "netevd's"));
    assert_eq!(alone["gateway_source"], Value::Null);
}

#[test]
fn cli_why_knows_marks_fronts_and_sources_of_gateways() {
    let name = "cli_why_knows_marks_fronts_and_sources_of_gateways";
    let Some(host) = Host::new(name) else { return };
    host.two_uplinks();
    // eth1's default is in a table of another program, to which a rule from its address leads.
    host.ip("route del default dev eth1");
    host.ip("route add default via 198.51.100.1 dev eth1 table 77");
    host.ip("rule add priority 32100 from 198.51.100.2 lookup 77");
    host.config(
        "system: { backend: kernel }\nrouting:\n  policy_rules: [eth1]\n  marks: { eth1: 0x650000/0xff0000 }\n  \
         main_prefixes: [203.0.113.64/26]\n  specific_routes: main\n",
    );
    let daemon = host.start_daemon();
    wait_for("the rules are there", || host.ip("rule"), || host.ip("rule").contains("32003:"));
    let ours = check(&host, ("203.0.113.9 from 198.51.100.2", 32002, "207", "netevd's"));
    assert_eq!((&ours["gateway_source"], &ours["gateway_table"]), (&value!("table"), &value!(77)), "{ours}");
    let text = shown(&host, "why 203.0.113.9 from 198.51.100.2");
    assert!(text.contains("a default route in table 77, to which a rule of another program leads"), "{text}");
    assert!(text.contains("32001: from 198.51.100.2 lookup main suppress_prefixlength 7"), "{text}");
    let marked = check(&host, ("203.0.113.9 mark 0x650001", 32002, "207", "netevd's"));
    assert_eq!(marked["gateway_source"], "table", "{marked}");
    // What main decides by a rule of netevd's: neighbours of the other uplink, and what was left to it.
    let neighbour = check(&host, ("192.0.2.77 from 198.51.100.2", 32001, "main", "of the kernel"));
    assert_eq!((&neighbour["rule_of"], &neighbour["main_route"]), (&value!("netevd's"), &Value::Null));
    let left = check(&host, ("203.0.113.70 from 198.51.100.2", 32001, "main", MANUAL));
    assert_eq!(left["rule"]["to"], "203.0.113.64/26", "{left}");

    // The same for an address that no route is for, and no other answer for one that has a route.
    let shown_route = shown(&host, "show route 203.0.113.9");
    assert_eq!(shown_route, shown(&host, "why 203.0.113.9"));
    assert!(
        shown_route.starts_with("203.0.113.9: through eth0 via 192.0.2.1, source 192.0.2.2\n"),
        "{shown_route}"
    );
    host.ip("route add 203.0.113.5 via 192.0.2.1 dev eth0");
    let own = shown(&host, "show route 203.0.113.5");
    assert!(own.starts_with("203.0.113.5") && own.contains(" in table main\n"), "{own}");
    let none = netevd(&host, "show route 203.0.113.0/29");
    assert!(none.status == 1 && none.stderr.contains("no route for 203.0.113.0/29"), "{}", none.stderr);

    // `first` is an address that only the configuration names.
    host.config(
        "system: { backend: kernel }\nrouting: { policy_rules: [eth1], gateways: { eth1: first } }\n",
    );
    assert_eq!(daemon.stop().status, 0);
    host.ip("rule del priority 32100");
    let _daemon = host.start_daemon();
    wait_for(
        "the gateway is the configuration's",
        || host.ip("rule"),
        || json(&host, "why 203.0.113.9 from 198.51.100.2")["gateway_source"] == "configuration",
    );
    check(&host, ("203.0.113.9 from 198.51.100.2", 32002, "207", "netevd's"));
}

#[test]
fn cli_why_says_why_there_is_no_way() {
    let Some(host) = Host::new("cli_why_says_why_there_is_no_way") else { return };
    host.two_uplinks();
    host.ip("route add unreachable 203.0.113.128/25");
    host.ip("rule add priority 60 to 203.0.113.64/26 prohibit");
    host.ip("rule add priority 61 to 203.0.113.32/27 goto 63");
    host.ip("rule add priority 62 to 203.0.113.32/27 unreachable");
    host.ip("rule add priority 63 nop");
    host.ip("rule add priority 64 to 203.0.113.32/28 blackhole");
    let why = no_way(&host, "203.0.113.200", "No route to host");
    assert_eq!(
        (&why["rule"]["priority"], &why["route"]["type"]),
        (&value!(32766), &value!("unreachable")),
        "{why}"
    );
    let why = no_way(&host, "203.0.113.65", "Permission denied");
    assert_eq!((&why["rule"]["priority"], &why["route"]), (&value!(60), &Value::Null), "{why}");
    let why = no_way(&host, "203.0.113.33", "Invalid argument");
    assert_eq!((&why["rule"]["priority"], passed(&why)), (&value!(64), vec![0, 61]), "{why}");
    let why = no_way(&host, "2001:db8:9::9", "Network is unreachable");
    assert_eq!((&why["rule"], &why["table"]), (&Value::Null, &Value::Null), "{why}");
    // The rules have a way for it, and the kernel takes no such packet.
    let why = no_way(&host, "203.0.113.9 from 203.0.113.7", "Network is unreachable");
    assert_eq!(
        (&why["rule"]["priority"], &why["route"]["type"]),
        (&value!(32766), &value!("unicast")),
        "{why}"
    );
    let text = netevd(&host, "why 203.0.113.9 from 203.0.113.7").stdout;
    assert!(text.contains("an address that this host does not have: name iif"), "{text}");
    let text = netevd(&host, "why 203.0.113.65").stdout;
    assert!(
        text.contains("no way: Permission denied")
            && text.contains("60: from all to 203.0.113.64/26 prohibit"),
        "{text}"
    );
    for words in [
        "why",
        "why eth0",
        "why 192.0.2.1 from",
        "why 192.0.2.1 via 192.0.2.2",
        "why 192.0.2.1 mark x",
        "why 192.0.2.1 mark 1 mark 2",
        "why 192.0.2.1 from 2001:db8::1",
    ] {
        assert_eq!(netevd(&host, words).status, 2, "{words}");
    }
}
