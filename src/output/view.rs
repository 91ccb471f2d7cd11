//! What is shown for people, before it is known how: headings, pairs and grids of cells.

use super::{TerminalStyle, clean, columns, table};

/// How a cell is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Strong,
    Good,
    Bad,
    Faint,
}

/// A text, of several lines where it lists something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(super) lines: Vec<String>,
    pub(super) tone: Tone,
}

impl Cell {
    /// One text, made fit for a terminal.
    pub(crate) fn new(text: impl ToString) -> Self {
        Self::list([text])
    }

    /// Several.
    pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> Self {
        let lines = items.into_iter().map(|item| clean(&item.to_string())).collect();
        Self { lines, tone: Tone::Plain }
    }

    /// A value, or a dash.
    pub(crate) fn some(value: Option<impl ToString>) -> Self {
        value.map_or_else(|| Self::new("-").faint(), Self::new)
    }

    /// Other words in the same tone.
    pub(crate) fn with_text(self, text: impl ToString) -> Self {
        Self { tone: self.tone, ..Self::new(text) }
    }

    /// As it should be.
    pub(crate) fn good(self) -> Self {
        Self { tone: Tone::Good, ..self }
    }

    /// Somebody must fix it.
    pub(crate) fn bad(self) -> Self {
        Self { tone: Tone::Bad, ..self }
    }

    /// Beside the point.
    pub(crate) fn faint(self) -> Self {
        Self { tone: Tone::Faint, ..self }
    }

    /// A heading.
    pub(crate) fn strong(self) -> Self {
        Self { tone: Tone::Strong, ..self }
    }

    /// Nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().all(String::is_empty)
    }
}

/// Rows of cells beneath their headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    pub(super) headers: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// Without rows.
    pub(crate) fn new(headers: &[&'static str]) -> Self {
        Self { headers: headers.to_vec(), rows: Vec::new() }
    }

    /// One row; it has a cell for each header.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.headers.len(), "a cell for each header");
        self.rows.push(cells.into());
    }
}

/// A part of a view.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// A line above what follows.
    Heading(Cell),
    /// Names and values; empty values are left out.
    Pairs(Vec<(&'static str, Cell)>),
    /// A grid; what is said when it has no row.
    Grid(Grid, &'static str),
    /// Lines on their own.
    Lines(Vec<Cell>),
}

/// Everything that one command shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct View(pub(crate) Vec<Part>);

impl View {
    /// A grid alone.
    pub(crate) fn grid(grid: Grid, empty: &'static str) -> Self {
        Self(vec![Part::Grid(grid, empty)])
    }

    /// As aligned text, a row a line.
    pub(crate) fn text(&self, terminal: TerminalStyle) -> String {
        self.render(terminal, columns::pairs, columns::grid)
    }

    /// As framed tables within the width.
    pub(crate) fn table(&self, terminal: TerminalStyle) -> String {
        self.render(terminal, table::pairs, table::grid)
    }

    fn render(
        &self,
        terminal: TerminalStyle,
        pairs: fn(&[(&'static str, &Cell)], TerminalStyle) -> String,
        grid: fn(&Grid, TerminalStyle) -> String,
    ) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Heading(cell) => {
                    if !out.is_empty() {
                        out.push('\n');
                    }
                    out.push_str(&columns::paint(&cell.lines.join(" "), cell.tone, terminal));
                    out.push('\n');
                }
                Part::Pairs(all) => {
                    let filled: Vec<_> = all
                        .iter()
                        .filter(|(_, cell)| !cell.is_empty())
                        .map(|(name, cell)| (*name, cell))
                        .collect();
                    out.push_str(&pairs(&filled, terminal));
                }
                Part::Grid(rows, empty) if rows.rows.is_empty() => {
                    out.push_str(&columns::paint(empty, Tone::Faint, terminal));
                    out.push('\n');
                }
                Part::Grid(rows, _) => out.push_str(&grid(rows, terminal)),
                Part::Lines(lines) => {
                    for cell in lines {
                        out.push_str(&columns::paint(&cell.lines.join(" "), cell.tone, terminal));
                        out.push('\n');
                    }
                }
            }
        }
        out
    }
}
