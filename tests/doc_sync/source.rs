//! The helper's source as text: its files, its functions, and what each of them calls.
//!
//! No parser of Rust: it knows how the helper is written, and what it does not find is a failure of the tests.

use crate::document::{root, text};
use std::collections::BTreeMap;
use std::fs;

/// A function: its doc comment, and its body without comments.
pub(crate) struct Function {
    pub(crate) doc: String,
    pub(crate) body: String,
}

/// The paths of all files of a directory, from the repository's root, sorted.
pub(crate) fn files(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(directory)).expect("a directory").flatten() {
        let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&path));
        } else if path.ends_with(".rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What is no test of it: those say so themselves, and stand at the end (see tests/support/audit.sh).
pub(crate) fn program(path: &str) -> String {
    let text = text(path);
    let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]") && *line != "#![cfg(test)]");
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Lines that are neither empty nor comment.
pub(crate) fn lines_of_code(path: &str) -> usize {
    program(path).lines().filter(|line| !line.trim().is_empty() && !is_comment(line)).count()
}

/// The first sentence of a comment of several lines.
pub(crate) fn first_sentence(lines: &[&str]) -> String {
    let whole = lines.join(" ");
    // A new sentence begins with a capital; `e.g.` and `::` do not end one.
    let end = whole.char_indices().find(|&(at, c)| {
        ".:".contains(c)
            && whole[at + 1..].starts_with(' ')
            && whole[at + 2..].starts_with(|next: char| next.is_uppercase())
    });
    end.map_or(whole.trim_end_matches('.'), |(at, _)| &whole[..at]).to_owned()
}

/// Every function of a file: `Type::name` in the block of a type, else `module::name`.
pub(crate) fn functions(path: &str) -> BTreeMap<String, Function> {
    let program = program(path);
    let lines: Vec<&str> = program.lines().collect();
    let module = path.rsplit('/').next().and_then(|file| file.strip_suffix(".rs")).expect("a file of Rust");
    let mut owner = module;
    let mut found = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        if let Some(block) = line.strip_prefix("impl") {
            let of = block.rsplit(" for ").next().unwrap_or_default().trim_start();
            owner = of.split([' ', '<']).next().unwrap_or_default();
        } else if *line == "}" {
            owner = module;
        }
        let words = line.trim_start();
        let words = words.strip_prefix("pub(crate) ").or(words.strip_prefix("pub(super) ")).unwrap_or(words);
        let Some(name) = words.strip_prefix("fn ") else { continue };
        let name = format!("{owner}::{}", name.split(['(', '<']).next().unwrap_or_default());
        let above = lines[..at].iter().rev().map_while(|line| line.trim().strip_prefix("///"));
        let above: Vec<&str> = above.collect::<Vec<_>>().into_iter().rev().map(str::trim).collect();
        let doc = first_sentence(above.split(|line| line.is_empty()).next().unwrap_or_default());
        // rustfmt puts the closing brace where the line begins.
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let body: Vec<&str> = if line.ends_with('}') {
            vec![line]
        } else {
            lines[at..].iter().take_while(|line| **line != closing).copied().collect()
        };
        let body = body.into_iter().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n");
        assert!(found.insert(name.clone(), Function { doc, body }).is_none(), "{path}: two {name}");
    }
    found
}

/// The words that follow each `lead` in `text`, with their places.
pub(crate) fn words_after<'a>(text: &'a str, lead: &str) -> Vec<(usize, &'a str)> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let places = text.match_indices(lead).map(|(at, _)| at);
    // `self.add` is not in `myself.add`, `check::` not in `recheck::`.
    let whole = places.filter(|&at| !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
    whole
        .map(|at| {
            let rest = &text[at + lead.len()..];
            (at, rest.split(ends).next().unwrap_or_default())
        })
        .collect()
}
