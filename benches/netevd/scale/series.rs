//! A measured series: values at several sizes, the straight line through them, and how far off it they are.

use serde::{Deserialize, Serialize};

/// One quantity at several sizes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Column {
    /// Heading of a table.
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
    pub(crate) columns: Vec<Column>,
}

/// `y = base + slope * x`
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) base: f64,
    pub(crate) slope: f64,
    /// The largest distance of a point from the line, as a part of the line's rise over all its points.
    pub(crate) off: f64,
}

impl Series {
    pub(crate) fn new(key: &str, thing: &str, fitted_to: f64) -> Self {
        Self {
            key: key.to_owned(),
            thing: thing.to_owned(),
            sizes: Vec::new(),
            fitted_to,
            columns: Vec::new(),
        }
    }

    /// The values at one size; the same columns each time.
    pub(crate) fn point(&mut self, size: f64, values: &[(&str, Unit, f64)]) {
        println!("{}: {size} {}", self.key, shown(values));
        self.sizes.push(size);
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

    pub(crate) fn column(&self, title: &str) -> &Column {
        self.columns.iter().find(|column| column.title == title).expect("a column of the series")
    }

    /// The least squares' line through the fitted points.
    pub(crate) fn line(&self, column: &Column) -> Line {
        let points = || {
            self.sizes.iter().copied().zip(column.values.iter().copied()).filter(|(x, _)| *x <= self.fitted_to)
        };
        let n = points().fold(0.0, |n, _| n + 1.0);
        let mean_x = points().map(|(x, _)| x).sum::<f64>() / n;
        let mean_y = points().map(|(_, y)| y).sum::<f64>() / n;
        let covariance: f64 = points().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let variance: f64 = points().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let slope = covariance / variance;
        let base = mean_y - slope * mean_x;
        let most = points().map(|(x, y)| (y - base - slope * x).abs()).fold(0.0, f64::max);
        let widest = points().map(|(x, _)| x).fold(0.0, f64::max) - points().map(|(x, _)| x).fold(f64::MAX, f64::min);
        Line { base, slope, off: most / (slope * widest).abs() }
    }
}

fn shown(values: &[(&str, Unit, f64)]) -> String {
    values.iter().map(|(title, _, value)| format!("{title} {value:.0}")).collect::<Vec<_>>().join(", ")
}
