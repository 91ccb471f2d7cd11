//! Policy rules as the kernel has them, in the words of ip-rule(8).

use crate::output::{Cell, Grid, Part, View};
use netevd_worker::document::{RuleDocument, Rules};

/// One a row.
pub(crate) fn view(list: &Rules) -> View {
    View::grid(grid(&list.rules), "no such rule")
}

/// Those of one link.
pub(super) fn grid(rules: &[RuleDocument]) -> Grid {
    let mut grid = Grid::new(&["PRIORITY", "FAMILY", "RULE", "INTERFACE", "PROTOCOL"]);
    for rule in rules {
        let protocol = Cell::new(&rule.protocol);
        grid.row([
            Cell::new(rule.priority),
            Cell::new(&rule.family),
            Cell::new(&rule.text),
            Cell::some(rule.interface.as_ref()),
            if rule.managed { protocol.strong() } else { protocol },
        ]);
    }
    grid
}

/// Each by itself.
pub(crate) fn each(list: &Rules) -> View {
    let parts = list.rules.iter().flat_map(|rule| {
        [
            Part::Heading(Cell::new(format!("rule {}", rule.priority)).strong()),
            Part::Pairs(vec![
                ("family", Cell::new(&rule.family)),
                ("rule", Cell::new(&rule.text)),
                ("from", Cell::new(&rule.from)),
                ("to", Cell::new(&rule.to)),
                ("action", Cell::new(&rule.action)),
                ("table", rule.table.as_ref().map(Cell::new).unwrap_or_default()),
                ("interface", rule.interface.as_ref().map(Cell::new).unwrap_or_default()),
                ("protocol", Cell::new(&rule.protocol)),
                ("netevd's", Cell::new(if rule.managed { "yes" } else { "no" })),
            ]),
        ]
    });
    View(parts.collect())
}
