//! Links, one a row.

use crate::output::{Cell, Grid, View};
use netevd_worker::document::{AddressDocument, InterfaceDocument, Interfaces};

/// By ifindex.
pub(crate) fn view(list: &Interfaces) -> View {
    let mut grid = Grid::new(&["INDEX", "NAME", "STATE", "TYPE", "MTU", "ROUTING", "ADDRESSES"]);
    for link in &list.interfaces {
        grid.row([
            Cell::new(link.index),
            monitored(link),
            state(&link.state),
            Cell::new(&link.kind),
            Cell::new(link.mtu),
            if link.managed { Cell::new("managed") } else { Cell::some(None::<&str>) },
            Cell::list(link.addresses.iter().map(short)),
        ]);
    }
    View::grid(grid, "no such interface")
}

/// In the colour of what it means.
pub(super) fn state(word: &str) -> Cell {
    let cell = Cell::new(word);
    match word {
        "routable" | "configured" | "activated" | "carrier" => cell.good(),
        "no-carrier" | "failed" | "degraded" | "degraded-carrier" => cell.bad(),
        _ => cell,
    }
}

fn monitored(link: &InterfaceDocument) -> Cell {
    // Whose events run no scripts stands back.
    let name = Cell::new(&link.name);
    if link.monitored { name } else { name.faint() }
}

/// `192.0.2.2/24`
pub(super) fn short(address: &AddressDocument) -> String {
    format!("{}/{}", address.ip, address.prefix)
}
