//! What was measured, for a page: the table of target/bench.json in Markdown, with its machine; and
//! how far the ratios of several runs lie apart.

use crate::report::{file, short, verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Ratios of two runs that lie further apart than this say that a row is not taken well.
const APART: f64 = 0.15;

/// What the figures were measured on.
pub(crate) fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_matches([' ', '\t', ':', '=', '"']).to_owned()
    };
    let processors = read("/proc/cpuinfo");
    let date = Command::new("date").args(["-u", "+%F"]).output().expect("date (coreutils) is there");
    json!({
        "date": String::from_utf8_lossy(&date.stdout).trim(),
        "cores": processors.lines().filter(|line| line.starts_with("processor")).count(),
        "processor": field(&processors, "model name"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "system": field(&read("/etc/os-release"), "PRETTY_NAME"),
        "load_before": read("/proc/loadavg").split(' ').next(),
        "netevd": env!("CARGO_PKG_VERSION"),
    })
}

/// The page with the table, which has marks for it.
const PAGE: &str = "README.md";

/// Prints the file of the last run, or these, as one table in Markdown.
pub(crate) fn markdown(mut files: Vec<String>) {
    if files.is_empty() {
        files.push(file().display().to_string());
    }
    let all: Vec<Value> = files.iter().map(|file| read(file)).collect();
    println!("{}.\n", place(&all[0]["machine"]));
    print!("{}", table(&all));
}

/// Writes the file of the last run into README.md.
pub(crate) fn write_page() {
    let all = read(&file().display().to_string());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let mut page = std::fs::read_to_string(&path).expect(PAGE);
    let count = |reached: bool| rows(&all).iter().filter(|row| row["reached"] == reached).count();
    let (reached, missed) = (count(true), count(false));
    let goals = match missed {
        0 => format!("All {reached} goals are reached"),
        _ => format!("{reached} goals are reached, {missed} missed"),
    };
    let machine = format!("`make bench` on {}. {goals}.\n", place(&all["machine"]));
    fill(&mut page, "machine", &machine);
    fill(&mut page, "table", &format!("\n{}\n", table(&[all])));
    std::fs::write(path, page).expect("written");
}

/// Puts a text between `<!-- measured: NAME -->` and `<!-- end -->`.
pub(crate) fn fill(page: &mut String, name: &str, text: &str) {
    let mark = format!("<!-- measured: {name} -->\n");
    let start = page.find(&mark).unwrap_or_else(|| panic!("the page has {mark}")) + mark.len();
    let end = start + page[start..].find("<!-- end -->").expect("a part has an end");
    page.replace_range(start..end, text);
}

fn place(machine: &Value) -> String {
    let text = |name: &str| machine[name].as_str().unwrap_or_default().to_owned();
    format!(
        "{} cores ({}), Linux {}, {}, netevd {}, {}",
        machine["cores"],
        text("processor"),
        text("kernel"),
        text("system"),
        text("netevd"),
        text("date")
    )
}

fn table(all: &[Value]) -> String {
    let mut table = "| what | p50 | p99 | to its floor or peer, p50 and p99 | goal | |\n".to_owned();
    table += "|---|--:|--:|--:|---|---|\n";
    for row in all.iter().flat_map(rows) {
        let what = row["what"].as_str().unwrap_or_default();
        if let Some(why) = row["missing"].as_str() {
            let _ = writeln!(table, "| {what} | | | | | {why} |");
            continue;
        }
        let (one, unit) = (row["samples"] == 1, row["unit"].as_str().unwrap_or_default());
        let number = |value: &Value| value.as_f64().map(short).unwrap_or_default();
        let p99 = if one { String::new() } else { format!("{} {unit}", number(&row["p99"])) };
        let ratio = match (row["ratio"]["p50"].as_f64(), row["ratio"]["p99"].as_f64()) {
            (Some(p50), _) if one => format!("{p50:.2}"),
            (Some(p50), Some(p99)) => format!("{p50:.2}, {p99:.2}"),
            _ => String::new(),
        };
        let goal = row["goal"].as_str().unwrap_or_default();
        let reached = row["reached"].as_bool().map_or("", verdict);
        let p50 = number(&row["p50"]);
        let _ = writeln!(table, "| {what} | {p50} {unit} | {p99} | {ratio} | {goal} | {reached} |");
    }
    table
}

/// Prints, for each row with a ratio, what it was in each of these files; and which lie far apart.
pub(crate) fn spread(files: &[String]) {
    let mut ratios: BTreeMap<String, Vec<[f64; 2]>> = BTreeMap::new();
    let mut order = Vec::new();
    for file in files {
        for row in rows(&read(file)) {
            let key = row["key"].as_str().unwrap_or_default().to_owned();
            let ratio = ["p50", "p99"].map(|percentile| row["ratio"][percentile].as_f64());
            let [Some(p50), Some(p99)] = ratio else { continue };
            if !ratios.contains_key(&key) {
                order.push(key.clone());
            }
            ratios.entry(key).or_default().push([p50, p99]);
        }
    }
    println!("{:<42} p50 (apart)                  p99 (apart)", "ratio");
    for key in order {
        let side = |place: usize| {
            let all: Vec<f64> = ratios[&key].iter().map(|both| both[place]).collect();
            let least = all.iter().copied().fold(f64::INFINITY, f64::min);
            let apart = all.iter().copied().fold(0.0, f64::max) / least - 1.0;
            let words: Vec<String> = all.iter().map(|ratio| format!("{ratio:.2}")).collect();
            let mark = if apart > APART { "!" } else { "" };
            format!("{} ({:.0} %){mark}", words.join(" "), apart * 100.0)
        };
        println!("{key:<42} {:<28} {}", side(0), side(1));
    }
}

fn rows(all: &Value) -> Vec<Value> {
    all["rows"].as_array().cloned().unwrap_or_default()
}

fn read(file: &str) -> Value {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| {
        eprintln!("{file}: {error}; make bench writes it");
        std::process::exit(1);
    });
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}
