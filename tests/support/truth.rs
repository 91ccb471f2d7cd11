//! Whether the daemon's documents of interfaces, routes and rules are what `ip -j` shows, object by
//! object. `tests/it/api/fields.rs` is about each field; here it is about very many objects, and about
//! moments when either side may still be changing.

use super::host::Host;
use serde_json::Value;
use std::collections::BTreeSet;

/// The most routes that a document has.
const LIMIT: usize = 10_000;

impl Host {
    /// What only one of the two has, one a line; empty where they agree.
    pub(crate) fn disagreements(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, api: BTreeSet<String>, ip: BTreeSet<String>| {
            found.extend(api.difference(&ip).map(|line| format!("{what}: only the API: {line}")));
            found.extend(ip.difference(&api).map(|line| format!("{what}: only ip: {line}")));
        };
        let links = self.try_api("/api/v1/interfaces");
        let routes = self.try_api(&format!("/api/v1/routes?limit={LIMIT}"));
        let rules = self.try_api("/api/v1/rules");
        let (Some(links), Some(answer), Some(rules)) = (links, routes, rules) else {
            return vec!["the API does not answer".to_owned()];
        };
        let links = list(&links["interfaces"]);
        let shown = list(&self.ip_json("addr show"));
        // ip shows links that went away while it listed them as empty objects.
        let shown = shown.into_iter().filter(|link| link["ifname"].is_string());
        compare(
            "interfaces",
            links.iter().map(link_of_api).collect(),
            shown.map(|l| link_of_ip(&l)).collect(),
        );

        let routes = list(&answer["routes"]);
        assert_eq!(answer["has_more"], false, "more than {LIMIT} routes, which no document holds");
        let mut shown = BTreeSet::new();
        for option in ["-4", "-6"] {
            let routes = list(&self.ip_json(&format!("-d {option} route show table all")));
            shown.extend(routes.iter().map(|route| route_of_ip(route, option)));
        }
        compare("routes", routes.iter().map(route_of_api).collect(), shown);

        let rules = list(&rules["rules"]);
        let mut shown = BTreeSet::new();
        for option in ["-4", "-6"] {
            let rules = list(&self.ip_json(&format!("-d {option} rule")));
            shown.extend(rules.iter().map(|rule| rule_of_ip(rule, option)));
        }
        compare("rules", rules.iter().map(rule_of_api).collect(), shown);
        found
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn link_of_api(link: &Value) -> String {
    let addresses: BTreeSet<String> = list(&link["addresses"])
        .iter()
        .map(|a| format!("{}/{} {}", text(a, "ip"), a["prefix"], text(a, "scope")))
        .collect();
    line(link, ["index", "name", "mac_address", "mtu"], text(link, "operstate"), &addresses)
}

fn link_of_ip(link: &Value) -> String {
    let addresses: BTreeSet<String> = list(&link["addr_info"])
        .iter()
        .map(|a| format!("{}/{} {}", text(a, "local"), a["prefixlen"], text(a, "scope")))
        .collect();
    let operstate = text(link, "operstate").to_ascii_lowercase();
    line(link, ["ifindex", "ifname", "address", "mtu"], &operstate, &addresses)
}

fn line(
    link: &Value,
    [index, name, mac, mtu]: [&str; 4],
    operstate: &str,
    addresses: &BTreeSet<String>,
) -> String {
    let mut flags: Vec<String> =
        list(&link["flags"]).iter().filter_map(|f| f.as_str().map(str::to_owned)).collect();
    // NO-CARRIER is ip's own word for a flag that is not set; RUNNING it does not show.
    flags.retain(|flag| !["NO-CARRIER", "RUNNING"].contains(&flag.as_str()));
    flags.sort();
    let (index, name, mac, mtu) = (&link[index], text(link, name), text(link, mac), &link[mtu]);
    format!("{index}: {name} {mac} mtu {mtu} {operstate} {flags:?} {addresses:?}")
}

fn route_of_api(route: &Value) -> String {
    let protocol = match text(route, "protocol") {
        "netevd" => "110",
        other => other,
    };
    let hops = list(&route["next_hops"]).len();
    let (kind, to, via) = (text(route, "type"), text(route, "destination"), text(route, "gateway"));
    let (device, table) = (text(route, "interface"), text(route, "table"));
    format!(
        "{} {kind} {to} via {via} dev {device} table {table} metric {} proto {protocol} hops {}",
        text(route, "family"),
        route["metric"],
        hops.max(1)
    )
}

fn route_of_ip(route: &Value, option: &str) -> String {
    let (family, bits) = if option == "-4" { ("ipv4", "32") } else { ("ipv6", "128") };
    let or = |key: &str, default: &str| route[key].as_str().unwrap_or(default).to_owned();
    let mut to = or("dst", "");
    if to != "default" && !to.contains('/') {
        to = format!("{to}/{bits}");
    }
    let hops = list(&route["nexthops"]);
    let first = hops.first().unwrap_or(route);
    let via = first["gateway"].as_str().or_else(|| first["via"]["host"].as_str()).unwrap_or_default();
    let kind = or("type", "unicast");
    // For a route that leads nowhere IPv6 shows lo.
    let nowhere = ["unreachable", "blackhole", "prohibit", "throw"].contains(&kind.as_str());
    let device = if nowhere { "" } else { text(first, "dev") };
    let (table, metric) = (or("table", "main"), route["metric"].as_u64().unwrap_or(0));
    let protocol = or("protocol", "boot");
    format!(
        "{family} {kind} {to} via {via} dev {device} table {table} metric {metric} proto {protocol} hops {}",
        hops.len().max(1)
    )
}

fn rule_of_api(rule: &Value) -> String {
    let protocol = match text(rule, "protocol") {
        "netevd" => "110",
        other => other,
    };
    let (family, from, to) = (text(rule, "family"), text(rule, "from"), text(rule, "to"));
    let table = rule["table"].as_str().unwrap_or("-");
    format!("{family} {}: from {from} to {to} lookup {table} proto {protocol}", rule["priority"])
}

fn rule_of_ip(rule: &Value, option: &str) -> String {
    let family = if option == "-4" { "ipv4" } else { "ipv6" };
    let address = |key: &str, length: &str| match (rule[key].as_str(), &rule[length]) {
        (None, _) => "all".to_owned(),
        (Some(address), Value::Null) => address.to_owned(),
        (Some(address), length) => format!("{address}/{length}"),
    };
    let protocol = rule["protocol"].as_str().unwrap_or("unspec");
    let (from, to) = (address("src", "srclen"), address("dst", "dstlen"));
    let table = rule["table"].as_str().unwrap_or("-");
    format!("{family} {}: from {from} to {to} lookup {table} proto {protocol}", rule["priority"])
}
