//! Why a packet goes where it goes.

use super::interface::gateway_source;
use crate::commands::why::Why;
use crate::output::{Cell, Part, View};
use netevd_worker::document::{RouteDocument, RuleDocument};

/// The way, then what decides, then what is in the way.
pub(crate) fn view(why: &Why) -> View {
    let heading = match &why.error {
        Some(error) => Cell::new(format!("{}: no way: {error}", packet(why))).bad(),
        None => Cell::new(format!("{}: {}", packet(why), way(why))).strong(),
    };
    let rule = why.rule.as_ref().map(|rule| owned(words(rule), why.rule_of.as_deref()));
    let route = why.route.as_ref().map(|route| owned(route.words(), why.route_of.as_deref()));
    let from = why.gateway.zip(why.gateway_source.as_deref());
    let gateway =
        from.map(|(gateway, source)| format!("{gateway} from {}", gateway_source(source, why.gateway_table)));
    let behind = why.behind.as_ref().map(|ours| {
        format!("the rule that decides is in front of netevd's for this packet: {}", words(ours))
    });
    // Nearly every packet passes that one.
    let passed = why.passed.iter().filter(|rule| rule.table.as_deref() != Some("local"));
    let cell = |text: Option<String>| text.map(Cell::new).unwrap_or_default();
    View(vec![
        Part::Heading(heading),
        Part::Pairs(vec![
            ("rule", cell(rule.or_else(|| Some("none decides".to_owned())))),
            ("table", cell(why.table.clone())),
            ("route", cell(route)),
            ("but", cell(refused(why))),
            ("gateway", cell(gateway)),
            ("main has", cell(why.main_route.as_ref().map(RouteDocument::words))),
            ("passed over", Cell::list(passed.map(words))),
            ("interferes", cell(behind).bad()),
            ("problems", Cell::list(&why.problems).bad()),
        ]),
    ])
}

/// The kernel looks at the source before the rules, and at the way back after them.
fn refused(why: &Why) -> Option<String> {
    let leads = ["unicast", "local"].contains(&why.route.as_ref()?.kind.as_str());
    let text = match why.iif {
        None => {
            "the kernel sends nothing from an address that this host does not have: name iif for what comes in"
        }
        Some(_) => {
            "the kernel drops what comes in with such a source through that link (rp_filter, or its own address)"
        }
    };
    (leads && why.error.is_some()).then(|| text.to_owned())
}

fn packet(why: &Why) -> String {
    let mut text = why.destination.to_string();
    for (name, value) in [
        ("from", why.from.map(|from| from.to_string())),
        ("iif", why.iif.clone()),
        ("mark", why.mark.map(|mark| format!("{mark:#x}"))),
    ] {
        text.extend(value.map(|value| format!(" {name} {value}")));
    }
    text
}

fn way(why: &Why) -> String {
    let link = why
        .interface
        .as_deref()
        .map_or_else(|| "through no link".to_owned(), |name| format!("through {name}"));
    let via = why.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    let source = why.source.map(|source| format!(", source {source}")).unwrap_or_default();
    format!("{link}{via}{source}")
}

fn words(rule: &RuleDocument) -> String {
    format!("{}: {}", rule.priority, rule.text)
}

fn owned(text: String, of: Option<&str>) -> String {
    of.map_or_else(|| text.clone(), |of| format!("{text} ({of})"))
}
