//! Routes as the kernel has them.

use crate::output::{Cell, Grid, Part, View};
use netevd_worker::document::{RouteDocument, Routes};

/// One a row.
pub(crate) fn view(list: &Routes) -> View {
    let mut view = View::grid(grid(&list.routes), "no such route");
    if list.has_more {
        let shown = list.routes.len();
        let text = format!("{shown} of {} are shown: see --limit", list.count);
        view.0.push(Part::Lines(vec![Cell::new(text).faint()]));
    }
    view
}

/// Those by one link.
pub(super) fn grid(routes: &[RouteDocument]) -> Grid {
    let mut grid = Grid::new(&[
        "DESTINATION",
        "VIA",
        "DEV",
        "TABLE",
        "METRIC",
        "PROTOCOL",
        "SCOPE",
        "TYPE",
        "ATTRIBUTES",
    ]);
    for route in routes {
        let protocol = Cell::new(&route.protocol);
        grid.row([
            Cell::new(route.selector()),
            via(route),
            dev(route),
            Cell::new(&route.table),
            Cell::new(route.metric),
            if route.managed { protocol.strong() } else { protocol },
            Cell::new(&route.scope),
            Cell::new(&route.kind),
            Cell::new(route.attributes()),
        ]);
    }
    grid
}

/// Each by itself.
pub(crate) fn each(list: &Routes) -> View {
    let parts = list.routes.iter().flat_map(|route| {
        [
            Part::Heading(Cell::new(format!("{} in table {}", route.destination, route.table)).strong()),
            Part::Pairs(vec![
                ("route", Cell::new(route.words())),
                ("family", Cell::new(&route.family)),
                ("type", Cell::new(&route.kind)),
                ("via", via(route)),
                ("dev", dev(route)),
                ("metric", Cell::new(route.metric)),
                ("source", route.source.map(Cell::new).unwrap_or_default()),
                ("scope", Cell::new(&route.scope)),
                ("protocol", Cell::new(&route.protocol)),
                ("netevd's", Cell::new(if route.managed { "yes" } else { "no" })),
            ]),
        ]
    });
    View(parts.collect())
}

fn via(route: &RouteDocument) -> Cell {
    match route.next_hops.as_slice() {
        [] => Cell::some(route.gateway),
        hops => {
            Cell::list(hops.iter().map(|hop| hop.gateway.map_or_else(|| "-".to_owned(), |ip| ip.to_string())))
        }
    }
}

fn dev(route: &RouteDocument) -> Cell {
    match route.next_hops.as_slice() {
        [] => Cell::some(route.interface.as_ref()),
        hops => Cell::list(hops.iter().map(|hop| hop.interface.as_deref().unwrap_or("-"))),
    }
}
