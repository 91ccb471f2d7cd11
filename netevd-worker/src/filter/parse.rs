//! The text of a condition to a [`Condition`], with the types of everything checked.
//!
//! ```text
//! any     = all *( "||" all )
//! all     = operand *( "&&" operand )
//! operand = "!" operand | "(" any ")" | test
//! test    = variable [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" ) value | "in" "[" value *( "," value ) "]" ]
//! value   = quoted with " or ' | a word of letters, digits and . : / % _ + @ * -
//! ```
//!
//! Limits: 4,096 bytes, 32 parentheses and `!` deep.

use super::condition::{Condition, Relation, Test};
use super::field::{Field, Kind};
use super::value::{self, Value};
use crate::text::nearest;
use std::fmt;
use std::ops::Range;
use winnow::combinator::{alt, cut_err, delimited, opt, peek, preceded, separated, terminated};
use winnow::error::{ErrMode, ParserError};
use winnow::stream::{LocatingSlice, Location};
use winnow::token::{any as character, literal, take_till, take_while};
use winnow::{ModalResult, Parser};

/// The longest condition in bytes.
pub const LENGTH_MAX: usize = 4_096;
/// Parentheses and `!` within each other.
pub const DEPTH_MAX: usize = 32;

/// What is wrong with a condition, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Bytes of the condition; empty at its end.
    pub place: Range<usize>,
    /// What was found.
    pub message: String,
    /// What to write.
    pub help: String,
}

type Input<'a> = LocatingSlice<&'a str>;
type Parsed<T> = ModalResult<T, Wrong>;

