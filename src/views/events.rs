//! Events in lists, and what ran for them.

use super::line;
use crate::output::{Cell, Grid, Part, View, took};
use netevd_worker::document::{EventDocument, Events, ScriptRun, UnitRun};

/// One a row.
pub(crate) fn view(list: &Events) -> View {
    let mut view = View::grid(grid(&list.events), "no such event is remembered");
    if list.has_more {
        view.0.push(Part::Lines(vec![Cell::new("there are more").faint()]));
    }
    view
}

/// In the order of their numbers.
pub(super) fn grid(events: &[EventDocument]) -> Grid {
    let mut grid = Grid::new(&["ID", "TIME", "INTERFACE", "EVENT", "ACTION", "WHAT", "RAN"]);
    for event in events {
        let ran = line::ran(event);
        let failed = ran.iter().any(|(_, good)| !good);
        let cell = Cell::list(ran.into_iter().map(|(text, _)| text));
        grid.row([
            Cell::new(event.id),
            Cell::new(&event.timestamp),
            Cell::some(event.interface.as_ref()),
            Cell::new(&event.event_type),
            action(&event.action),
            Cell::new(line::what(event)),
            if failed { cell.bad() } else { cell },
        ]);
    }
    grid
}

/// Those of one link, whose runs are shown by themselves.
pub(super) fn short(events: &[EventDocument]) -> Grid {
    let mut grid = Grid::new(&["ID", "TIME", "EVENT", "ACTION", "WHAT"]);
    for event in events {
        grid.row([
            Cell::new(event.id),
            Cell::new(&event.timestamp),
            Cell::new(&event.event_type),
            action(&event.action),
            Cell::new(line::what(event)),
        ]);
    }
    grid
}

/// The scripts and units of these events.
pub(super) fn runs(events: &[EventDocument]) -> Grid {
    let mut grid = Grid::new(&["EVENT", "STARTED", "SCRIPT OR UNIT", "RESULT", "EXIT", "TOOK"]);
    for event in events {
        for run in &event.scripts {
            grid.row([
                Cell::new(format!("{} {}", event.id, event.event_type)),
                Cell::new(&run.started_at),
                Cell::new(&run.script),
                result(run),
                exit(run),
                Cell::some(run.duration_seconds.map(took)),
            ]);
        }
        for run in &event.units {
            grid.row([
                Cell::new(format!("{} {}", event.id, event.event_type)),
                Cell::some(None::<&str>),
                Cell::new(format!("{} {}", run.verb, run.unit)),
                unit_result(run),
                Cell::some(None::<&str>),
                Cell::some(None::<&str>),
            ]);
        }
    }
    grid
}

/// In the colour of what it means.
pub(super) fn action(action: &str) -> Cell {
    let cell = Cell::new(action);
    match action {
        "lost" | "dropped" => cell.bad(),
        "none" | "ignored" | "coalesced" => cell.faint(),
        _ => cell,
    }
}

pub(super) fn result(run: &ScriptRun) -> Cell {
    let text = match &run.error {
        Some(error) => format!("{}: {error}", run.result),
        None => run.result.clone(),
    };
    coloured(&run.result, Cell::new(text))
}

pub(super) fn unit_result(run: &UnitRun) -> Cell {
    let text = match &run.error {
        Some(error) => format!("{}: {error}", run.result),
        None => run.result.clone(),
    };
    coloured(&run.result, Cell::new(text))
}

/// The status, or the signal's name.
pub(super) fn exit(run: &ScriptRun) -> Cell {
    match (run.exit_code, run.signal) {
        (Some(code), _) => Cell::new(code),
        (None, Some(signal)) => Cell::new(line::signal(signal)),
        (None, None) => Cell::some(None::<&str>),
    }
}

fn coloured(result: &str, cell: Cell) -> Cell {
    match result {
        "success" => cell.good(),
        "running" | "asked" | "dry-run" => cell,
        _ => cell.bad(),
    }
}
