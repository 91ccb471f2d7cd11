//! What was measured, sorted: least, median, 99th percentile, most. In the unit of its row.

/// Sorted, not empty.
#[derive(Clone)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    /// Microseconds, of times in nanoseconds.
    pub(crate) fn new(times: Vec<i64>) -> Figures {
        Figures::of(times.into_iter().map(|nanoseconds| nanoseconds as f64 / 1000.0).collect())
    }

    /// Figures of any unit.
    pub(crate) fn of(mut figures: Vec<f64>) -> Figures {
        assert!(!figures.is_empty(), "something was measured");
        figures.sort_unstable_by(f64::total_cmp);
        Figures(figures)
    }

    /// One figure.
    pub(crate) fn one(figure: f64) -> Figures {
        Figures(vec![figure])
    }

    /// A count.
    pub(crate) fn count(count: u64) -> Figures {
        Figures::one(count as f64)
    }

    pub(crate) fn samples(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn min(&self) -> f64 {
        self.at(0)
    }

    pub(crate) fn p50(&self) -> f64 {
        self.at(50)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.at(99)
    }

    pub(crate) fn max(&self) -> f64 {
        self.at(100)
    }

    fn at(&self, percent: usize) -> f64 {
        self.0[(self.0.len() - 1) * percent / 100]
    }
}
