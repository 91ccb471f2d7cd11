//! Each script: whether it runs, and how it went.

use super::{count, events, line};
use crate::output::{Cell, Grid, Part, View, clean, took};
use crate::paint;
use netevd_worker::document::{ScriptDocument, Scripts};
use netevd_worker::model::{Backend, EventKind};

/// By event, each script with what is to be known of it below.
pub(crate) fn text(list: &Scripts, backend: Backend) -> String {
    let mut out = String::new();
    let mut event = None;
    for script in &list.scripts {
        if event.replace(&script.event_type) != Some(&script.event_type) {
            out.push_str(&format!("{}\n", paint::bold(&script.event_type)));
            if EventKind::from_name(&script.event_type).is_some_and(|kind| !backend.tells(kind)) {
                let name = backend.name();
                let never = paint::red("never");
                out.push_str(&format!("  {never}   no such event under system.backend: {name}\n"));
            }
        }
        let word = match script.verdict.as_str() {
            "runs" => paint::green("runs   "),
            "refused" => paint::red("refused"),
            other => paint::dim(format!("{other:<7}")),
        };
        out.push_str(&format!("  {word}  {}\n", clean(&script.path)));
        if let Some(reason) = &script.reason {
            let (why, cure) = reason.split_once("; to fix it: ").unwrap_or((reason, ""));
            out.push_str(&format!("           {}\n", clean(why)));
            if !cure.is_empty() {
                out.push_str(&format!("           to fix it: {}\n", clean(cure)));
            }
        }
        if let Some(runs) = ran(script) {
            out.push_str(&format!("           {runs}\n"));
        }
    }
    for stray in &list.strays {
        out.push_str(&format!("{}\n", clean(&strange(&stray.path, stray.nearest.as_deref()))));
    }
    out
}

/// One a row.
pub(crate) fn view(list: &Scripts) -> View {
    let mut grid =
        Grid::new(&["EVENT", "SCRIPT", "VERDICT", "WHY", "RUNS", "FAILED", "LAST RUN", "RESULT", "EXIT"]);
    for script in &list.scripts {
        let last = script.last_run.as_ref();
        grid.row([
            Cell::new(&script.event_type),
            Cell::new(&script.path),
            Cell::new(&script.verdict),
            Cell::some(script.reason.as_ref()),
            Cell::new(script.runs),
            Cell::new(script.failures),
            Cell::some(last.map(|run| &run.started_at)),
            last.map_or_else(|| Cell::some(None::<&str>), events::result),
            last.map_or_else(|| Cell::some(None::<&str>), events::exit),
        ]);
    }
    let strays = list.strays.iter().map(|stray| Cell::new(strange(&stray.path, stray.nearest.as_deref())));
    View(vec![Part::Grid(grid, "no scripts"), Part::Lines(strays.collect())])
}

fn ran(script: &ScriptDocument) -> Option<String> {
    let last = script.last_run.as_ref()?;
    let how = match (last.result.as_str(), last.exit_code, last.signal) {
        ("failure", Some(code), _) => format!("exit status {code}"),
        ("failure", None, Some(number)) => format!("ended by {}", line::signal(number)),
        (other, ..) => other.to_owned(),
    };
    let took = last.duration_seconds.map(|seconds| format!(" in {}", took(seconds))).unwrap_or_default();
    let text = format!(
        "{}, {} failed; last {}: {how}{took}",
        count(script.runs, "run"),
        script.failures,
        last.started_at
    );
    Some(clean(&text))
}

fn strange(path: &str, nearest: Option<&str>) -> String {
    let help = match nearest {
        Some(name) => format!("did you mean {name}?"),
        None => "its scripts never run".to_owned(),
    };
    format!("{path}: no event has this directory; {help}")
}
