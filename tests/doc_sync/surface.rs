//! The helper's whole surface, from its own source: for each request its fields, the states that permit it, the
//! checks that are made, the reasons to refuse, what the kernel is asked, and what is changed.

use crate::document::{is_made, text};
use crate::source::{Function, functions, words_after};
use protocol::{
    Family, Ifindex, Links, NextHop, Prefix, Prefixes, Request, Rules, SessionState, Through, permit,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

const GUIDE: &str = "docs/audit-guide.md";
const FILES: [&str; 6] = ["apply", "copy", "kernel", "netlink", "route", "rule"];
/// How the helper's code names values of its types; `self.` is of the block's own.
const VALUES: [(&str, &str); 9] = [
    ("view.", "View"),
    ("View::", "View"),
    ("netlink.", "Netlink"),
    ("route.", "Route"),
    ("part.", "Route"),
    ("Route::", "Route"),
    ("rule.", "Rule"),
    ("Rule::", "Rule"),
    ("Link::", "Link"),
];

/// Every function that a request may come to, as `Type::name` or `module::name`.
struct Helper(BTreeMap<String, Function>);

/// What stands on the way of a request, each in the order in which it is first met.
#[derive(Default)]
struct Way {
    seen: Vec<String>,
    refusals: Vec<String>,
    messages: Vec<String>,
}

impl Helper {
    fn read() -> Self {
        Self(FILES.iter().flat_map(|file| functions(&format!("netevd-priv/src/{file}.rs"))).collect())
    }

    fn get(&self, name: &str) -> &Function {
        self.0.get(name).unwrap_or_else(|| panic!("the helper has {name}"))
    }

    /// Follows what `text` of the type `owner` calls; a function of a type may also be handed on by name.
    fn follow(&self, owner: &str, text: &str, way: &mut Way) {
        let mut calls: Vec<(usize, String)> = Vec::new();
        let values = VALUES.into_iter().chain([("self.", owner), ("Self::", owner)]);
        for (lead, of) in values {
            let words = words_after(text, lead).into_iter().map(|(at, word)| (at, format!("{of}::{word}")));
            calls.extend(words.filter(|(_, name)| self.0.contains_key(name)));
        }
        for module in FILES {
            let free = self.0.keys().filter_map(|name| name.strip_prefix(module)?.strip_prefix("::"));
            for name in free {
                let places = words_after(text, name).into_iter();
                let places = places.filter(|(at, rest)| {
                    // Neither a method, nor a longer word, nor the declaration.
                    let before = text[..*at].trim_end_matches(['&', '(']);
                    rest.is_empty() && !before.ends_with(['.', ':']) && !before.ends_with("fn ")
                });
                let places = places.filter(|(at, _)| text[at + name.len()..].starts_with('('));
                calls.extend(places.map(|(at, _)| (at, format!("{module}::{name}"))));
            }
        }
        calls.sort_unstable();
        for (_, word) in words_after(text, "Refusal::") {
            if !way.refusals.iter().any(|known| known == word) {
                way.refusals.push(word.to_owned());
            }
        }
        for (_, word) in words_after(text, "RTM_") {
            let message = format!("RTM_{word}");
            // A flag of a route is no message.
            if !word.starts_with("F_") && !way.messages.contains(&message) {
                way.messages.push(message);
            }
        }
        for (_, name) in calls {
            if !way.seen.contains(&name) {
                way.seen.push(name.clone());
                let owner = name.split("::").next().unwrap_or_default();
                self.follow(owner, &self.get(&name).body, way);
            }
        }
    }

    /// From the arm of `Helper::apply` on.
    fn way_of(&self, request: &str) -> Way {
        let body = &self.get("Helper::apply").body;
        let mut way = Way::default();
        let mut found = false;
        for arm in body.split("\n            Request::").skip(1) {
            let pattern = format!("Request::{}", arm.split("=>").next().unwrap_or_default());
            if words_after(&pattern, "Request::").iter().any(|(_, word)| *word == request) {
                found = true;
                self.follow("Helper", arm, &mut way);
            }
        }
        assert!(found, "Helper::apply has an arm for {request}");
        way
    }

    /// What the helper does of its own accord.
    fn way_of_the_check(&self) -> Way {
        let mut way = Way::default();
        self.follow("Helper", &self.get("Helper::recheck").body, &mut way);
        way
    }

    /// A function of `View` that can refuse, or judge what is then refused.
    fn is_check(&self, name: &str) -> bool {
        name.starts_with("View::") && self.get(name).body.contains("Refusal::")
    }
}

fn every_request() -> [Request; 9] {
    let ifindex = Ifindex::try_from(2).expect("valid");
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    let (rules, prefixes) = (Rules::Addresses(address.into()), Prefixes::from(Prefix::host(address)));
    [
        Request::Hello { version: 1 },
        Request::AddRules { ifindex, rules: rules.clone(), through: Through::Table },
        Request::DelRules { ifindex, rules },
        Request::SetDefault { ifindex, family: Family::V4, next_hop: NextHop::PointToPoint },
        Request::Copy { ifindex, except: Links::default(), prefixes: prefixes.clone() },
        Request::Follow { ifindex, prefixes: prefixes.clone() },
        Request::DelRoutes { ifindex, prefixes },
        Request::SyncBegin,
        Request::SyncEnd,
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
    fn checks(&self, helper: &Helper) -> Vec<String> {
        let checks = self.seen.iter().filter(|name| helper.is_check(name));
        checks.map(|name| name.trim_start_matches("View::").to_owned()).collect()
    }

    fn cells(&self, helper: &Helper) -> String {
        let messages = self.messages.iter().cloned();
        let (asked, changed): (Vec<_>, Vec<_>) = messages.partition(|message| message.starts_with("RTM_GET"));
        let cells = [&self.checks(helper), &self.refusals, &asked, &changed];
        cells.map(|words| code_words(words)).join(" | ")
    }
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
        let whole = if fields.is_empty() { name.clone() } else { format!("{name} {{ {fields} }}") };
        let cells = helper.way_of(name).cells(&helper);
        let _ = writeln!(table, "| `{whole}` | {} | {cells} |", states(request));
    }
    let check = helper.way_of_the_check();
    assert!(
        !check.messages.iter().any(|message| message.starts_with("RTM_NEW")),
        "the helper's own check adds nothing: {:?}",
        check.messages
    );
    let _ = writeln!(table, "| no request: the check by itself | any | {} |", check.cells(&helper));
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
    let again = helper.way_of_the_check().checks(&helper);
    for (name, function) in helper.0.iter().filter(|(name, _)| helper.is_check(name)) {
        let short = name.trim_start_matches("View::");
        assert!(used.iter().any(|used| used == short), "{name} is asked by no request");
        // Of the table and the rules beside it nothing is granted that could become wrong by itself.
        assert!(
            short == "nothing_foreign" || again.iter().any(|again| again == short),
            "{name} is asked once"
        );
        let mut way = Way::default();
        helper.follow("View", &function.body, &mut way);
        // A line begins a table's cell; a bar would end it.
        let doc = function.doc.replace('|', "\\|");
        assert!(!doc.is_empty(), "{name} says what must hold");
        let _ = writeln!(table, "| `{short}` | {doc} | {} |", code_words(&way.refusals));
    }
    assert!(table.lines().count() > 6, "{table}");
    is_made(GUIDE, "checks", &table);
}

/// Neither bytes for the kernel nor text, which could be a path: everything is a number of a certain kind, an
/// address or a choice of few.
#[test]
fn no_request_carries_text_or_bytes() {
    let known = ["u16", "Ifindex", "Rules", "Through", "Family", "NextHop", "Links", "Prefixes"];
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

/// Where each message to the kernel is made, and with which flags.
#[test]
fn the_kernel_s_side_in_the_guide_is_the_code_s() {
    let helper = Helper::read();
    let mut table =
        String::from("| where it is made | what | message | flags beside REQUEST |\n|---|---|---|---|\n");
    let flags_in = |text: &str| {
        words_after(text, "NLM_F_").into_iter().map(|(_, flag)| format!("NLM_F_{flag}")).collect::<Vec<_>>()
    };
    for (name, function) in &helper.0 {
        let mut messages: Vec<String> = words_after(&function.body, "RTM_")
            .into_iter()
            .filter(|(_, word)| !word.starts_with("F_"))
            .map(|(_, word)| format!("RTM_{word}"))
            .collect();
        messages.dedup();
        if messages.is_empty() {
            continue;
        }
        let mut flags = flags_in(&function.body);
        if function.body.contains(", flags,") {
            // They are the caller's.
            let short = name.split("::").nth(1).unwrap_or_default();
            let callers = helper.0.values().filter(|other| other.body.contains(&format!(".{short}(NLM_F_")));
            flags.extend(callers.flat_map(|other| flags_in(&other.body)));
        }
        let asks = messages.iter().all(|message| message.starts_with("RTM_GET"));
        flags.push(if asks { "NLM_F_DUMP" } else { "NLM_F_ACK" }.to_owned());
        flags.sort();
        flags.dedup();
        let what = if function.doc.is_empty() { "-" } else { &function.doc };
        let (messages, flags) = (code_words(&messages), code_words(&flags));
        let _ = writeln!(table, "| `{name}` | {what} | {messages} | {flags} |");
    }
    assert_eq!(table.matches("NLM_F_CREATE").count(), 2, "a rule and a route:\n{table}");
    is_made(GUIDE, "kernel", &table);
}
