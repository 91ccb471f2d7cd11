//! What `ip -j` shows, split into netevd's objects (protocol 110) and everyone else's.
//!
//! An object of netevd's is a line as ip(8) would write it, without what the kernel adds by
//! itself (scope, flags): `32002: from 192.0.2.2 lookup 207`, `table 207: default via 192.0.2.1
//! dev eth1`, `table 207: unreachable default metric 4294967295` (`::/0` for
//! IPv6).

use super::host::Host;
use super::wait::wait_for;
use serde_json::Value;
use std::collections::BTreeSet;

/// netevd's protocol number; the test machine knows no name for it.
const OURS: &str = "110";

impl Host {
    /// netevd's rules and routes, both families.
    pub(crate) fn ours(&self) -> BTreeSet<String> {
        let lines = self.ours_in_motion();
        let set: BTreeSet<String> = lines.iter().cloned().collect();
        assert_eq!(lines.len(), set.len(), "an object stands twice: {lines:#?}");
        set
    }

    /// The same while they change: a dump of more than one page shows an object twice, or not at all,
    /// where others were added or deleted before it meanwhile.
    pub(crate) fn ours_in_motion(&self) -> Vec<String> {
        self.objects().iter().filter(|o| is_ours(&o.1)).map(line).collect()
    }

    /// Everyone else's rules and routes, as the JSON that ip printed without counters.
    pub(crate) fn foreign(&self) -> BTreeSet<String> {
        let foreign = |(what, mut object): (&str, Value)| {
            if let Some(fields) = object.as_object_mut() {
                for changing in ["expires", "cache", "used"] {
                    fields.remove(changing);
                }
            }
            format!("{what} {object}")
        };
        self.objects().into_iter().filter(|o| !is_ours(&o.1)).map(foreign).collect()
    }

    /// Waits until netevd's objects are exactly these.
    pub(crate) fn await_ours<S: AsRef<str>>(&self, what: &str, expected: &[S]) {
        let expected: BTreeSet<String> = expected.iter().map(|s| s.as_ref().to_owned()).collect();
        let explain = || {
            let ours = self.ours();
            let missing: Vec<_> = expected.difference(&ours).collect();
            let surplus: Vec<_> = ours.difference(&expected).collect();
            format!("missing {missing:#?}\nsurplus {surplus:#?}\n{}", self.log())
        };
        wait_for(what, explain, || self.ours() == expected);
    }

    /// Index of a link, which has to exist.
    pub(crate) fn ifindex(&self, link: &str) -> u64 {
        let links = self.ip_json(&format!("link show dev {link}"));
        links[0]["ifindex"].as_u64().expect("ip -j link has an ifindex")
    }

    /// Which link the kernel chooses for a packet, or ip's complaint.
    pub(crate) fn route_get(&self, words: &str) -> String {
        let output = self.run(&["sh", "-c", &format!("ip -j route get {words}")]);
        let answer: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
        match answer[0]["dev"].as_str() {
            Some(device) => device.to_owned(),
            None => output.stderr.trim().to_owned(),
        }
    }

    fn objects(&self) -> Vec<(&'static str, Value)> {
        // One process start for all four lists, so that they belong to nearly one moment.
        let text = self.sh(
            "echo =rule; ip -j rule; echo =rule6; ip -6 -j rule; echo =route; ip -4 -j route show table all
             echo =route6; ip -6 -j route show table all",
        );
        let mut objects = Vec::new();
        for part in text.split('=') {
            let (name, list) = part.split_once('\n').unwrap_or_default();
            let what = ["rule", "rule6", "route", "route6"].into_iter().find(|what| *what == name);
            // ip prints nothing at all where a dump finds nothing.
            let (Some(what), false) = (what, list.trim().is_empty()) else { continue };
            let list: Vec<Value> =
                serde_json::from_str(list).unwrap_or_else(|e| panic!("ip -j: {e}\n{text}"));
            objects.extend(list.into_iter().map(|object| (what, object)));
        }
        objects
    }
}

fn is_ours(object: &Value) -> bool {
    object["protocol"] == OURS
}

fn line((what, object): &(&str, Value)) -> String {
    let text = |key: &str| match &object[key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    if what.starts_with("rule") {
        let mut words = vec![format!("{}:", text("priority"))];
        for (key, length, word) in [("src", "srclen", "from"), ("dst", "dstlen", "to")] {
            match text(key).as_str() {
                "" | "all" => {}
                address if object[length].is_null() => words.push(format!("{word} {address}")),
                address => words.push(format!("{word} {address}/{}", text(length))),
            }
        }
        if !object["fwmark"].is_null() {
            // Nothing else tells the two families apart.
            words.extend((*what == "rule6").then(|| "from ::/0".to_owned()));
            words.push(format!("fwmark {}/{}", text("fwmark"), text("fwmask")));
        }
        match text("table").as_str() {
            "" => words.push(text("action")),
            table => words.push(format!("lookup {table}")),
        }
        return words.join(" ");
    }
    let table = if object["table"].is_null() { "main".to_owned() } else { text("table") };
    let mut words = vec![format!("table {table}:")];
    let unicast = matches!(text("type").as_str(), "" | "unicast");
    if !unicast {
        words.push(text("type"));
    }
    // Of the two families only this one shows neither in its gateway nor in its prefix.
    let is_bare_ipv6 = !unicast && *what == "route6" && text("dst") == "default";
    words.push(if is_bare_ipv6 { "::/0".to_owned() } else { text("dst") });
    for (key, word) in [("gateway", "via"), ("dev", "dev"), ("metric", "metric"), ("nexthops", "nexthops")] {
        // IPv6 shows lo for routes that lead nowhere, IPv4 nothing; and it gives every route a metric.
        let kernels_own = (key == "dev" && !unicast) || (key == "metric" && unicast && *what == "route6");
        if object[key].is_null() || kernels_own {
            continue;
        }
        words.push(format!("{word} {}", text(key)));
    }
    words.join(" ")
}
