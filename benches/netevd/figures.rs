//! Times as figures: least, median, 99th percentile, most.

use serde_json::{Value, json};

/// Sorted times in nanoseconds.
pub(crate) struct Figures(Vec<i64>);

/// What is to be reached at the median.
pub(crate) enum Goal {
    /// Of the floor.
    Ratio(f64),
    /// Microseconds above the floor.
    Above(f64),
    /// By itself.
    Microseconds(f64),
}

pub(crate) fn title() {
    println!(
        "{:<40} {:>7} {:>9} {:>9} {:>9} {:>9}   {:<13} goal at p50",
        "microseconds", "samples", "min", "p50", "p99", "max", "p50, p99 to floor"
    );
}

impl Figures {
    pub(crate) fn new(mut times: Vec<i64>) -> Figures {
        assert!(!times.is_empty(), "something was measured");
        times.sort_unstable();
        Figures(times)
    }

    pub(crate) fn p50(&self) -> f64 {
        self.at(50)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.at(99)
    }

    /// A percentile in microseconds.
    fn at(&self, percent: usize) -> f64 {
        let nanoseconds = self.0[(self.0.len() - 1) * percent / 100];
        f64::from(i32::try_from(nanoseconds / 10).expect("less than twenty seconds")) / 100.0
    }

    pub(crate) fn row(&self, what: &str, floor: Option<&Figures>, goal: Option<Goal>) {
        let ratios = floor.map(|floor| (self.p50() / floor.p50(), self.p99() / floor.p99()));
        let ratio = ratios.map(|(p50, p99)| format!("{p50:.2}x, {p99:.2}x")).unwrap_or_default();
        let (goal, reached) = match goal {
            None => (String::new(), None),
            Some(Goal::Ratio(most)) => (format!("{most}x"), ratios.map(|(p50, _)| p50 <= most)),
            Some(Goal::Above(most)) => {
                (format!("+{most}"), floor.map(|floor| self.p50() <= floor.p50() + most))
            }
            Some(Goal::Microseconds(most)) => (format!("{most}"), Some(self.p50() <= most)),
        };
        let verdict = reached.map_or("", |reached| if reached { " reached" } else { " MISSED" });
        println!(
            "{what:<40} {:>7} {:>9.1} {:>9.1} {:>9.1} {:>9.1}   {ratio:<17} {goal}{verdict}",
            self.0.len(),
            self.at(0),
            self.p50(),
            self.p99(),
            self.at(100)
        );
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "samples": self.0.len(), "unit": "us",
            "min": self.at(0), "p50": self.p50(), "p99": self.p99(), "max": self.at(100),
        })
    }
}
