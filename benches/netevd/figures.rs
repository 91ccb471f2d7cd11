//! What was measured: least, median, 99th percentile, most. In the unit of its row.

/// So many stretches of a run, for a ratio of 99th percentiles.
const STRETCHES: usize = 5;
/// A stretch with fewer has no 99th percentile to speak of.
const ENOUGH: usize = 50;

/// Not empty.
#[derive(Clone)]
pub(crate) struct Figures {
    sorted: Vec<f64>,
    /// As they came.
    in_order: Vec<f64>,
}

impl Figures {
    /// Microseconds, of times in nanoseconds.
    pub(crate) fn new(times: Vec<i64>) -> Figures {
        Figures::of(times.into_iter().map(|nanoseconds| nanoseconds as f64 / 1000.0).collect())
    }

    /// Figures of any unit.
    pub(crate) fn of(in_order: Vec<f64>) -> Figures {
        assert!(!in_order.is_empty(), "something was measured");
        let mut sorted = in_order.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Figures { sorted, in_order }
    }

    /// One figure.
    pub(crate) fn one(figure: f64) -> Figures {
        Figures::of(vec![figure])
    }

    /// A count.
    pub(crate) fn count(count: u64) -> Figures {
        Figures::one(count as f64)
    }

    pub(crate) fn samples(&self) -> usize {
        self.sorted.len()
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

    /// The least figure that so many percent do not exceed.
    fn at(&self, percent: usize) -> f64 {
        let rank = (self.sorted.len() * percent).div_ceil(100);
        self.sorted[rank.saturating_sub(1)]
    }

    /// How many times those of the floor the median is, and the 99th percentile: the latter as the median
    /// of what it is in each of five stretches. A tail that is the program's own is in all of them, a
    /// hiccup of the machine is in one.
    pub(crate) fn ratio(&self, floor: &Figures) -> (f64, f64) {
        let p50 = self.p50() / floor.p50();
        if self.samples().min(floor.samples()) < STRETCHES * ENOUGH {
            return (p50, self.p99() / floor.p99());
        }
        let stretches = self.stretches().zip(floor.stretches());
        let ratios = stretches.map(|(figures, floor)| figures.p99() / floor.p99()).collect();
        (p50, Figures::of(ratios).p50())
    }

    fn stretches(&self) -> impl Iterator<Item = Figures> {
        let length = self.in_order.len().div_ceil(STRETCHES);
        self.in_order.chunks(length).map(|stretch| Figures::of(stretch.to_vec()))
    }
}
