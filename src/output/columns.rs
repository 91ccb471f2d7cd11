//! Text in columns: every row on one line, nothing cut, so that grep(1) finds what is there.

use super::view::{Cell, Grid, Tone};
use super::{Style, TerminalStyle, styled};
use unicode_width::UnicodeWidthStr;

/// `  name   value`, further lines of a value below it.
pub(super) fn pairs(pairs: &[(&'static str, &Cell)], terminal: TerminalStyle) -> String {
    let widest = pairs.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, cell) in pairs {
        for (number, line) in cell.lines.iter().enumerate() {
            let name = if number == 0 { name } else { "" };
            out.push_str("  ");
            out.push_str(&paint(name, Tone::Faint, terminal));
            pad(&mut out, widest - name.width() + 2);
            out.push_str(&paint(line, cell.tone, terminal));
            out.push('\n');
        }
    }
    out
}

/// Headers and rows.
pub(super) fn grid(grid: &Grid, terminal: TerminalStyle) -> String {
    let headers = grid.headers.iter().map(|header| Cell::new(header).strong()).collect();
    let rows: Vec<&Vec<Cell>> = std::iter::once(&headers).chain(&grid.rows).collect();
    let mut widths = vec![0; grid.headers.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(*row) {
            *width = (*width).max(line(cell).width());
        }
    }
    let mut out = String::new();
    for row in rows {
        // Nothing stands behind the last word of a line.
        let last = row.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
        for (number, (cell, width)) in row.iter().zip(&widths).enumerate().take(last + 1) {
            let text = line(cell);
            out.push_str(&paint(&text, cell.tone, terminal));
            if number < last {
                pad(&mut out, width - text.width() + 2);
            }
        }
        out.push('\n');
    }
    out
}

/// In its style.
pub(super) fn paint(text: &str, tone: Tone, terminal: TerminalStyle) -> String {
    let style = match tone {
        _ if !terminal.colours || text.is_empty() => return text.to_owned(),
        Tone::Plain => return text.to_owned(),
        Tone::Strong => Style::Strong,
        Tone::Good => Style::Good,
        Tone::Bad => Style::Bad,
        Tone::Faint => Style::Faint,
    };
    styled(style, text)
}

fn line(cell: &Cell) -> String {
    cell.lines.join(", ")
}

fn pad(out: &mut String, columns: usize) {
    out.extend(std::iter::repeat_n(' ', columns));
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: TerminalStyle = TerminalStyle { colours: false, width: 80, utf8: true };

    #[test]
    fn columns_are_aligned_also_with_wide_characters() {
        let mut table = Grid::new(&["NAME", "STATE", "X"]);
        table.row([Cell::new("東京"), Cell::new("up").good(), Cell::new("")]);
        table.row([Cell::new("e\u{1b}0"), Cell::list(["a", "b"]), Cell::new("1")]);
        let text = grid(&table, PLAIN);
        assert_eq!(text, "NAME      STATE  X\n東京      up\ne\\u{1b}0  a, b   1\n");
        let painted = grid(&table, TerminalStyle { colours: true, ..PLAIN });
        assert!(painted.contains(&format!("{}\n", styled(Style::Good, "up"))), "{painted}");
    }

    #[test]
    fn further_lines_of_a_value_stand_below_it() {
        let cell = Cell::list(["1", "2"]);
        assert_eq!(
            pairs(&[("name", &cell), ("longer", &cell)], PLAIN),
            "  name    1\n          2\n  longer  1\n          2\n"
        );
    }
}
