//! docs/scale.md names every cap with its value as the code has it, and where it is.

mod list;

use crate::document::{is_made, text};
use list::{CAPS, Of};
use protocol::Limits;
use std::fmt::Write as _;

const PAPER: &str = "docs/scale.md";

/// The helper's, which the configuration may change (`routing.limits`).
fn limits() -> [(&'static str, u32, &'static str, &'static str); 4] {
    let Limits { addresses, copies, objects, writes_per_second } = Limits::default();
    let left_out = "is left out, which a line in the log and `problems` say";
    [
        ("addresses with rules, of one interface and family", addresses, "addresses", left_out),
        (
            "prefixes copied for one interface and family",
            copies,
            "copies",
            "leaves all but defaults to main, by a rule in front, which a line in the log and `problems` say",
        ),
        (
            "rules and routes of netevd in all; as many writes at once",
            objects,
            "objects",
            "is refused, which the log and `problems` say",
        ),
        ("writes in a second after that", writes_per_second, "writes_per_second", "waits, 100 ms at a time"),
    ]
}

#[test]
fn the_caps_in_the_paper_are_the_code_s() {
    let mut table = String::from("| cap | value | where | one more |\n|---|---|---|---|\n");
    for (what, value, key, beyond) in limits() {
        let place = format!("`routing.limits.{key}`, `Limits` in `protocol/src/policy.rs`");
        let _ = writeln!(table, "| {what} | {} | {place} | {beyond} |", grouped(value.into()));
    }
    for (what, of, name, file, beyond) in CAPS {
        let value = constant(file, name);
        let value = match of {
            Of::Things => grouped(value),
            Of::Bytes => bytes(value),
            Of::Kibibytes => bytes(value * 1_024),
        };
        let _ = writeln!(table, "| {what} | {value} | `{name}` in `{file}` | {beyond} |");
    }
    is_made(PAPER, "caps", &table);
}

/// The value of `const NAME: TYPE = PRODUCT;`.
fn constant(file: &str, name: &str) -> u64 {
    let code = text(file);
    let lead = format!("const {name}: ");
    let line = code.lines().find_map(|line| line.split_once(&lead));
    let (_, rest) = line.unwrap_or_else(|| panic!("{file} has no `const {name}`: say where it is now"));
    let value = rest.split_once(" = ").and_then(|(_, value)| value.split_once(';')).expect("a value").0;
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>();
    let product = |text: &str| text.split('*').map(number).product::<Result<u64, _>>();
    let read = match value.split_once("<<") {
        Some((left, right)) => product(left).and_then(|left| Ok(left << number(right)?)),
        None => product(value),
    };
    read.unwrap_or_else(|_| panic!("{file}: {name} = {value} is no product of numbers"))
}

fn bytes(value: u64) -> String {
    let units = [(1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(size, _)| value >= *size && value.is_multiple_of(*size));
    unit.map_or_else(
        || format!("{} bytes", grouped(value)),
        |(size, name)| format!("{} {name}", grouped(value / size)),
    )
}

/// `8,192`
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
