//! Imports run one way: each module of the worker knows those below it and none above. The order is in
//! docs/architecture.md, which is compared with the sources.
#![allow(clippy::expect_used, reason = "a test ends so when it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Imports = BTreeMap<String, BTreeSet<String>>;

fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Tests may look at everything.
fn is_test(path: &Path) -> bool {
    let stem = path.file_stem().expect("a name").to_string_lossy();
    let is_among_tests = path.components().any(|part| part.as_os_str() == "tests");
    is_among_tests
        || stem.ends_with("tests")
        || ["fixtures", "fuzz", "fuzzing", "lib", "main"].contains(&&*stem)
}

/// The modules of this crate that a text names, in `use` or in a path.
fn named(text: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.split("#[cfg(test)]mod tests {").next().expect("a first part");
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        // The first names of a group, at its own depth.
        let (mut depth, mut begins) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && c.is_alphanumeric() => {
                    found.insert(word(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    found.intersection(known).cloned().collect()
}

/// The module at the top of the crate that a file belongs to.
fn top(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).expect("inside").components().next().expect("a name");
    inside.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn imports(root: &Path) -> Imports {
    let mut files = Vec::new();
    sources(root, &mut files);
    let known: BTreeSet<String> = files.iter().map(|path| top(root, path)).collect();
    let mut imports = Imports::new();
    for path in files.iter().filter(|path| !is_test(path.strip_prefix(root).expect("inside"))) {
        let own = top(root, path);
        let text = fs::read_to_string(path).expect("readable");
        let mut others = named(&text, &known);
        others.remove(&own);
        imports.entry(own).or_default().extend(others);
    }
    imports
}

/// Each import of what is not below, for people. Names of one layer do not know each other.
fn faults(imports: &Imports, layers: &[Vec<String>]) -> Vec<String> {
    let height = |name: &String| layers.iter().position(|layer| layer.contains(name));
    let mut faults = Vec::new();
    for (name, others) in imports {
        let Some(own) = height(name) else {
            faults.push(format!("{name} is in no layer of docs/architecture.md"));
            continue;
        };
        let wrong = others.iter().filter(|other| height(other).is_none_or(|other| other >= own));
        faults.extend(wrong.map(|other| format!("{name} imports {other}, which is not below it")));
    }
    faults
}

/// The lines of the section's block: names of a layer, from the bottom.
fn layers() -> Vec<Vec<String>> {
    let page = fs::read_to_string(tree("docs/architecture.md")).expect("readable");
    let section = page.split("### Imports").nth(1).expect("a section on imports");
    let block = section.split("```").nth(1).expect("a block").trim();
    let layers = block.lines().skip_while(|line| line.is_empty());
    let mut layers: Vec<Vec<String>> =
        layers.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect();
    // On the page what is above stands above.
    layers.reverse();
    layers
}

#[test]
fn imports_run_one_way() {
    let imports = imports(&tree("netevd-worker/src"));
    let layers = layers();
    assert!(imports.len() > 15 && imports["worker"].len() > 10, "{imports:?}");
    assert_eq!(faults(&imports, &layers), Vec::<String>::new());
    let listed: BTreeSet<&String> = layers.iter().flatten().collect();
    let there: BTreeSet<&String> = imports.keys().collect();
    assert_eq!(listed, there, "the page lists what there is");
}

#[test]
fn an_import_upwards_is_seen() {
    let known: BTreeSet<String> = ["model", "state", "worker"].map(str::to_owned).into();
    let text = "use crate::{state::{Known, worker}, model};\n// crate::worker\nlet x = crate::state::f();\n\
                #[cfg(test)]\nmod tests {\n    use crate::worker::X;\n}\n";
    let seen = named(text, &known);
    assert_eq!(seen, ["model", "state"].map(str::to_owned).into());
    let layers = [vec!["model".to_owned()], vec!["state".to_owned()], vec!["worker".to_owned()]];
    let of = |name: &str, other: &str| Imports::from([(name.to_owned(), BTreeSet::from([other.to_owned()]))]);
    assert_eq!(faults(&of("state", "model"), &layers), Vec::<String>::new());
    assert_eq!(faults(&of("model", "state"), &layers).len(), 1);
    assert_eq!(faults(&of("state", "state"), &layers).len(), 1);
    assert_eq!(faults(&of("stray", "model"), &layers).len(), 1);
}
