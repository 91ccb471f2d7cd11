//! Which names of links may become part of a unit's name, and the regular expressions (of JavaScript,
//! ECMA-262) for the units that a rule of `units:` can name. polkit judges by them what the worker asks for.
//!
//! Whoever may make links chooses their names, and the unit's commands, which run as root, are given the
//! name. So only such names are asked for, and permitted, that no shell and no parser of nft, ip or nmcli
//! reads as more than one word: they begin with a letter, a digit or `_`, and go on with these or one of
//! `. - + , = @ ~`.

use super::Config;
use super::units::{Part, UnitRule, escape, quoted};
use crate::model::EventKind;
use protocol::{InterfaceName, Pattern, PatternList};

/// What a name may hold beside letters and digits; the first of these also at its beginning.
const MORE: &[u8] = b"_.-+,=@~";

/// One character of a name, as it stands escaped in a unit's name.
const ONE: &str = r"(?:[A-Za-z0-9_.]|\\x(?:2b|2c|2d|3d|40|7e))";
/// A whole name, of at most 15 characters.
const WHOLE: &str = r"[A-Za-z0-9_](?:[A-Za-z0-9_.]|\\x(?:2b|2c|2d|3d|40|7e)){0,14}";

/// The names of units that one rule makes of one or more events, as anchored regular expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitNames {
    /// The unit's whole name; its first group is the link's, where the template has one.
    pub unit: String,
    /// Whether there is that group.
    pub has_link: bool,
    /// The link's name matches one of each list.
    pub one_of: Vec<Vec<String>>,
    /// And none of these.
    pub none_of: Vec<String>,
}

/// Whether a link's name may become part of a unit's name.
pub fn may_name_a_unit(link: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || MORE.contains(byte);
    let first = link.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && link.len() <= InterfaceName::MAX
        && link.as_bytes().iter().all(inner)
}

impl UnitRule {
    /// Every unit that this rule can ask for, under this configuration.
    pub fn unit_names(&self, config: &Config) -> Vec<UnitNames> {
        let parts = self.unit.parts();
        let has_link = parts.contains(&Part::Link);
        let has_event = parts.contains(&Part::Event);
        // Each event by itself: then a unit's name has one reading.
        let kinds: Vec<Option<EventKind>> = match has_event {
            true => self.on.iter().copied().map(Some).collect(),
            false => vec![None],
        };
        let (one_of, none_of) = if has_link { links(&self.links, config) } else { (Vec::new(), Vec::new()) };
        // What no name of a link can match.
        if one_of.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        let name = |kind: Option<EventKind>| {
            let mut seen = false;
            let part = |part: &Part| match part {
                Part::Text(text) => quoted(text),
                Part::Link if std::mem::replace(&mut seen, true) => r"\1".to_owned(),
                Part::Link => format!("({WHOLE})"),
                Part::Event => quoted(&kind.map(|kind| escape(kind.name())).unwrap_or_default()),
            };
            format!("^{}$", parts.iter().map(part).collect::<String>())
        };
        kinds
            .into_iter()
            .map(|kind| UnitNames {
                unit: name(kind),
                has_link,
                one_of: one_of.clone(),
                none_of: none_of.clone(),
            })
            .collect()
    }
}

/// The links of a rule, which are monitored ones.
fn links(rule: &PatternList, config: &Config) -> (Vec<Vec<String>>, Vec<String>) {
    let (mut one_of, mut none_of) = (Vec::new(), Vec::new());
    for list in [rule, &config.monitoring] {
        let items: Vec<String> = list.items().collect();
        let (excluded, included): (Vec<&String>, Vec<&String>) =
            items.iter().partition(|item| item.starts_with('!'));
        if !list.includes_nothing() {
            one_of.push(included.iter().filter_map(|item| expression(item)).collect());
        }
        none_of.extend(excluded.iter().filter_map(|item| expression(&item[1..])));
    }
    if config.monitoring.includes_nothing() {
        none_of.extend(expression("lo"));
    }
    none_of.dedup();
    (one_of, none_of)
}

/// A pattern of the configuration over escaped names; `None` where no name that may become part of a unit's
/// name can match.
fn expression(pattern: &str) -> Option<String> {
    let mut text = String::from("^");
    let mut rest = pattern.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'*' => {
                text.push_str(ONE);
                text.push('*');
            }
            b'?' => text.push_str(ONE),
            b'[' => {
                let length = 1 + set_length(after)?;
                let set =
                    std::str::from_utf8(&pattern.as_bytes()[pattern.len() - after.len() - 1..][..length]);
                text.push_str(&one_of_set(&Pattern::new(set.ok()?).ok()?)?);
                rest = &after[length - 1..];
            }
            literal => text.push_str(&character(literal)?),
        }
    }
    text.push('$');
    Some(text)
}

/// The bytes of a set behind its `[`, with its `]`.
fn set_length(bytes: &[u8]) -> Option<usize> {
    let negated = usize::from(matches!(bytes.first(), Some(b'!' | b'^')));
    // A `]` that comes first is a member.
    let body = bytes.get(negated + 1..)?;
    Some(negated + 1 + body.iter().position(|byte| *byte == b']')? + 1)
}

/// Any member of a set that may be in a name.
fn one_of_set(set: &Pattern) -> Option<String> {
    let alphabet = (b'0'..=b'9').chain(b'A'..=b'Z').chain(b'a'..=b'z').chain(MORE.iter().copied());
    let members: Vec<String> = alphabet.filter(|byte| set.matches([*byte])).filter_map(character).collect();
    (!members.is_empty()).then(|| format!("(?:{})", members.join("|")))
}

/// One byte of a name, escaped as in a unit's name, as an expression.
fn character(byte: u8) -> Option<String> {
    match byte {
        byte if byte.is_ascii_alphanumeric() || byte == b'_' => Some(char::from(byte).to_string()),
        // At the beginning it would be escaped, but no name begins with it here.
        b'.' => Some(r"\.".to_owned()),
        byte if MORE.contains(&byte) => Some(format!(r"\\x{byte:02x}")),
        _ => None,
    }
}

#[cfg(test)]
#[path = "unit_links_tests.rs"]
mod tests;
