//! The manual pages: netevd-scripts(7) names every directory and every variable that there is and no
//! other, and all pages are good roff. netevd(8) is compared with the real options in src/manual.rs.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "support/skip.rs"]
mod skip;

use netevd_worker::model::EventKind;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scripts_page() -> String {
    let text = fs::read_to_string(root().join("man/netevd-scripts.7")).expect("the page");
    text.replace("\\-", "-").replace("\\~", " ")
}

/// Words of a text that are made of these characters.
fn words(text: &str, is_part: impl Fn(char) -> bool) -> BTreeSet<String> {
    text.split(|c| !is_part(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_event_directory_is_named_and_no_other() {
    let page = scripts_page();
    let section = page.split(".SH ").find(|part| part.starts_with("DIRECTORIES")).expect("a section");
    let named: BTreeSet<_> = words(section, |c| c.is_ascii_lowercase() || "-.".contains(c))
        .into_iter()
        .filter(|word| word.ends_with(".d") && !word.starts_with('.'))
        .collect();
    let real: BTreeSet<_> = EventKind::ALL.iter().map(|kind| kind.directory().to_owned()).collect();
    assert_eq!(named, real);
}

/// The variables are the literals of the file that sets them.
#[test]
fn every_variable_is_named_and_no_other() {
    let source =
        fs::read_to_string(root().join("netevd-worker/src/dispatch/environment.rs")).expect("the source");
    let code = source.split("\nuse ").nth(1).map(|_| &source[source.find("\nuse ").expect("imports")..]);
    let is_name = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let literals = code.expect("code").split('"').skip(1).step_by(2);
    let real: BTreeSet<_> = literals.filter(|word| is_name(word)).map(str::to_owned).collect();
    assert!(real.len() > 40, "{real:?}");
    let page = scripts_page();
    let section = page.split(".SH ").find(|part| part.starts_with("ENVIRONMENT")).expect("a section");
    // Variables stand in bold at the head of a paragraph.
    let mut named = BTreeSet::new();
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        if line == ".TP" {
            let head = lines.next().unwrap_or_default();
            let head = head.strip_prefix(".BR ").or_else(|| head.strip_prefix(".B ")).unwrap_or_default();
            named.extend(words(head, |c| c.is_ascii_alphanumeric() || c == '_'));
        }
    }
    assert_eq!(named, real);
}

#[test]
fn the_pages_are_good_roff() {
    let pages: Vec<PathBuf> = fs::read_dir(root().join("man"))
        .expect("man")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e.len() == 1 && e != "j"))
        .collect();
    assert!(pages.len() >= 2, "{pages:?}");
    for page in &pages {
        let checks: [&[&str]; 2] =
            [&["mandoc", "-T", "lint", "-W", "warning"], &["groff", "-ww", "-man", "-Tutf8", "-z"]];
        for check in checks {
            match Command::new(check[0]).args(&check[1..]).arg(page).output() {
                Ok(output) => {
                    let said = [output.stdout, output.stderr].concat();
                    let said = String::from_utf8_lossy(&said);
                    assert!(output.status.success() && said.is_empty(), "{page:?}: {said}");
                }
                Err(error) => skip::skip(format_args!("{}: {error}", check[0])),
            }
        }
    }
}
