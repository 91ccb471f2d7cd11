//! A condition as a tree, and whether it holds.
//!
//! A comparison holds when one of the variable's values satisfies it; without any value (a link
//! without gateway, `mtu` of the host) it does not. `!=` is the contrary of `==`, so it holds then.

use super::field::{Field, Kind};
use super::subject::Subject;
use protocol::{Pattern, Prefix};
use std::fmt;
use std::net::IpAddr;

/// A condition that was read without fault; [`super::parse()`] makes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// `a && b && c`; at least two.
    All(Vec<Condition>),
    /// `a || b || c`; at least two.
    Any(Vec<Condition>),
    /// `!a`
    Not(Box<Condition>),
    /// A comparison, or a switch that stands alone.
    Test(Test),
}

/// A variable and what it is compared with, which suits its [`Kind`].
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// The variable.
    pub(super) field: Field,
    /// How.
    pub(super) relation: Relation,
    /// With what.
    pub(super) operand: Operand,
}

/// How a variable is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `in [..]`
    In,
    /// `~`
    Like,
}

/// What a variable is compared with; one item, or for [`Relation::In`] several.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Switch(bool),
    Numbers(Vec<u32>),
    Texts(Vec<String>),
    /// A single address is a prefix of full length.
    Prefixes(Vec<Prefix>),
    Glob(Pattern),
}

impl Relation {
    /// As it is written.
    pub const fn sign(self) -> &'static str {
        match self {
            Relation::Equal => "==",
            Relation::Unequal => "!=",
            Relation::Less => "<",
            Relation::AtMost => "<=",
            Relation::More => ">",
            Relation::AtLeast => ">=",
            Relation::In => "in",
            Relation::Like => "~",
        }
    }

    /// Whether variables of this kind can be compared so.
    pub(super) const fn suits(self, kind: Kind) -> bool {
        match self {
            Relation::Equal | Relation::Unequal => true,
            Relation::Less | Relation::AtMost | Relation::More | Relation::AtLeast => {
                matches!(kind, Kind::Number)
            }
            Relation::In => !matches!(kind, Kind::Switch),
            Relation::Like => matches!(kind, Kind::Text),
        }
    }
}

impl Condition {
    /// Whether it holds for this event.
    pub fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Condition::All(parts) => parts.iter().all(|part| part.holds(subject)),
            Condition::Any(parts) => parts.iter().any(|part| part.holds(subject)),
            Condition::Not(part) => !part.holds(subject),
            Condition::Test(test) => test.holds(subject),
        }
    }
}

impl Test {
    fn holds(&self, subject: &Subject<'_>) -> bool {
        let some = match &self.operand {
            Operand::Switch(wanted) => subject.switch(self.field) == Some(*wanted),
            Operand::Numbers(numbers) => subject
                .number(self.field)
                .is_some_and(|found| numbers.iter().any(|n| self.compares(found, *n))),
            Operand::Texts(texts) => subject.has_text(self.field, &|found| texts.iter().any(|t| t == found)),
            Operand::Glob(glob) => subject.has_text(self.field, &|found| glob.matches(found)),
            Operand::Prefixes(prefixes) => {
                subject.has_address(self.field, &|found| prefixes.iter().any(|p| p.contains(found)))
            }
        };
        some != (self.relation == Relation::Unequal)
    }

    /// `Unequal` is turned round by the caller.
    fn compares(&self, found: u32, wanted: u32) -> bool {
        match self.relation {
            Relation::Less => found < wanted,
            Relation::AtMost => found <= wanted,
            Relation::More => found > wanted,
            Relation::AtLeast => found >= wanted,
            Relation::Equal | Relation::Unequal | Relation::In | Relation::Like => found == wanted,
        }
    }
}

impl fmt::Display for Condition {
    /// So that reading it again gives the same condition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::All(parts) => {
                joined(f, parts, " && ", |part| matches!(part, Condition::Any(_) | Condition::All(_)))
            }
            Condition::Any(parts) => joined(f, parts, " || ", |part| matches!(part, Condition::Any(_))),
            // Parentheses where they were needed to write it: they count for how deep it may be.
            Condition::Not(part) if matches!(**part, Condition::Not(_) | Condition::Test(_)) => {
                write!(f, "!{part}")
            }
            Condition::Not(part) => write!(f, "!({part})"),
            Condition::Test(test) => test.fmt(f),
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Condition],
    sign: &str,
    needs_parentheses: impl Fn(&Condition) -> bool,
) -> fmt::Result {
    for (place, part) in parts.iter().enumerate() {
        f.write_str(if place == 0 { "" } else { sign })?;
        if needs_parentheses(part) { write!(f, "({part})") } else { write!(f, "{part}") }?;
    }
    Ok(())
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = match &self.operand {
            Operand::Switch(wanted) => vec![wanted.to_string()],
            Operand::Numbers(numbers) => numbers.iter().map(ToString::to_string).collect(),
            Operand::Texts(texts) => texts.iter().map(|text| quoted(text)).collect(),
            Operand::Glob(glob) => vec![quoted(glob.as_str())],
            Operand::Prefixes(prefixes) => prefixes.iter().map(address_or_prefix).collect(),
        };
        let (field, sign, words) = (self.field.name(), self.relation.sign(), words.join(", "));
        if self.relation == Relation::In {
            write!(f, "{field} in [{words}]")
        } else {
            write!(f, "{field} {sign} {words}")
        }
    }
}

/// A text holds one kind of quotation mark at most: it was read between the other.
fn quoted(text: &str) -> String {
    let mark = if text.contains('"') { '\'' } else { '"' };
    format!("{mark}{text}{mark}")
}

fn address_or_prefix(prefix: &Prefix) -> String {
    let full = match prefix.address() {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    if prefix.length() == full { prefix.address().to_string() } else { prefix.to_string() }
}
