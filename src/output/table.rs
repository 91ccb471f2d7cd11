//! Framed tables within a width, with comfy-table.

use super::TerminalStyle;
use super::view::{Cell, Grid};
use comfy_table::{ContentArrangement, Table, presets};

/// Two columns without headers.
pub(super) fn pairs(pairs: &[(&'static str, &Cell)], terminal: TerminalStyle) -> String {
    let mut table = framed(terminal);
    for (name, cell) in pairs {
        table.add_row([(*name).to_owned(), cell.lines.join("\n")]);
    }
    shown(&table)
}

/// Headers and rows.
pub(super) fn grid(grid: &Grid, terminal: TerminalStyle) -> String {
    let mut table = framed(terminal);
    table.set_header(&grid.headers);
    for row in &grid.rows {
        table.add_row(row.iter().map(|cell| cell.lines.join("\n")));
    }
    shown(&table)
}

fn framed(terminal: TerminalStyle) -> Table {
    let mut table = Table::new();
    table.load_style(if terminal.utf8 {
        presets::UTF8_FULL_CONDENSED
    } else {
        presets::ASCII_FULL_CONDENSED
    });
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(terminal.width);
    table
}

fn shown(table: &Table) -> String {
    format!("{table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn a_table_fits_its_width() {
        let mut content = Grid::new(&["NAME", "ADDRESSES", "STATE"]);
        let addresses = ["192.0.2.10/24", "2001:db8:0:1:2:3:4:5/64", "東京東京東京東京東京東京東京"];
        content.row([Cell::new("eth0"), Cell::list(addresses), Cell::new("routable")]);
        for (width, utf8) in [(30, true), (60, false), (200, true)] {
            let text = grid(&content, TerminalStyle { colours: false, width, utf8 });
            assert!(text.lines().all(|line| line.width() <= width.into()), "{width}\n{text}");
            assert_eq!(text.contains('│'), utf8);
        }
    }
}
