//! A document in which some parts are made from code: between `<!-- made: NAME -->` and `<!-- end -->`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Tests run side by side, and several write parts of one document.
static WRITING: Mutex<()> = Mutex::new(());

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn file(path: &str) -> PathBuf {
    root().join(path)
}

pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether documents are to be written and not compared.
pub(crate) fn writing() -> bool {
    std::env::var_os("NETEVD_WRITE_MANUAL").is_some()
}

/// Changes a document, if that is asked for.
pub(crate) fn rewrite(path: &str, change: impl FnOnce(String) -> String) {
    if writing() {
        let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let new = file(path).with_extension("new");
        fs::write(&new, change(text(path))).expect("written");
        // At once, for others read it meanwhile.
        fs::rename(&new, file(path)).expect("renamed");
    }
}

/// The text between the two marks of a part, without its marks.
pub(crate) fn part(path: &str, name: &str) -> String {
    let text = text(path);
    let (start, end) = bounds(path, &text, name);
    text[start..end].to_owned()
}

/// The part of this name is `real`, or is made so.
pub(crate) fn is_made(path: &str, name: &str, real: &str) {
    rewrite(path, |text| {
        let (start, end) = bounds(path, &text, name);
        format!("{}{real}{}", &text[..start], &text[end..])
    });
    let shipped = part(path, name);
    for (shipped, real) in shipped.lines().zip(real.lines()) {
        assert_eq!(shipped, real, "{path}, part {name}: make man");
    }
    assert_eq!(shipped, real, "{path}, part {name}: make man");
}

fn bounds(path: &str, text: &str, name: &str) -> (usize, usize) {
    let mark = format!("<!-- made: {name} -->\n");
    let start = text.find(&mark).unwrap_or_else(|| panic!("{path} has {mark}")) + mark.len();
    let length = text[start..].find("<!-- end -->").unwrap_or_else(|| panic!("{path}: {name} has an end"));
    (start, start + length)
}
