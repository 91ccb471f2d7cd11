//! A route in the words of ip-route(8).

use super::{NextHopDocument, RouteDocument};
use std::net::IpAddr;

impl RouteDocument {
    /// The destination with all that belongs to it in a look-up: `default from 2001:db8::/32`.
    pub fn selector(&self) -> String {
        let mut text = self.destination.clone();
        word(&mut text, "from", self.from.as_ref());
        word(&mut text, "tos", self.tos.as_ref());
        text
    }

    /// What it has beside destination, way, table, metric, protocol, scope and type.
    pub fn attributes(&self) -> String {
        let mut text = String::new();
        word(&mut text, "nhid", self.nexthop_id);
        word(&mut text, "encap", self.encapsulation.as_ref());
        word(&mut text, "src", self.source);
        self.tail(&mut text);
        text
    }

    /// The whole route, on one line.
    pub fn words(&self) -> String {
        let mut text = if self.kind == "unicast" { String::new() } else { format!("{} ", self.kind) };
        text.push_str(&self.selector());
        word(&mut text, "nhid", self.nexthop_id);
        word(&mut text, "encap", self.encapsulation.as_ref());
        if self.next_hops.is_empty() {
            via(&mut text, self.family == "ipv4", self.gateway, self.interface.as_deref());
        }
        word(&mut text, "table", Some(&self.table));
        word(&mut text, "proto", Some(&self.protocol));
        word(&mut text, "scope", Some(&self.scope));
        word(&mut text, "src", self.source);
        // IPv6 routes always have one.
        word(&mut text, "metric", (self.metric != 0 || self.family == "ipv6").then_some(self.metric));
        self.tail(&mut text);
        text
    }

    fn tail(&self, text: &mut String) {
        plain(text, &self.flags);
        word(text, "realms", self.realms.as_ref());
        word(text, "expires", self.expires_seconds.map(|seconds| format!("{seconds}sec")));
        for metric in &self.metrics {
            let lock = if metric.locked { "lock " } else { "" };
            word(text, &metric.name, Some(format!("{lock}{}", metric.value)));
        }
        word(text, "pref", self.preference.as_ref());
        for hop in &self.next_hops {
            plain(text, &["nexthop".to_owned()]);
            hop.words(text, self.family == "ipv4");
        }
        word(text, "ttl-propagate", self.ttl_propagate.map(|is| if is { "enabled" } else { "disabled" }));
    }
}

impl NextHopDocument {
    fn words(&self, text: &mut String, is_ipv4: bool) {
        word(text, "encap", self.encapsulation.as_ref());
        via(text, is_ipv4, self.gateway, self.interface.as_deref());
        word(text, "realms", self.realms.as_ref());
        word(text, "weight", Some(self.weight));
        plain(text, &self.flags);
    }
}

fn via(text: &mut String, is_ipv4: bool, gateway: Option<IpAddr>, interface: Option<&str>) {
    match gateway {
        Some(gateway) if gateway.is_ipv4() == is_ipv4 => word(text, "via", Some(gateway)),
        Some(gateway @ IpAddr::V6(_)) => word(text, "via inet6", Some(gateway)),
        Some(gateway @ IpAddr::V4(_)) => word(text, "via inet", Some(gateway)),
        None => {}
    }
    word(text, "dev", interface);
}

fn word(text: &mut String, name: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        plain(text, &[format!("{name} {value}")]);
    }
}

fn plain(text: &mut String, words: &[String]) {
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
}
