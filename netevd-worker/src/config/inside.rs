//! A place within a scalar's text, found again in the file: behind quotation marks and escapes, over
//! the lines of a block or a folded text.
//!
//! Both texts have the same characters but for blanks, so the place is told by how many others stand
//! before it. Escapes by number (`\x41`) count as one character, whatever they stand for.

use super::problem::Span;
use std::ops::Range;

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside {
    /// Characters before it, without blanks.
    before: usize,
    /// Its characters, without blanks; 0 at the end of the text.
    length: usize,
}

impl Inside {
    /// `place` in bytes of `text`, as the YAML reader handed it on.
    pub fn new(text: &str, place: Range<usize>) -> Self {
        let count =
            |part: Option<&str>| part.unwrap_or_default().chars().filter(|c| !c.is_whitespace()).count();
        Self { before: count(text.get(..place.start)), length: count(text.get(place)) }
    }

    /// Where that is in the file, whose scalar begins at `scalar`.
    pub fn find(self, file: &str, scalar: Span) -> Span {
        let mut letters = Letters::of(file, scalar);
        let mut last = None;
        for _ in 0..self.before {
            match letters.next() {
                Some(letter) => last = Some(letter),
                None => return scalar,
            }
        }
        match (letters.next(), last) {
            (Some(first), _) => {
                let on_the_line =
                    letters.take(self.length.saturating_sub(1)).filter(|l| l.line == first.line);
                let end = on_the_line.last().unwrap_or(first);
                Span { line: first.line, column: first.column, width: end.column + end.width - first.column }
            }
            // Behind its last character.
            (None, Some(last)) => Span { line: last.line, column: last.column + last.width, width: 1 },
            (None, None) => scalar,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
}

/// The characters of a scalar in the file, without blanks.
struct Letters<'a> {
    characters: std::iter::Peekable<std::str::Chars<'a>>,
    style: Style,
    line: usize,
    column: usize,
}

impl<'a> Letters<'a> {
    fn of(file: &'a str, scalar: Span) -> Self {
        let rest = file.split_inclusive('\n').skip(scalar.line.saturating_sub(1));
        let start: usize = file.split_inclusive('\n').take(scalar.line.saturating_sub(1)).map(str::len).sum();
        let skipped =
            rest.take(1).flat_map(str::chars).take(scalar.column.saturating_sub(1)).map(char::len_utf8);
        let start = start + skipped.sum::<usize>();
        let characters = file.get(start..).unwrap_or_default().chars().peekable();
        let mut letters = Self { characters, style: Style::Plain, line: scalar.line, column: scalar.column };
        match letters.characters.peek() {
            Some('\'') => letters.style = Style::Single,
            Some('"') => letters.style = Style::Double,
            // The head of a block: `|` or `>`, and how it ends.
            Some('|' | '>') => while letters.step().is_some_and(|c| c != '\n') {},
            _ => {}
        }
        if letters.style != Style::Plain {
            letters.step();
        }
        letters
    }

    fn skip(&mut self, characters: usize) {
        for _ in 0..characters {
            self.step();
        }
    }

    fn step(&mut self) -> Option<char> {
        let character = self.characters.next()?;
        if character == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(character)
    }
}

impl Iterator for Letters<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        loop {
            let (line, column) = (self.line, self.column);
            match (self.style, self.step()?) {
                (_, c) if c.is_whitespace() => continue,
                (Style::Single, '\'') if self.characters.peek() != Some(&'\'') => return None,
                (Style::Double, '"') => return None,
                (Style::Single, '\'') => self.skip(1),
                (Style::Double, '\\') => match self.step()? {
                    'n' | 't' | 'r' | ' ' | '\n' => continue,
                    'x' => self.skip(2),
                    'u' => self.skip(4),
                    'U' => self.skip(8),
                    _ => {}
                },
                _ => {}
            }
            return Some(Span { line, column, width: self.column.saturating_sub(column) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml::{Value, parse};
    use super::*;

    #[test]
    fn the_place_is_found_in_every_style() {
        // `x` is looked for; it stands at line and column.
        for (file, line, column) in [
            ("a: b x c", 1, 6),
            ("a: 'b x'", 1, 7),
            ("a: 'é ''q'' x'", 1, 13),
            (r#"a: "b \"q\" \\ x""#, 1, 16),
            (r#"a: "\x41\u0042 x""#, 1, 16),
            ("a: |\n  b &&\n    x\n", 3, 5),
            ("a: >-\n\n  b &&\n  c x\n", 4, 5),
            ("a: b\n   c\n   x\n", 3, 4),
            ("a: \"b\n   c \\\n   x\"\n", 3, 4),
            ("# é\n- {z: 1, a: 'bb x'}\n", 2, 17),
        ] {
            let (root, faults) = parse(file);
            assert!(faults.is_empty(), "{file}: {faults:?}");
            let mut node = root.expect("something");
            while let Value::List(items) = node.value {
                node = items.into_iter().next().expect("an item");
            }
            let Value::Map(entries) = node.value else { panic!("a mapping: {file}") };
            let node = entries.into_iter().next_back().expect("an entry").node;
            let Value::Scalar { text, .. } = node.value else { panic!("a text: {file}") };
            let at = text.rfind('x').expect("an x");
            let found = Inside::new(&text, at..at + 1).find(file, node.span);
            assert_eq!((found.line, found.column, found.width), (line, column, 1), "{file}");
            let end = Inside::new(&text, text.len()..text.len()).find(file, node.span);
            assert!(end.line > line || end.column > column, "{file}");
        }
    }
}
