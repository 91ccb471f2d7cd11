//! The helper's whole surface, from its own source: for each request its fields, the states that permit it, the
//! checks that are made, the reasons to refuse, what the kernel is asked, and what is changed.

use crate::document::{is_made, text};
use crate::source::{Function, calls_after, functions, words_after};
use protocol::{Family, Ifindex, NextHop, Prefix, Request, RouteKind, Selector, SessionState, permit};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

const GUIDE: &str = "docs/audit-guide.md";

/// Every function that a request may come to, by module and name.
struct Helper(BTreeMap<(&'static str, String), Function>);

/// What stands on the way of a request, each in the order in which it is first met.
#[derive(Default)]
struct Way {
    seen: Vec<(&'static str, String)>,
    refusals: Vec<String>,
    messages: Vec<String>,
}

impl Helper {
    fn read() -> Self {
        let files = [
            ("apply", "netevd-priv/src/apply.rs"),
            ("apply", "netevd-priv/src/apply/remove.rs"),
            ("check", "netevd-priv/src/check.rs"),
            ("kernel", "netevd-priv/src/kernel.rs"),
        ];
        let all = files.into_iter().flat_map(|(module, file)| {
            functions(file).into_iter().map(move |(name, function)| ((module, name), function))
        });
        Self(all.collect())
    }

    fn get(&self, module: &'static str, name: &str) -> &Function {
        self.0.get(&(module, name.to_owned())).unwrap_or_else(|| panic!("{module} has {name}"))
    }

    /// Follows what `text` of `module` calls.
    fn follow(&self, module: &'static str, text: &str, way: &mut Way) {
        let mut calls: Vec<(usize, &'static str, &str)> = Vec::new();
        let leads: &[(&str, &'static str)] = match module {
            "apply" => &[("self.", "apply"), ("check::", "check"), ("self.kernel.", "kernel")],
            "check" => &[("", "check")],
            _ => &[("self.", "kernel")],
        };
        for (lead, to) in leads {
            let words = calls_after(text, lead).into_iter();
            let words = words.filter(|(_, word)| self.0.contains_key(&(*to, (*word).to_owned())));
            calls.extend(words.map(|(at, word)| (at, *to, word)));
        }
        calls.sort_unstable();
        for (_, word) in words_after(text, "Refusal::") {
            if !way.refusals.iter().any(|known| known == word) {
                way.refusals.push(word.to_owned());
            }
        }
        for (_, word) in words_after(text, "RTM_") {
            let message = format!("RTM_{word}");
            if !way.messages.contains(&message) {
                way.messages.push(message);
            }
        }
        for (_, to, word) in calls {
            let step = (to, word.to_owned());
            if !way.seen.contains(&step) {
                way.seen.push(step);
                self.follow(to, &self.get(to, word).body, way);
            }
        }
    }

    /// From the arm of `Helper::apply` on.
    fn way_of(&self, request: &str) -> Way {
        let body = &self.get("apply", "apply").body;
        let mut way = Way::default();
        let mut found = false;
        for arm in body.split("\n            Request::").skip(1) {
            let pattern = format!("Request::{}", arm.split("=>").next().unwrap_or_default());
            if words_after(&pattern, "Request::").iter().any(|(_, word)| *word == request) {
                found = true;
                self.follow("apply", arm, &mut way);
            }
        }
        assert!(found, "Helper::apply has an arm for {request}");
        way
    }
}

fn every_request() -> [Request; 12] {
    let ifindex = Ifindex::try_from(2).expect("valid");
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    let (family, selector) = (Family::V4, Selector::From);
    [
        Request::Hello { version: 1 },
        Request::AddRule { ifindex, selector, address },
        Request::AddRules { ifindex, addresses: address.into() },
        Request::DelRule { ifindex, selector, address },
        Request::SetDefault { ifindex, family, next_hop: NextHop::PointToPoint },
        Request::AddSubnet { ifindex, address },
        Request::AddLocal { ifindex, destination: Prefix::host(address) },
        Request::DelRoute { ifindex, family, route: RouteKind::Default },
        Request::Purge { ifindex },
        Request::SyncBegin,
        Request::SyncEnd,
        Request::Ping,
    ]
}

/// The fields of each request as protocol/src/request.rs declares them, in the order of the enumeration.
fn declared() -> Vec<(String, String)> {
    let source = text("protocol/src/request.rs");
    let body = source.split("pub enum Request {").nth(1).and_then(|rest| rest.split("\n}").next());
    let code = body.expect("the enumeration").lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut variants = Vec::new();
    let mut rest = code.as_str();
    while let Some(end) = rest.find([',', '{']) {
        let name = rest[..end].trim().to_owned();
        let fields = if rest[end..].starts_with('{') {
            let close = rest.find('}').expect("closed");
            let fields = rest[end + 1..close].trim().trim_end_matches(',').to_owned();
            rest = rest[close + 1..].trim_start_matches(',');
            fields
        } else {
            rest = &rest[end + 1..];
            String::new()
        };
        variants.push((name, fields));
    }
    variants
}

/// `Serving; Syncing` where the state stays, `Fresh to Serving` where it does not.
fn states(request: &Request) -> String {
    let all = [SessionState::Fresh, SessionState::Serving, SessionState::Syncing];
    let permitted = all.into_iter().filter_map(|state| Some((state, permit(state, request).ok()?)));
    let words =
        permitted.map(
            |(state, next)| {
                if state == next { format!("{state:?}") } else { format!("{state:?}, then {next:?}") }
            },
        );
    words.collect::<Vec<_>>().join("; ")
}

fn code_words(words: &[String]) -> String {
    if words.is_empty() {
        return "-".to_owned();
    }
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ")
}

impl Way {
    /// The checks, without those that only serve others.
    fn checks(&self, helper: &Helper) -> Vec<String> {
        let checks = self.seen.iter().filter(|(module, name)| *module == "check" && is_check(helper, name));
        checks.map(|(_, name)| name.clone()).collect()
    }

    fn split(&self) -> (Vec<String>, Vec<String>) {
        self.messages.iter().cloned().partition(|message| message.starts_with("RTM_GET"))
    }
}

/// A function of check.rs that can refuse by itself, or judges what `apply` then refuses.
fn is_check(helper: &Helper, name: &str) -> bool {
    name != "refuse_if" && !helper.get("check", name).doc.is_empty()
}

#[test]
fn the_surface_in_the_guide_is_the_code_s() {
    let helper = Helper::read();
    let declared = declared();
    let requests = every_request();
    let names: Vec<&str> = requests.iter().map(Request::name).collect();
    assert_eq!(declared.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
    let mut table = String::from(
        "| request and fields | states | checks, in their order | may be refused as | asks the kernel by | changes it by |\n\
         |---|---|---|---|---|---|\n",
    );
    for (request, (name, fields)) in requests.iter().zip(&declared) {
        let way = helper.way_of(name);
        let (asked, changed) = way.split();
        let whole = if fields.is_empty() { name.clone() } else { format!("{name} {{ {fields} }}") };
        let _ = writeln!(
            table,
            "| `{whole}` | {} | {} | {} | {} | {} |",
            states(request),
            code_words(&way.checks(&helper)),
            code_words(&way.refusals),
            code_words(&asked),
            code_words(&changed)
        );
    }
    is_made(GUIDE, "surface", &table);
}

#[test]
fn the_checks_in_the_guide_are_the_code_s() {
    let helper = Helper::read();
    let mut table = String::from("| check | what must hold | refuses as |\n|---|---|---|\n");
    let mut used = Vec::new();
    for (name, _) in declared() {
        used.extend(helper.way_of(&name).checks(&helper));
    }
    for ((module, name), function) in &helper.0 {
        if *module == "check" && is_check(&helper, name) {
            assert!(used.contains(name), "check::{name} is asked by no request");
            let mut way = Way::default();
            helper.follow("check", &function.body, &mut way);
            // A line begins a table's cell; a bar would end it.
            let doc = function.doc.replace('|', "\\|");
            let _ = writeln!(table, "| `{name}` | {doc} | {} |", code_words(&way.refusals));
        }
    }
    is_made(GUIDE, "checks", &table);
}

/// Neither bytes for the kernel nor text, which could be a path: everything is a number of a certain kind, an
/// address or a choice of few.
#[test]
fn no_request_carries_text_or_bytes() {
    let known =
        ["u16", "Ifindex", "Selector", "Addresses", "Family", "IpAddr", "Prefix", "NextHop", "RouteKind"];
    for (name, fields) in declared() {
        for field in fields.split(", ").filter(|field| !field.is_empty()) {
            let kind = field.split(": ").nth(1).expect("a type");
            assert!(known.contains(&kind), "{name}: {field}");
        }
    }
}

/// A refusal that no request can come to would be dead, or hidden from this table.
#[test]
fn every_refusal_belongs_to_a_request() {
    let helper = Helper::read();
    let mut reached: Vec<String> =
        declared().iter().flat_map(|(name, _)| helper.way_of(name).refusals).collect();
    reached.sort();
    reached.dedup();
    let mut all: Vec<String> = protocol::Refusal::ALL.iter().map(|refusal| format!("{refusal:?}")).collect();
    all.sort();
    assert_eq!(reached, all);
}

#[test]
fn the_kernel_s_side_in_the_guide_is_the_code_s() {
    let helper = Helper::read();
    let mut table = String::from(
        "| function of `kernel.rs` | what | message | flags beside REQUEST |\n|---|---|---|---|\n",
    );
    for ((module, name), function) in &helper.0 {
        if *module != "kernel" || name == "routes" {
            continue;
        }
        let mut way = Way::default();
        helper.follow("kernel", &function.body, &mut way);
        let through = way.seen.iter().map(|(module, name)| helper.get(module, name).body.as_str());
        let bodies: String = through.chain([function.body.as_str()]).collect();
        let mut flags: Vec<String> =
            words_after(&bodies, "NLM_F_").into_iter().map(|(_, flag)| format!("NLM_F_{flag}")).collect();
        if bodies.contains("netlink.dump(") {
            flags.push("NLM_F_DUMP".to_owned());
        } else if bodies.contains("netlink.change(") {
            flags.push("NLM_F_ACK".to_owned());
        }
        // What reads an answer sends nothing.
        if !bodies.contains("self.netlink.") {
            continue;
        }
        assert_eq!(way.messages.len(), 1, "kernel::{name} sends one kind of message");
        let messages = code_words(&way.messages);
        let doc = &function.doc;
        let _ = writeln!(table, "| `{name}` | {doc} | {messages} | {} |", code_words(&flags));
    }
    assert_eq!(table.matches("NLM_F_CREATE").count(), 2, "a rule and a route:\n{table}");
    is_made(GUIDE, "kernel", &table);
}
