//! What was measured as the tables of docs/scale.md: its parts stand between `<!-- measured: NAME -->` and
//! `<!-- end -->`.

use super::series::{Column, Line, Series, Unit};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::process::Command;

/// A line that rises little more than its points scatter says nothing.
const SCATTER: f64 = 0.5;
/// Points that are nearer to their line make a straight one.
const CURVED: f64 = 0.05;
/// Between a straight line and a square: above it growth is named.
const STEEP: f64 = 1.3;

/// target/scale.json
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Processor, kernel, date.
    pub(crate) machine: String,
    /// Everything.
    pub(crate) series: Vec<Series>,
}

impl Report {
    /// Measured here and now.
    pub(crate) fn new(series: Vec<Series>) -> Self {
        let run = |program: &str, words: &[&str]| {
            let output =
                Command::new(program).args(words).env("LC_ALL", "C").output().expect("it is installed");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let machine = format!(
            "{} ({cores} cores), Linux {}, {}",
            model.unwrap_or("unknown processor"),
            run("uname", &["-r"]).split('-').next().unwrap_or_default(),
            run("date", &["+%-d %B %Y"])
        );
        Self { machine, series }
    }

    /// All parts, as they stand in the paper.
    pub(crate) fn markdown(&self) -> String {
        self.parts().into_iter().map(|(name, text)| format!("\n{name}:\n\n{text}")).collect()
    }

    /// The paper with these figures.
    pub(crate) fn fill(&self, paper: &str) -> String {
        let mut paper = paper.to_owned();
        for (name, text) in self.parts() {
            crate::table::fill(&mut paper, &name, &text);
        }
        paper
    }

    fn parts(&self) -> Vec<(String, String)> {
        let mut parts = vec![("machine".to_owned(), format!("{}.\n", self.machine))];
        parts.push(("slopes".to_owned(), self.slopes()));
        parts.push(("foretold".to_owned(), self.foretold()));
        parts.extend(self.series.iter().map(|series| (series.key.clone(), table(series))));
        parts
    }

    fn get(&self, key: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.key == key)
    }

    /// One more of each.
    fn slopes(&self) -> String {
        let titles = ["worker's memory", "worker's start", "helper's start", "whole dump", "a lone change"];
        let mut text =
            format!("| one more | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
        for series in &self.series {
            let slopes = titles.map(|title| {
                let column = series.column(title)?;
                Some((column.unit, series.line(column)?))
            });
            if slopes.iter().all(Option::is_none) {
                continue;
            }
            let cells = slopes.map(|slope| slope.map_or("-".to_owned(), |(unit, line)| each(unit, &line)));
            let _ = writeln!(text, "| {} ([{1}](#{1})) | {2} |", series.thing, series.key, cells.join(" | "));
        }
        text
    }

    /// The largest hosts beside what the lines say of them.
    fn foretold(&self) -> String {
        let mut text = "| host | quantity | foretold | measured |\n|---|---|---|---|\n".to_owned();
        for key in ["links", "unwanted", "wanted"] {
            let Some(series) = self.get(key) else { continue };
            let Some(size) = series.sizes.last() else { continue };
            for column in series.columns.iter().filter(|column| is_told(column)) {
                let Some(line) = series.line(column) else { continue };
                row(
                    &mut text,
                    &format!("{} {} ({key})", grouped(*size), series.things()),
                    column,
                    line.at(*size),
                );
            }
        }
        if let Some(pods) = self.get("pods") {
            let parts: Vec<&Series> =
                ["links", "addresses", "copied"].iter().filter_map(|key| self.get(key)).collect();
            let size = pods.sizes.last().copied().unwrap_or_default();
            for column in pods.columns.iter().filter(|column| is_told(column)) {
                let lines: Option<Vec<Line>> =
                    parts.iter().map(|series| series.line(series.column(&column.title)?)).collect();
                let Some(lines) = lines.filter(|lines| lines.len() == 3) else { continue };
                let rise: f64 = lines.iter().map(|line| line.slope * size).sum();
                row(&mut text, &format!("{} pods", grouped(size)), column, lines[0].base + rise);
            }
        }
        text
    }
}

fn is_told(column: &Column) -> bool {
    let told = [
        "worker's memory",
        "start to ready",
        "worker's start",
        "helper's start",
        "whole dump",
        "a lone change",
    ];
    told.contains(&column.title.as_str())
}

fn row(text: &mut String, host: &str, column: &Column, foretold: f64) {
    let measured = column.values.last().copied().unwrap_or_default();
    let (foretold, measured) = (shown(column.unit, foretold), shown(column.unit, measured));
    let _ = writeln!(text, "| {host} | {} | {foretold} | {measured} |", column.title);
}

/// The points of a series, and its lines.
fn table(series: &Series) -> String {
    let sizes: Vec<String> = series.sizes.iter().map(|size| grouped(*size)).collect();
    let has_lines = sizes.len() > 1;
    let mut text = format!("| {} | {} |", series.things(), sizes.join(" | "));
    text += if has_lines { " one more | off the line | growth |\n" } else { "\n" };
    text += &format!("|---|{}\n", "---|".repeat(sizes.len() + if has_lines { 3 } else { 0 }));
    for column in &series.columns {
        let values: Vec<String> = column.values.iter().map(|value| shown(column.unit, *value)).collect();
        let _ = write!(text, "| {} | {} |", column.title, values.join(" | "));
        if let Some(line) = series.line(column).filter(|_| has_lines) {
            let off = if is_seen(&line) { format!("{:.0} %", line.off * 100.0) } else { "-".to_owned() };
            let growth = growth(series, column, &line);
            let _ = write!(text, " {} | {off} | {growth} |", each(column.unit, &line));
        }
        text.push('\n');
    }
    text
}

/// The power of the size with which a value grows between the last two points, where it is clearly more than one.
fn growth(series: &Series, column: &Column, line: &Line) -> String {
    let ([first, .., x, y], [base, .., a, b]) = (series.sizes.as_slice(), column.values.as_slice()) else {
        return String::new();
    };
    let power = ((b - base) / (a - base)).ln() / ((y - first) / (x - first)).ln();
    let rises = is_seen(line) && line.off > CURVED && *b > 2.0 * base;
    if rises && power > STEEP { format!("n^{power:.1}") } else { String::new() }
}

fn each(unit: Unit, line: &Line) -> String {
    if is_seen(line) { shown(unit, line.slope) } else { "none seen".to_owned() }
}

fn is_seen(line: &Line) -> bool {
    line.off < SCATTER && line.slope > 0.0
}

fn shown(unit: Unit, value: f64) -> String {
    let (value, name) = match unit {
        Unit::Bytes if value.abs() >= 1e6 => (value / 1e6, "MB"),
        Unit::Bytes if value.abs() >= 1e4 => (value / 1e3, "kB"),
        Unit::Bytes => (value, "B"),
        Unit::Microseconds if value.abs() >= 1e6 => (value / 1e6, "s"),
        Unit::Microseconds if value.abs() >= 1e3 => (value / 1e3, "ms"),
        Unit::Microseconds if value.abs() >= 1.0 || value == 0.0 => (value, "µs"),
        Unit::Microseconds => (value * 1e3, "ns"),
    };
    let decimals = match value.abs() {
        v if v >= 100.0 || name == "B" => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {name}")
}

/// `10,000`
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
