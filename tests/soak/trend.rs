//! Whether memory stays where it was: late quiet points of one worker's life against early ones.

use crate::rest::Figures;
use std::time::Duration;

/// Quiet points of a life before anything is said of it.
const ENOUGH: usize = 8;
/// What the worker may grow by, in KiB of memory that it has written.
const WORKER: u64 = 4 * 1024;
/// The same in a life of less than [`LONG`]: what floods leave goes back after a second without work, and under
/// this load, which leaves no such second, when a minute is over.
const WORKER_SHORT: u64 = 12 * 1024;
/// In each minute memory goes back once: the least of a whole minute is without what floods leave.
const MINUTE: Duration = Duration::from_secs(60);
/// A life with a whole minute at each end.
const LONG: Duration = Duration::from_secs(120);
/// The helper's: it keeps nothing but the room that its largest look at the kernel has taken. Since it checks again by
/// itself, by whole tables, one with a thousand addresses takes 2.9 MiB (3,000 KiB after the first thousand, 3,188
/// after twelve times a thousand), whenever that comes in a life.
const HELPER: u64 = 3 * 1024;

/// One worker's life.
#[derive(Default)]
pub(crate) struct Trend {
    points: Vec<Figures>,
}

/// What a life has come to: KiB of written and of anonymous memory, early and late.
#[derive(Clone, Debug)]
pub(crate) struct Growth {
    pub(crate) points: usize,
    pub(crate) is_long: bool,
    pub(crate) worker: [(u64, u64); 2],
    pub(crate) helper: [(u64, u64); 2],
}

impl Trend {
    /// Takes a point in; a new worker begins a new life, and the old one's growth is returned.
    pub(crate) fn take(&mut self, figures: Figures) -> Option<Growth> {
        let is_new = self.points.last().is_some_and(|last| last.worker != figures.worker);
        let over = if is_new { self.growth() } else { None };
        if is_new {
            self.points.clear();
        }
        self.points.push(figures);
        over
    }

    /// Early and late: the least of the first minute and of the last; in a short life medians of the second
    /// quarter of its quiet points (the first warms up) and of the last.
    pub(crate) fn growth(&self) -> Option<Growth> {
        if self.points.len() < ENOUGH {
            return None;
        }
        let (first, last) = (self.points.first()?.at, self.points.last()?.at);
        let is_long = last.duration_since(first) >= LONG;
        let quarter = self.points.len() / 4;
        let (early, late) = if is_long {
            let early = self.points.partition_point(|point| point.at.duration_since(first) <= MINUTE);
            let late = self.points.partition_point(|point| last.duration_since(point.at) > MINUTE);
            (&self.points[..early], &self.points[late..])
        } else {
            (&self.points[quarter..2 * quarter], &self.points[self.points.len() - quarter..])
        };
        let of = |points: &[Figures], who: usize| {
            let typical = |value: &dyn Fn(&Figures) -> u64| {
                let mut values: Vec<u64> = points.iter().map(value).collect();
                values.sort_unstable();
                values[if is_long { 0 } else { values.len() / 2 }]
            };
            (typical(&|point| point.memory[who].dirty), typical(&|point| point.memory[who].anonymous))
        };
        Some(Growth {
            points: self.points.len(),
            is_long,
            worker: [of(early, 0), of(late, 0)],
            helper: [of(early, 1), of(late, 1)],
        })
    }
}

impl Growth {
    /// # Panics
    /// When the memory is not flat.
    pub(crate) fn is_flat(&self) {
        let worker = if self.is_long { WORKER } else { WORKER_SHORT };
        for (who, [early, late], bound) in [("worker", self.worker, worker), ("helper", self.helper, HELPER)]
        {
            let is_flat = late.0 <= early.0 + bound && late.1 <= early.1 + bound;
            assert!(is_flat, "the {who} grew by more than {bound} KiB: {self:?}");
        }
    }
}
