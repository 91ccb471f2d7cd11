//! A measured series: values at several sizes, the straight line through them, and how far off it they are.

use serde::{Deserialize, Serialize};

/// One quantity at several sizes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Column {
    /// What it is.
    pub(crate) title: String,
    /// What a value is in.
    pub(crate) unit: Unit,
    /// One for each size.
    pub(crate) values: Vec<f64>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Bytes,
    Microseconds,
}

/// The same machine with more and more of one thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    /// Name in files and in the paper.
    pub(crate) key: String,
    /// Of what there is more and more; singular.
    pub(crate) thing: String,
    /// How many.
    pub(crate) sizes: Vec<f64>,
    /// Sizes up to this one make the line; what is beyond is compared with it.
    pub(crate) fitted_to: f64,
    /// All that was measured.
    pub(crate) columns: Vec<Column>,
}

/// `base + slope * size`
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) base: f64,
    pub(crate) slope: f64,
    /// The largest distance of a fitted point from the line, as a part of the line's own rise.
    pub(crate) off: f64,
}

impl Series {
    /// Of nothing yet.
    pub(crate) fn new(key: &str, thing: &str, fitted_to: usize) -> Self {
        Self {
            key: key.to_owned(),
            thing: thing.to_owned(),
            sizes: Vec::new(),
            fitted_to: number(fitted_to),
            columns: Vec::new(),
        }
    }

    /// In the plural.
    pub(crate) fn things(&self) -> String {
        format!("{}{}", self.thing, if self.thing.ends_with('s') { "es" } else { "s" })
    }

    /// The values at one size; the same columns each time.
    pub(crate) fn point(&mut self, size: usize, values: &[(&str, Unit, f64)]) {
        println!("{}: {size}: {}", self.key, shown(values));
        self.sizes.push(number(size));
        if self.columns.is_empty() {
            let column = |(title, unit, _): &(&str, Unit, f64)| Column {
                title: (*title).to_owned(),
                unit: *unit,
                values: Vec::new(),
            };
            self.columns = values.iter().map(column).collect();
        }
        for (column, (title, _, value)) in self.columns.iter_mut().zip(values) {
            assert_eq!(column.title, *title, "the same columns each time");
            column.values.push(*value);
        }
    }

    /// By its title.
    pub(crate) fn column(&self, title: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.title == title)
    }

    /// The line of least squares through the fitted points; `None` of a single one.
    pub(crate) fn line(&self, column: &Column) -> Option<Line> {
        let all = self.sizes.iter().copied().zip(column.values.iter().copied());
        let points: Vec<(f64, f64)> = all.filter(|(size, _)| *size <= self.fitted_to).collect();
        let count = number(points.len());
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let variance: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        if variance == 0.0 {
            return None;
        }
        let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / variance;
        let base = y - slope * x;
        let far = points.iter().map(|point| (point.1 - base - slope * point.0).abs()).fold(0.0, f64::max);
        let widest = points.last()?.0 - points.first()?.0;
        Some(Line { base, slope, off: far / (slope * widest).abs() })
    }
}

impl Line {
    /// What it foretells.
    pub(crate) fn at(&self, size: f64) -> f64 {
        self.base + self.slope * size
    }
}

fn number(n: usize) -> f64 {
    f64::from(u32::try_from(n).expect("less than four thousand million"))
}

fn shown(values: &[(&str, Unit, f64)]) -> String {
    values.iter().map(|(title, _, value)| format!("{title} {value:.0}")).collect::<Vec<_>>().join(", ")
}
