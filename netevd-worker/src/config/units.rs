//! `units:`: which systemd units an event starts, stops, restarts or reloads.
//!
//! The names are templates of the administrator's: `%i` stands for the link's name, escaped as
//! systemd-escape(1) does, `%e` for the event, `%%` for a percent sign. Everything else is taken as
//! it is and must be what a unit's name is made of (systemd.unit(5)). Which names of links may stand
//! there is in [`super::unit_links`].

use super::problem::Fault;
use super::value::patterns;
use super::yaml::{Entry, Node, Value};
use crate::model::EventKind;
use crate::text::nearest;
use protocol::{InterfaceName, PatternList};
use std::fmt;

/// One entry of `units:`.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitRule {
    /// Events that trigger it.
    pub on: Vec<EventKind>,
    /// Links that trigger it; empty is every monitored one.
    pub links: PatternList,
    /// What is done.
    pub verb: Verb,
    /// To which unit.
    pub unit: UnitTemplate,
}

/// What can be done with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// StartUnit
    Start,
    /// StopUnit
    Stop,
    /// RestartUnit
    Restart,
    /// ReloadUnit
    Reload,
}

/// A unit's name with places to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitTemplate(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Link,
    Event,
}

/// Types of units, systemd.unit(5).
const SUFFIXES: [&str; 9] =
    [".service", ".target", ".timer", ".socket", ".path", ".mount", ".automount", ".swap", ".slice"];
/// UNIT_NAME_MAX of systemd.
const NAME_MAX: usize = 255;

impl Verb {
    const ALL: [Verb; 4] = [Verb::Start, Verb::Stop, Verb::Restart, Verb::Reload];

    /// As it is written in the configuration, and as polkit calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
            Verb::Reload => "reload",
        }
    }
}

impl UnitRule {
    /// Whether this event of this link triggers it; events of the host have no link.
    pub fn is_triggered(&self, kind: EventKind, link: Option<&str>) -> bool {
        let matches = |name: &str| {
            if self.links.includes_nothing() { !self.links.excludes(name) } else { self.links.matches(name) }
        };
        self.on.contains(&kind) && link.map_or(self.links.is_empty(), matches)
    }
}

impl UnitTemplate {
    /// Reads a template; the error says what is wrong with it.
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let place = match (character, character == '%') {
                ('%', _) => match characters.next() {
                    Some('i') => Part::Link,
                    Some('e') => Part::Event,
                    Some('%') => return Err("a unit's name has no percent sign".to_owned()),
                    other => {
                        let shown = other.map(String::from).unwrap_or_default();
                        return Err(format!(
                            "`%{shown}` stands for nothing; there are %i (link) and %e (event)"
                        ));
                    }
                },
                (c, _) if c.is_ascii_alphanumeric() || ":-_.\\@".contains(c) => {
                    plain.push(c);
                    continue;
                }
                (other, _) => return Err(format!("{other:?} does not occur in names of units")),
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(place);
        }
        if !SUFFIXES.iter().any(|suffix| plain.ends_with(suffix)) {
            return Err(format!("the name does not end in {}", SUFFIXES.join(", ")));
        }
        parts.push(Part::Text(plain));
        // The longest link name has 15 bytes, each of which may take four.
        if text.len() + 15 * 4 > NAME_MAX || text.starts_with(['.', '@']) {
            return Err("no name that a unit could have".to_owned());
        }
        Ok(Self(parts))
    }

    /// The unit's name for this event of this link.
    pub fn name(&self, kind: EventKind, link: &str) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Link => escape(link),
            Part::Event => escape(kind.name()),
        };
        self.0.iter().map(part).collect()
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Whether a link's name becomes part of the unit's.
    pub fn has_link(&self) -> bool {
        self.0.contains(&Part::Link)
    }
}

impl fmt::Display for UnitTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Link => f.write_str("%i"),
            Part::Event => f.write_str("%e"),
        })
    }
}

/// A regular expression that matches this text alone.
pub(super) fn quoted(text: &str) -> String {
    text.chars().fold(String::new(), |mut all, c| {
        if !c.is_ascii_alphanumeric() && c != '_' {
            all.push('\\');
        }
        all.push(c);
        all
    })
}

/// As systemd-escape(1): `/` becomes `-`; what is no letter, digit, `:`, `_` or inner `.` becomes
/// `\xNN`.
pub(super) fn escape(name: &str) -> String {
    let mut escaped = String::new();
    for (place, byte) in name.bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if place == 0 => escaped.push_str("\\x2e"),
            b if b.is_ascii_alphanumeric() || b":_.".contains(&b) => escaped.push(char::from(b)),
            other => escaped.push_str(&format!("\\x{other:02x}")),
        }
    }
    escaped
}

/// Reads the list; every entry that is good.
pub(super) fn read(node: &Node, faults: &mut Vec<Fault>) -> Vec<UnitRule> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ if node.is_null() => &[],
        _ => {
            let help = r#"write - {on: routable, link: "wg*", start: "vpn-routes@%i.service"}"#;
            let message = format!("expected a list of rules, found {}", node.found());
            faults.push(Fault::error(node.span, message, help));
            return Vec::new();
        }
    };
    items.iter().filter_map(|item| rule(item, faults)).collect()
}

