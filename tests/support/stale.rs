//! Whether a program is older than what it is made from, by the list that cargo writes beside it (`PROGRAM.d`).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The first source that was changed after the program was built. None for a program without a list, such as one that
/// was installed.
pub(crate) fn newer_source(program: &Path) -> Option<PathBuf> {
    let list = fs::read_to_string(program.with_extension("d")).ok()?;
    let changed = |path: &Path| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    let built = changed(program)?;
    // `PROGRAM: SOURCE SOURCE ...`; one that is not there any more is another build's.
    let sources = list.split_once(": ")?.1.split_whitespace().map(PathBuf::from);
    sources.into_iter().find(|source| changed(source).is_some_and(|changed| changed > built))
}
