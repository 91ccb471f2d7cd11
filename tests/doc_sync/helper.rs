//! The helper's files, crates and unsafe operations as docs/audit-guide.md lists them.

use crate::document::{is_made, part, rewrite, text};
use crate::source::{files, lines_of_code, program};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const GUIDE: &str = "docs/audit-guide.md";

/// The rows `| FILE | LINES | what to look for |` of the reading order. Which file comes when, and what to look
/// for in it, is for people to say; how long it is is not.
fn reading_order(text: &str) -> Vec<(String, String)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row.split(" | ");
        let mut next = || cells.next().unwrap_or_default().trim_end_matches('`').to_owned();
        (next(), next())
    })
    .collect()
}

fn counted() -> BTreeMap<String, usize> {
    let all = ["netevd-priv/src", "protocol/src"].into_iter().flat_map(files);
    // A file of tests alone has none.
    all.map(|file| (file.clone(), lines_of_code(&file))).filter(|(_, lines)| *lines > 0).collect()
}

fn is_test(file: &str) -> bool {
    let (directory, name) = file.rsplit_once('/').expect("a path");
    let parent = format!("{directory}.rs");
    name == "tests.rs" && text(&parent).contains("#[cfg(test)]\nmod tests;")
}

#[test]
fn the_reading_order_has_every_file_with_its_lines() {
    let counted: BTreeMap<_, _> = counted().into_iter().filter(|(file, _)| !is_test(file)).collect();
    rewrite(GUIDE, |text| {
        let lines = text.lines().map(|line| {
            let row = line.strip_prefix("| `").and_then(|row| row.split_once("` | "));
            match row.and_then(|(file, rest)| Some((file, rest.split_once(" | ")?, counted.get(file)?))) {
                Some((file, (_, rest), count)) => format!("| `{file}` | {count} | {rest}"),
                None => line.to_owned(),
            }
        });
        lines.flat_map(|line| [line, "\n".to_owned()]).collect()
    });
    let listed = reading_order(&part(GUIDE, "reading order"));
    let files: Vec<_> = listed.iter().map(|(file, _)| file.clone()).collect();
    let missing: Vec<_> = counted.keys().filter(|file| !files.contains(file)).collect();
    assert!(missing.is_empty(), "say in {GUIDE} what to look for in {missing:?}");
    assert_eq!(files.len(), counted.len(), "each once, and none that is gone: {files:?}");
    for (file, lines) in listed {
        assert_eq!(lines, counted[&file].to_string(), "lines of {file} in {GUIDE}: make man");
    }
}

#[test]
fn the_crates_in_the_guide_are_those_of_the_build() {
    let mut table = String::from("| crate | version | lines | why |\n|---|---|---|---|\n");
    let crates = text("netevd-priv/CRATES");
    let mut sum = 0;
    for line in crates.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let (name, version, lines) = (words.next(), words.next(), words.next());
        let (Some(name), Some(version), Some(lines)) = (name, version, lines) else {
            panic!("netevd-priv/CRATES: {line:?}: crate, version, lines, why")
        };
        sum += lines.parse().unwrap_or(0);
        let why = words.collect::<Vec<_>>().join(" ");
        assert!(!why.is_empty(), "{name} has a reason");
        let _ = writeln!(table, "| {name} | {version} | {lines} | {why} |");
    }
    let _ = writeln!(table, "| together | | {sum} | |");
    is_made(GUIDE, "crates", &table);
}

/// Every unsafe operation of the three programs: where, and why it is sound.
#[test]
fn every_unsafe_operation_is_in_the_guide() {
    let mut table = String::from("| file | function | why it is sound |\n|---|---|---|\n");
    for file in ["netevd-priv/src", "protocol/src", "netevd-worker/src", "src"].into_iter().flat_map(files) {
        let program = program(&file);
        let lines: Vec<&str> = program.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if !code.contains("unsafe {") && !code.contains("unsafe fn") && !code.contains("unsafe impl") {
                continue;
            }
            assert!(file.ends_with("sys.rs"), "{file}: unsafe belongs into sys.rs");
            // The reason stands above the statement, which may begin some lines before.
            let from = lines[..at].iter().rposition(|line| line.trim_start().starts_with("// SAFETY:"));
            let from = from.unwrap_or_else(|| panic!("{file}:{}: a SAFETY reason", at + 1));
            let reason: Vec<&str> = lines[from..at]
                .iter()
                .map_while(|line| line.trim_start().strip_prefix("//"))
                .map(str::trim)
                .collect();
            let reason = reason.join(" ").replacen("SAFETY: ", "", 1).replace('|', "\\|");
            let function = lines[..at].iter().rev().find_map(|line| line.split("fn ").nth(1));
            let function = function.and_then(|rest| rest.split(['(', '<']).next()).unwrap_or_default();
            let _ = writeln!(table, "| {file} | `{function}` | {reason} |");
        }
    }
    is_made(GUIDE, "unsafe", &table);
    assert!(text("protocol/src/lib.rs").contains("#![forbid(unsafe_code)]"));
}
