//! What a reload changed, or would.

use crate::output::{Cell, Part, View};
use netevd_worker::config::Problem;
use netevd_worker::document::Reload;

/// The changed sections, and warnings.
pub(crate) fn view(done: &Reload) -> View {
    let changed = match done.changed.as_slice() {
        [] => "nothing changed".to_owned(),
        sections => format!("changed: {}", sections.join(", ")),
    };
    let word = match done.result.as_str() {
        "checked" => Cell::new(format!("the configuration is good; a reload would take it up; {changed}")),
        "restarting" => Cell::new(format!("{changed}; worker and helper start again for the new policy")),
        other => Cell::new(format!("{other}; {changed}")),
    };
    let files = match done.files.is_empty() {
        true => Cell::new("no file, the defaults hold"),
        false => Cell::new(done.files.join(", ")),
    };
    let warnings = done.warnings.iter().flat_map(|warning| {
        let text = Problem::from(warning).to_string();
        text.lines().map(Cell::new).collect::<Vec<_>>()
    });
    View(vec![
        Part::Lines(vec![word.good()]),
        Part::Pairs(vec![("read", files)]),
        Part::Lines(warnings.collect()),
    ])
}