impl Wrong {
    pub(super) fn new(place: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { place, message: message.into(), help: help.into() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Wrong {}

impl<'a> ParserError<Input<'a>> for Wrong {
    type Inner = Self;

    /// What every parser below replaces by its own words, or takes back.
    fn from_input(input: &Input<'a>) -> Self {
        Wrong::new(rest(input), "this cannot be understood", "")
    }

    fn into_inner(self) -> Result<Self::Inner, Self> {
        Ok(self)
    }
}

/// Reads a condition.
pub fn parse(text: &str) -> Result<Condition, Wrong> {
    if text.len() > LENGTH_MAX {
        let message = format!("the condition is longer than {LENGTH_MAX} bytes");
        return Err(Wrong::new(0..text.len(), message, "make several filters of it"));
    }
    let mut input = LocatingSlice::new(text);
    let read = |input: &mut Input<'_>| {
        blank(input)?;
        let condition = any(input, 0)?;
        if input.is_empty() { Ok(condition) } else { Err(ErrMode::Cut(left_over(input))) }
    };
    read(&mut input).map_err(|error| match error {
        ErrMode::Cut(wrong) | ErrMode::Backtrack(wrong) => wrong,
        ErrMode::Incomplete(_) => Wrong::new(text.len()..text.len(), "the condition ends too early", ""),
    })
}

fn any(input: &mut Input<'_>, depth: usize) -> Parsed<Condition> {
    let part = |input: &mut Input<'_>| all(input, depth);
    let parts: Vec<Condition> = separated(1.., part, sign("||")).parse_next(input)?;
    Ok(alone(parts).unwrap_or_else(Condition::Any))
}

fn all(input: &mut Input<'_>, depth: usize) -> Parsed<Condition> {
    let part = |input: &mut Input<'_>| operand(input, depth);
    let parts: Vec<Condition> = separated(1.., part, sign("&&")).parse_next(input)?;
    Ok(alone(parts).unwrap_or_else(Condition::All))
}

fn alone(mut parts: Vec<Condition>) -> Result<Condition, Vec<Condition>> {
    match parts.pop() {
        Some(part) if parts.is_empty() => Ok(part),
        Some(part) => {
            parts.push(part);
            Err(parts)
        }
        None => Err(parts),
    }
}

/// Never backtracks: there has to be one wherever it is looked for.
fn operand(input: &mut Input<'_>, depth: usize) -> Parsed<Condition> {
    let start = input.current_token_start();
    if depth > DEPTH_MAX {
        let message = format!("parentheses and `!` more than {DEPTH_MAX} deep");
        // The text may end here.
        let length = opt(peek(character)).parse_next(input)?.map_or(0, char::len_utf8);
        return cut(Wrong::new(start..start + length, message, "make several filters of it"));
    }
    match opt(peek(character)).parse_next(input)? {
        Some('!') => {
            sign("!").parse_next(input)?;
            Ok(Condition::Not(Box::new(operand(input, depth + 1)?)))
        }
        Some('(') => {
            sign("(").parse_next(input)?;
            let inner = any(input, depth + 1)?;
            if opt(sign(")")).parse_next(input)?.is_some() {
                return Ok(inner);
            }
            if input.is_empty() {
                return cut(Wrong::new(
                    start..start + 1,
                    "this parenthesis is not closed",
                    "write `)` behind it",
                ));
            }
            cut(left_over(input))
        }
        Some(c) if is_of_name(c) => test(input).map(Condition::Test),
        Some('"' | '\'') => {
            let place = quoted.span().parse_next(input)?;
            let help = "such as `state == \"routable\"`";
            cut(Wrong::new(place, "a comparison begins with a variable", help))
        }
        _ => {
            let message = format!("expected a variable, `!` or `(`, found {}", found(input));
            cut(Wrong::new(rest(input), message, "such as `has_gateway` or `mtu >= 1400`"))
        }
    }
}

fn test(input: &mut Input<'_>) -> Parsed<Test> {
    let (name, place) = terminated(word.with_span(), blank).parse_next(input)?;
    let Some(field) = Field::from_name(name) else { return cut(unknown(name, place)) };
    let Some((relation, sign_place)) = opt(terminated(relation.with_span(), blank)).parse_next(input)? else {
        return match (field.kind(), wrong_sign(input)) {
            (_, Some(wrong)) => cut(wrong),
            (Kind::Switch, None) => Ok(value::switch(field)),
            (kind, None) => {
                let message = format!("`{name}` is {}, so it has to be compared", kind.what());
                cut(Wrong::new(place, message, value::example(field)))
            }
        };
    };
    if !relation.suits(field.kind()) {
        let message =
            format!("`{}` does not suit `{name}`, which is {}", relation.sign(), field.kind().what());
        return cut(Wrong::new(sign_place, message, value::example(field)));
    }
    let values = if relation == Relation::In { list(input)? } else { vec![one(input)?] };
    value::test(field, relation, values).map_err(ErrMode::Cut)
}

fn relation(input: &mut Input<'_>) -> Parsed<Relation> {
    let in_ = terminated(literal("in"), peek(winnow::combinator::not(take_while(1, is_of_name))));
    alt((
        literal("==").value(Relation::Equal),
        literal("!=").value(Relation::Unequal),
        literal("<=").value(Relation::AtMost),
        literal(">=").value(Relation::AtLeast),
        literal("<").value(Relation::Less),
        literal(">").value(Relation::More),
        literal("~").value(Relation::Like),
        in_.value(Relation::In),
    ))
    .parse_next(input)
}

/// At least one value in brackets.
fn list<'a>(input: &mut Input<'a>) -> Parsed<Vec<Value<'a>>> {
    let start = input.current_token_start();
    if opt(sign("[")).parse_next(input)?.is_none() {
        let message = format!("expected a list in brackets behind `in`, found {}", found(input));
        return cut(Wrong::new(rest(input), message, "such as `in [\"eth0\", \"eth1\"]`"));
    }
    if opt(sign("]")).parse_next(input)?.is_some() {
        return cut(Wrong::new(start..start + 1, "nothing is in an empty list", "put a value into it"));
    }
    let values: Vec<Value<'a>> = separated(1.., one, sign(",")).parse_next(input)?;
    if opt(sign("]")).parse_next(input)?.is_some() {
        return Ok(values);
    }
    if input.is_empty() {
        return cut(Wrong::new(start..start + 1, "this list is not closed", "write `]` behind it"));
    }
    let message = format!("expected `,` or `]`, found {}", found(input));
    cut(Wrong::new(rest(input), message, ""))
}

