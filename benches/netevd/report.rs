//! The rows of a run: printed as they come, and written to target/bench.json at the end.

use crate::figures::Figures;
use crate::goal::Goal;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A row to be.
pub(crate) struct Row<'f> {
    key: &'f str,
    what: &'f str,
    unit: &'static str,
    figures: Figures,
    floor: Option<&'f str>,
    goal: Option<Goal>,
}

impl<'f> Row<'f> {
    /// `key` names it in the file, `what` in the table; `unit` is that of the figures.
    pub(crate) fn new(key: &'f str, what: &'f str, unit: &'static str, figures: Figures) -> Row<'f> {
        Row { key, what, unit, figures, floor: None, goal: None }
    }

    /// The key of the row that it is compared with, which has come before, if its part was asked for.
    pub(crate) fn beside(self, floor: &'f str) -> Row<'f> {
        Row { floor: Some(floor), ..self }
    }

    pub(crate) fn goal(self, goal: Goal) -> Row<'f> {
        Row { goal: Some(goal), ..self }
    }
}

/// All rows so far.
pub(crate) struct Report {
    part: &'static str,
    rows: Vec<Value>,
    figures: BTreeMap<String, Figures>,
    machine: Value,
    /// By which goals are multiplied, to see that each can be missed.
    ease: f64,
}

impl Report {
    pub(crate) fn new() -> Report {
        let ease = std::env::var("NETEVD_BENCH_GOALS").ok();
        let ease = ease.map_or(1.0, |text| text.parse().expect("NETEVD_BENCH_GOALS is a number"));
        println!(
            "{:<51} {:>6} {:>8} {:>8} {:>8} {:>8} {:<8} {:>13}   goal",
            "", "times", "min", "p50", "p99", "max", "", "p50, p99 to"
        );
        let (part, rows, figures) = ("", Vec::new(), BTreeMap::new());
        Report { part, rows, figures, machine: crate::table::machine(), ease }
    }

    /// The rows that follow are of this part.
    pub(crate) fn begin(&mut self, part: &'static str) {
        self.part = part;
        println!();
    }

    /// Prints a row and keeps it.
    pub(crate) fn row(&mut self, row: Row<'_>) {
        let figures = &row.figures;
        let floor = row.floor.and_then(|key| self.figures.get(key));
        let ratio = floor.map(|floor| figures.ratio(floor));
        let goal = row.goal.map(|goal| goal.eased(self.ease));
        let reached = goal.and_then(|goal| goal.is_reached(figures, floor));
        let goal = goal.map(|goal| goal.text(row.unit));
        let one = figures.samples() == 1;
        let side = |figure: f64| if one { String::new() } else { short(figure) };
        println!(
            "{:<51} {:>6} {:>8} {:>8} {:>8} {:>8} {:<8} {:>13}   {} {}",
            row.what,
            figures.samples(),
            side(figures.min()),
            short(figures.p50()),
            side(figures.p99()),
            side(figures.max()),
            row.unit,
            ratio.map(|(p50, p99)| format!("{p50:.2}x, {p99:.2}x")).unwrap_or_default(),
            goal.clone().unwrap_or_default(),
            reached.map_or("", verdict)
        );
        let mut object = json!({
            "part": self.part, "key": row.key, "what": row.what, "unit": row.unit,
            "samples": figures.samples(), "min": figures.min(), "p50": figures.p50(),
            "p99": figures.p99(), "max": figures.max(),
        });
        let mut add = |name: &str, value: Value| {
            object
                .as_object_mut()
                .map(|object: &mut Map<String, Value>| object.insert(name.to_owned(), value))
        };
        if let (Some((p50, p99)), Some(floor)) = (ratio, row.floor) {
            add("floor", floor.into());
            add("ratio", json!({ "p50": p50, "p99": p99 }));
        }
        if let Some(goal) = goal {
            add("goal", goal.into());
            add("reached", reached.into());
        }
        self.rows.push(object);
        self.figures.insert(row.key.to_owned(), row.figures);
    }

    /// A row that cannot be had here.
    pub(crate) fn missing(&mut self, key: &str, what: &str, why: &str) {
        println!("{what:<51} not measured: {why}");
        self.rows.push(json!({ "part": self.part, "key": key, "what": what, "missing": why }));
    }

    /// Writes the file, and says where it is and how many goals are missed.
    pub(crate) fn finish(&self, seconds: u64) {
        let file = file();
        let all = json!({ "machine": self.machine, "seconds": seconds, "rows": self.rows });
        std::fs::write(&file, format!("{all:#}\n")).unwrap();
        let count = |reached: bool| self.rows.iter().filter(|row| row["reached"] == reached).count();
        println!("\n{} goals reached, {} missed, in {seconds} s", count(true), count(false));
        println!("written to {}; make bench-table prints it for a page", file.display());
    }
}

/// Where the figures of the last run are: target/bench.json, or what `NETEVD_BENCH_FILE` names.
pub(crate) fn file() -> PathBuf {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench.json");
    std::env::var_os("NETEVD_BENCH_FILE").map_or_else(default, PathBuf::from)
}

pub(crate) fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}

/// A figure with about four digits.
pub(crate) fn short(figure: f64) -> String {
    match figure {
        _ if figure.fract() == 0.0 => format!("{figure:.0}"),
        _ if figure.abs() >= 1000.0 => format!("{figure:.0}"),
        _ if figure.abs() >= 100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}
