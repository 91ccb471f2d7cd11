//! Every file, test and make target that a paper names is there, so that papers cannot rot.
//!
//! A test is named as `path/to/file.rs::name`, in backticks.

use crate::document::{file, text};
use std::collections::BTreeSet;

const PAPERS: [&str; 5] = [
    "SECURITY.md",
    "docs/audit-guide.md",
    "docs/protocol.md",
    "docs/security-review.md",
    "docs/threat-model.md",
];

/// What stands in backticks, outside blocks of code.
fn quoted(text: &str) -> Vec<&str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

/// Whether a file has a test of this name; whatever stands between is attributes and reasons.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        rest.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('))
    };
    let at = lines.iter().position(|line| is_it(line));
    let above = at.map(|at| lines[..at].iter().rev().take_while(|line| line.starts_with(['#', '/'])));
    above.is_some_and(|mut above| above.any(|line| line.ends_with("test]")))
}

#[test]
fn every_test_that_a_paper_names_is_there() {
    let mut named = 0;
    for paper in PAPERS {
        for (path, name) in quoted(&text(paper)).into_iter().filter_map(|word| word.split_once("::")) {
            // Types of the code are named in the same way.
            if !path.ends_with(".rs") {
                continue;
            }
            named += 1;
            assert!(file(path).is_file(), "{paper} names {path}");
            assert!(has_test(&text(path), name), "{paper}: {path} has no test {name}");
        }
    }
    assert!(named > 60, "{named}");
}

#[test]
fn every_file_that_a_paper_names_is_there() {
    for paper in PAPERS {
        let text = text(paper);
        for word in quoted(&text) {
            let first = word.split('/').next().unwrap_or_default();
            let ours =
                ["docs", "examples", "netevd-priv", "netevd-worker", "protocol", "src", "systemd", "tests"];
            if word.contains('/') && ours.contains(&first) && !word.contains("::") && !word.contains(' ') {
                assert!(file(word).exists(), "{paper} names {word}");
            }
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let beside = if paper.starts_with("docs/") { "docs/" } else { "" };
            let path = link.split('#').next().unwrap_or_default();
            assert!(
                link.starts_with("https://") || path.is_empty() || file(&format!("{beside}{path}")).exists(),
                "{paper} leads to {link}"
            );
        }
    }
}

#[test]
fn every_make_target_that_a_paper_names_is_there() {
    let mut makefile = text("Makefile");
    for entry in std::fs::read_dir(file("packaging")).expect("a directory") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|extension| extension == "mk") {
            makefile += &std::fs::read_to_string(path).expect("readable");
        }
    }
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(':').map(|(name, _)| name))
        .filter(|name| !name.starts_with(['\t', ' ', '#']))
        .collect();
    for paper in PAPERS.into_iter().chain(["CONTRIBUTING.md", "README.md"]) {
        let text = text(paper);
        let lines = text.split('\n').map(|line| line.trim_start_matches("$ "));
        let commands = lines
            .filter_map(|line| line.strip_prefix("make "))
            .chain(quoted(&text).into_iter().filter_map(|word| word.strip_prefix("make ")));
        for target in commands.filter_map(|rest| rest.split([' ', '`']).next()).filter(|t| !t.contains('=')) {
            assert!(targets.contains(target), "{paper}: make {target}");
        }
    }
}

/// A claim in a table has a test beside it.
#[test]
fn every_row_of_a_table_of_tests_names_one() {
    for paper in PAPERS {
        let text = text(paper);
        let lines: Vec<&str> = text.lines().collect();
        for (at, head) in lines.iter().enumerate().filter(|(_, line)| line.ends_with("| shown by |")) {
            let rows = lines[at + 2..].iter().take_while(|line| line.starts_with('|'));
            for row in rows {
                let last = row.trim_end_matches('|').rsplit(" | ").next().unwrap_or_default();
                assert!(last.contains(".rs::"), "{paper}, below {head}: {row}");
            }
        }
    }
}