/// One value; never backtracks.
fn one<'a>(input: &mut Input<'a>) -> Parsed<Value<'a>> {
    let start = input.current_token_start();
    match opt(peek(character)).parse_next(input)? {
        Some('"' | '\'') => {
            let (text, place) = terminated(quoted.with_span(), blank).parse_next(input)?;
            Ok(Value { text, place, is_quoted: true })
        }
        Some(c) if is_of_value(c) => {
            let (text, place) =
                terminated(take_while(1.., is_of_value).with_span(), blank).parse_next(input)?;
            Ok(Value { text, place, is_quoted: false })
        }
        Some('[') => cut(Wrong::new(start..start + 1, "a list stands behind `in` alone", "write `in [..]`")),
        _ => cut(Wrong::new(rest(input), format!("expected a value, found {}", found(input)), "")),
    }
}

fn quoted<'a>(input: &mut Input<'a>) -> Parsed<&'a str> {
    let start = input.current_token_start();
    let open = Wrong::new(start..start + 1, "this quotation mark is not closed", "");
    let between = |mark: &'static str| {
        let inner = take_till(0.., move |c: char| mark.contains(c));
        delimited(literal(mark), inner, cut_err(literal(mark)))
    };
    alt((between("\""), between("'"))).parse_next(input).map_err(|_: ErrMode<Wrong>| ErrMode::Cut(open))
}

fn word<'a>(input: &mut Input<'a>) -> Parsed<&'a str> {
    take_while(1.., is_of_name).parse_next(input)
}

/// A sign and the blanks behind it.
fn sign<'a>(text: &'static str) -> impl Parser<Input<'a>, (), ErrMode<Wrong>> {
    preceded(literal(text), blank)
}

fn blank(input: &mut Input<'_>) -> Parsed<()> {
    take_while(0.., char::is_whitespace).void().parse_next(input)
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_of_value(c: char) -> bool {
    c.is_alphanumeric() || "_.:/%+@*-".contains(c)
}

fn cut<T>(wrong: Wrong) -> Parsed<T> {
    Err(ErrMode::Cut(wrong))
}

/// The next word or sign.
fn rest(input: &Input<'_>) -> Range<usize> {
    let start = input.current_token_start();
    let length = input.find(|c: char| !is_of_value(c)).unwrap_or(input.len());
    let first = input.chars().next().map_or(0, char::len_utf8);
    start..start + length.max(first)
}

fn found(input: &Input<'_>) -> String {
    let place = rest(input);
    match input.get(..place.len()) {
        None | Some("") => "the end".to_owned(),
        Some(text) => format!("`{text}`"),
    }
}

fn unknown(name: &str, place: Range<usize>) -> Wrong {
    let names = Field::ALL.iter().map(|field| field.name());
    let help = match (name, nearest(name, names.clone())) {
        ("not", _) => "write `!`".to_owned(),
        ("true" | "false", _) => "a comparison begins with a variable".to_owned(),
        (_, Some(near)) => format!("did you mean `{near}`?"),
        (_, None) => format!("there is: {}", names.collect::<Vec<_>>().join(", ")),
    };
    Wrong::new(place, format!("unknown variable `{name}`"), help)
}

/// What other languages write where a comparison is expected.
fn wrong_sign(input: &Input<'_>) -> Option<Wrong> {
    let start = input.current_token_start();
    let wrong = [("=>", "write `>=`"), ("=<", "write `<=`"), ("=", "write `==`")];
    if let Some((sign, help)) = wrong.into_iter().find(|(sign, _)| input.starts_with(sign)) {
        return Some(Wrong::new(start..start + sign.len(), format!("`{sign}` compares nothing"), help));
    }
    let place = rest(input);
    match input.get(..place.len())? {
        "not" => Some(Wrong::new(place, "expected a comparison, found `not`", "write `!(… in [..])`")),
        "is" | "eq" => Some(Wrong::new(place, "expected a comparison", "write `==`")),
        _ => None,
    }
}

/// What stands where the condition could have ended.
fn left_over(input: &Input<'_>) -> Wrong {
    let place = rest(input);
    let help = match input.chars().next() {
        Some('&') => "write `&&`",
        Some('|') => "write `||`",
        Some(')') => "there is no `(` before it",
        _ => match input.get(..place.len()) {
            Some("and" | "AND") => "write `&&`",
            Some("or" | "OR") => "write `||`",
            _ => "",
        },
    };
    Wrong::new(place, format!("expected `&&`, `||` or the end, found {}", found(input)), help)
}
