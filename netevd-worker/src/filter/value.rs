//! The right side of a comparison: words to values of the variable's kind.

use super::condition::{Operand, Relation, Test};
use super::field::{Field, Kind};
use super::parse::Wrong;
use crate::model::{Backend, EventKind};
use crate::names;
use crate::text::nearest;
use protocol::{Pattern, Prefix};
use std::net::IpAddr;
use std::ops::Range;

/// A word of the right side.
#[derive(Clone, Debug)]
pub(super) struct Value<'a> {
    /// Without quotation marks.
    pub(super) text: &'a str,
    /// With them.
    pub(super) place: Range<usize>,
    pub(super) is_quoted: bool,
}

/// A switch that stands alone.
pub(super) fn switch(field: Field) -> Test {
    Test { field, relation: Relation::Equal, operand: Operand::Switch(true) }
}

/// How this variable may be compared.
pub(super) fn example(field: Field) -> String {
    let name = field.name();
    match field {
        Field::RouteTable => format!("such as `{name} == main`"),
        Field::RouteProtocol => format!("such as `{name} in [bgp, ospf]`"),
        Field::Address => format!("such as `{name} in [192.0.2.0/24]`"),
        _ => match field.kind() {
            Kind::Text => format!("such as `{name} == \"…\"`, `{name} in [..]` or `{name} ~ \"…*\"`"),
            Kind::Number => format!("such as `{name} >= 1`"),
            Kind::Switch => format!("`{name}`, `!{name}`, or with `==` and `!=`"),
            Kind::Address => format!("such as `{name} == 192.0.2.1`"),
        },
    }
}

/// A comparison; `relation` suits `field`, and there is one value or more.
pub(super) fn test(field: Field, relation: Relation, values: Vec<Value<'_>>) -> Result<Test, Wrong> {
    let is_list = relation == Relation::In;
    let values = values.iter();
    let operand = match (field.kind(), relation) {
        (Kind::Text, Relation::Like) => Operand::Glob(values.map(glob).next_back().unwrap_or_else(nothing)?),
        (Kind::Text, _) => Operand::Texts(values.map(|v| text(field, v)).collect::<Result<_, _>>()?),
        (Kind::Number, _) => {
            let is_order = !matches!(relation, Relation::Equal | Relation::Unequal | Relation::In);
            Operand::Numbers(values.map(|v| number(field, v, is_order)).collect::<Result<_, _>>()?)
        }
        (Kind::Switch, _) => Operand::Switch(values.map(truth).next_back().unwrap_or_else(nothing)?),
        (Kind::Address, _) => {
            Operand::Prefixes(values.map(|v| address(field, v, is_list)).collect::<Result<_, _>>()?)
        }
    };
    Ok(Test { field, relation, operand })
}

fn nothing<T>() -> Result<T, Wrong> {
    Err(Wrong::new(0..0, "no value", ""))
}

fn glob(value: &Value<'_>) -> Result<Pattern, Wrong> {
    Pattern::new(value.text).map_err(|bad| Wrong::new(value.place.clone(), bad.to_string(), ""))
}

/// Words of a closed set are checked: a misspelt one would never match.
fn text(field: Field, value: &Value<'_>) -> Result<String, Wrong> {
    let known: Vec<&str> = match field {
        Field::Event => EventKind::ALL.iter().map(|kind| kind.name()).collect(),
        Field::Backend => Backend::IN_FORCE.iter().map(|backend| backend.name()).collect(),
        Field::IpFamily => vec!["ipv4", "ipv6"],
        _ => vec![],
    };
    if known.contains(&value.text) {
        return Ok(value.text.to_owned());
    }
    if !value.is_quoted && Field::from_name(value.text).is_some() {
        let message = format!("the right side is a value, and `{}` is a variable", value.text);
        return Err(Wrong::new(
            value.place.clone(),
            message,
            "put it into quotation marks if it is meant so",
        ));
    }
    if known.is_empty() {
        return Ok(value.text.to_owned());
    }
    let help = match nearest(value.text, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there is: {}", known.join(", ")),
    };
    Err(Wrong::new(value.place.clone(), format!("`{}` is never `{}`", field.name(), value.text), help))
}

/// Tables and protocols have names as well, which have no order.
fn number(field: Field, value: &Value<'_>, is_order: bool) -> Result<u32, Wrong> {
    let wrong = |message: String, help: String| Err(Wrong::new(value.place.clone(), message, help));
    let named = match field {
        Field::RouteTable => (253..=255).find(|table| names::route_table(*table) == value.text),
        Field::RouteProtocol => {
            (0..=u8::MAX).find(|protocol| names::route_protocol(*protocol) == value.text).map(u32::from)
        }
        _ => None,
    };
    let digits = value.text.bytes().all(|b| b.is_ascii_digit());
    match (value.text.parse::<u32>(), named) {
        (Ok(_), _) if digits && value.is_quoted => wrong(
            format!("`{}` is a number", field.name()),
            format!("write {} without quotation marks", value.text),
        ),
        (Ok(number), _) if digits => match field {
            Field::RouteProtocol if number > u8::MAX.into() => {
                wrong(format!("there is no protocol {number}"), "they go up to 255".to_owned())
            }
            _ => Ok(number),
        },
        (_, Some(_)) if is_order => {
            wrong(format!("`{}` has no place in an order", value.text), "write a number".to_owned())
        }
        (_, Some(number)) => Ok(number),
        _ => {
            wrong(format!("expected a number for `{}`, found `{}`", field.name(), value.text), example(field))
        }
    }
}

fn truth(value: &Value<'_>) -> Result<bool, Wrong> {
    match (value.text, value.is_quoted) {
        ("true", false) => Ok(true),
        ("false", false) => Ok(false),
        _ => {
            let message = format!("expected true or false, found `{}`", value.text);
            Err(Wrong::new(value.place.clone(), message, "without quotation marks"))
        }
    }
}

/// An address; in a list prefixes as well.
fn address(field: Field, value: &Value<'_>, is_list: bool) -> Result<Prefix, Wrong> {
    let wrong = |message: String, help: String| Err(Wrong::new(value.place.clone(), message, help));
    if let Ok(address) = value.text.parse::<IpAddr>() {
        return Ok(Prefix::host(address));
    }
    let with_length = value
        .text
        .split_once('/')
        .and_then(|(address, length)| Some((address.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?)));
    match with_length
        .map(|(address, length)| (Prefix::new(address, length), Prefix::containing(address, length)))
    {
        Some((Ok(prefix), _)) if is_list => Ok(prefix),
        Some((Ok(prefix), _)) => wrong(
            "one address is compared, not a network".to_owned(),
            format!("write `{} in [{prefix}]`", field.name()),
        ),
        Some((Err(bad), Ok(network))) => wrong(bad.to_string(), format!("write {network}")),
        _ => wrong(format!("expected an address, found `{}`", value.text), example(field)),
    }
}
