//! What a row has to reach, and whether it does.

use crate::figures::Figures;

/// A goal; those without a percentile in their name are about the median.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// At most so many times the floor, at the median and at the 99th percentile.
    Ratio { p50: f64, p99: f64 },
    /// At most so many times the floor, at the median.
    Times(f64),
    /// At most so much more than the floor.
    Above(f64),
    /// At most this.
    Most(f64),
    /// At most this, at the 99th percentile.
    MostP99(f64),
    /// At least this.
    Least(f64),
    /// This and nothing else, each time.
    Exactly(f64),
}

impl Goal {
    /// The same goal, `factor` times as easy to reach: with 0.01, nearly none can be.
    pub(crate) fn eased(self, factor: f64) -> Goal {
        match self {
            Goal::Ratio { p50, p99 } => Goal::Ratio { p50: p50 * factor, p99: p99 * factor },
            Goal::Times(most) => Goal::Times(most * factor),
            // A floor that is met costs nothing: below it there is nothing to reach.
            Goal::Above(most) => Goal::Above(if factor < 1.0 { most * factor - most } else { most * factor }),
            Goal::Most(most) => Goal::Most(most * factor),
            Goal::MostP99(most) => Goal::MostP99(most * factor),
            Goal::Least(least) => Goal::Least(least / factor),
            Goal::Exactly(figure) => Goal::Exactly(figure + if factor < 1.0 { 1.0 } else { 0.0 }),
        }
    }

    /// Whether it is reached; `None` for a goal beside a floor that was not measured.
    pub(crate) fn is_reached(self, figures: &Figures, floor: Option<&Figures>) -> Option<bool> {
        let reached = match self {
            Goal::Ratio { p50, p99 } => {
                let ratio = figures.ratio(floor?);
                ratio.0 <= p50 && ratio.1 <= p99
            }
            Goal::Times(most) => figures.p50() <= floor?.p50() * most,
            Goal::Above(most) => figures.p50() <= floor?.p50() + most,
            Goal::Most(most) => figures.p50() <= most,
            Goal::MostP99(most) => figures.p99() <= most,
            Goal::Least(least) => figures.p50() >= least,
            Goal::Exactly(figure) => figures.min() == figure && figures.max() == figure,
        };
        Some(reached)
    }

    /// As it stands in the table.
    pub(crate) fn text(self, unit: &str) -> String {
        match self {
            Goal::Ratio { p50, p99 } => format!("{p50}x, p99 {p99}x"),
            Goal::Times(most) => format!("{most}x"),
            Goal::Above(most) => format!("floor + {most} {unit}"),
            Goal::Most(most) => format!("{most} {unit}"),
            Goal::MostP99(most) => format!("p99 {most} {unit}"),
            Goal::Least(least) => format!("at least {least}"),
            Goal::Exactly(figure) => format!("{figure}"),
        }
    }
}