fn rule(item: &Node, faults: &mut Vec<Fault>) -> Option<UnitRule> {
    let Value::Map(entries) = &item.value else {
        let message = format!("expected a rule with `on` and a verb, found {}", item.found());
        faults.push(Fault::error(item.span, message, "verbs are start, stop, restart, reload"));
        return None;
    };
    let before = faults.len();
    let (mut on, mut links, mut action) = (None, PatternList::default(), None);
    for entry in entries {
        match entry.key.as_str() {
            "on" => on = Some((events(&entry.node, faults), entry.span)),
            "link" => links = patterns(&as_list(&entry.node), InterfaceName::MAX, faults).unwrap_or_default(),
            key => match Verb::ALL.into_iter().find(|verb| verb.name() == key) {
                Some(_) if action.is_some() => {
                    let message = "a second verb: one rule does one thing";
                    faults.push(Fault::error(entry.span, message, "write a rule for each"));
                }
                Some(verb) => action = unit(entry, faults).map(|unit| (verb, unit, entry.node.span)),
                None => faults.push(unknown(entry)),
            },
        }
    }
    if faults.len() > before {
        return None;
    }
    let (Some((on, _)), Some((verb, unit, place))) = (on, action) else {
        let message = "a rule needs `on` and one of `start`, `stop`, `restart`, `reload`";
        faults.push(Fault::error(item.span, message, ""));
        return None;
    };
    if unit.has_link() && on.contains(&EventKind::Manager) {
        let message = "`manager` is an event of the host, so there is no link for %i";
        faults.push(Fault::error(place, message, "write a rule of its own for it"));
        return None;
    }
    Some(UnitRule { on, links, verb, unit })
}

fn unknown(entry: &Entry) -> Fault {
    const KEYS: [&str; 6] = ["on", "link", "start", "stop", "restart", "reload"];
    let help = match nearest(&entry.key, KEYS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there is: {}", KEYS.join(", ")),
    };
    Fault::error(entry.span, format!("unknown key `{}` in a rule of `units`", entry.key), help)
}

fn unit(entry: &Entry, faults: &mut Vec<Fault>) -> Option<UnitTemplate> {
    let Value::Scalar { text, .. } = &entry.node.value else {
        let message = format!("expected the name of a unit, found {}", entry.node.found());
        faults.push(Fault::error(entry.node.span, message, ""));
        return None;
    };
    UnitTemplate::parse(text)
        .map_err(|what| {
            faults.push(Fault::error(entry.node.span, what, "such as \"vpn-routes@%i.service\""));
        })
        .ok()
}

/// Names of events, one or a list of them.
pub(super) fn events(node: &Node, faults: &mut Vec<Fault>) -> Vec<EventKind> {
    let list = as_list(node);
    let Value::List(items) = &list.value else { return Vec::new() };
    if items.is_empty() {
        faults.push(Fault::error(node.span, "no event in the list", "leave the rule out instead"));
    }
    let mut kinds = Vec::new();
    for item in items {
        let found = match &item.value {
            Value::Scalar { text, .. } => EventKind::from_name(text).ok_or(text.as_str()),
            _ => Err(""),
        };
        match found {
            Ok(kind) => kinds.push(kind),
            Err(text) => {
                let names = EventKind::ALL.iter().map(|kind| kind.name());
                let help = match nearest(text, names.clone()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("events are {}", names.collect::<Vec<_>>().join(", ")),
                };
                faults.push(Fault::error(item.span, format!("unknown event {}", item.found()), help));
            }
        }
    }
    kinds
}

/// One word is a list of one.
pub(super) fn as_list(node: &Node) -> Node {
    match &node.value {
        Value::List(_) => node.clone(),
        _ => Node { span: node.span, value: Value::List(vec![node.clone()]) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_escaped() {
        let template = UnitTemplate::parse("vpn-routes@%i.service").expect("good");
        assert_eq!(template.name(EventKind::Routable, "wg0"), "vpn-routes@wg0.service");
        // systemd-escape we+b-x.1
        assert_eq!(template.name(EventKind::Routable, "we+b-x.1"), r"vpn-routes@we\x2bb\x2dx.1.service");
        let template = UnitTemplate::parse("at-%e@%i.target").expect("good");
        assert_eq!(template.name(EventKind::NoCarrier, ".e"), r"at-no\x2dcarrier@\x2ee.target");
        assert_eq!(template.to_string(), "at-%e@%i.target");
    }

    #[test]
    fn what_is_no_unit_is_refused() {
        for (text, fault) in [
            ("vpn", "does not end in"),
            ("a b.service", "does not occur"),
            ("a;b.service", "does not occur"),
            ("../x.service", "does not occur"),
            ("x%n.service", "stands for nothing"),
            ("x%", "stands for nothing"),
            ("100%%.service", "no percent sign"),
            (".service", "no name"),
            ("@%i.service", "no name"),
        ] {
            let error = UnitTemplate::parse(text).expect_err(text);
            assert!(error.contains(fault), "{text}: {error}");
        }
        assert!(UnitTemplate::parse(&format!("{}.service", "x".repeat(200))).is_err());
    }
}
