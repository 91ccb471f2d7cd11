//! Whether the audit log is whole.

use super::count;
use crate::commands::audit::{Location, Verification};
use crate::output::{Cell, Part, View};

/// The verdict, the places, the end of the chain.
pub(crate) fn view(found: &Verification) -> View {
    let Verification { result, files, records, first, head, faults, more_faults, remarks } = found;
    let verdict = match result.as_str() {
        "whole" => Cell::new(format!("whole: {}", count(*records, "record"))).good(),
        other => {
            let number = u64::try_from(faults.len()).unwrap_or(u64::MAX).saturating_add(*more_faults);
            Cell::new(format!("{other}: {} in {}", count(number, "fault"), count(*records, "record"))).bad()
        }
    };
    let range = first.zip(head.as_ref()).map(|(first, head)| format!("{first} to {}", head.id));
    View(vec![
        Part::Lines(vec![verdict]),
        Part::Lines(faults.iter().map(|place| Cell::new(line(place)).bad()).collect()),
        Part::Lines(match more_faults {
            0 => Vec::new(),
            more => vec![Cell::new(format!("and {} more", count(*more, "fault"))).bad()],
        }),
        Part::Lines(remarks.iter().map(|place| Cell::new(line(place)).faint()).collect()),
        Part::Pairs(vec![
            ("files", Cell::list(files)),
            ("records", range.map(Cell::new).unwrap_or_default()),
            ("head", head.as_ref().map(|head| Cell::new(&head.hash)).unwrap_or_default()),
        ]),
    ])
}

/// `audit.log:12: record 12: ...`
fn line(Location { file, line, id, text }: &Location) -> String {
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    let id = id.map(|id| format!(" record {id}:")).unwrap_or_default();
    format!("{file}{line}:{id} {text}")
}
