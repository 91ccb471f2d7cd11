//! When readers of the stream are told how the host is as a whole: at once, then at most four times a second. Pure.

use crate::document::Overview;
use std::time::{Duration, Instant};

/// Between two looks: the document's parts are read from everywhere, and one of them asks whether the bus answers.
const PERIOD: Duration = Duration::from_millis(250);

/// What they know, and when to look again.
#[derive(Debug, Default)]
pub(super) struct OverviewWatch {
    known: Option<Overview>,
    looked: Option<Instant>,
    at: Option<Instant>,
}

impl OverviewWatch {
    /// Somebody begins to read, and asks for the document itself: what is so now is no change.
    pub(super) fn begin(&mut self, now: Instant, overview: Overview) {
        *self = Self { known: Some(overview), looked: Some(now), at: None };
    }

    /// Something may have changed.
    pub(super) fn touch(&mut self, now: Instant) {
        self.at.get_or_insert_with(|| self.looked.map_or(now, |looked| now.max(looked + PERIOD)));
    }

    /// When to look.
    pub(super) fn due(&self) -> Option<Instant> {
        self.at
    }

    /// What to tell, if it is another than the last.
    pub(super) fn look(&mut self, now: Instant, overview: Overview) -> Option<&Overview> {
        (self.at, self.looked) = (None, Some(now));
        if self.known.as_ref() == Some(&overview) {
            return None;
        }
        self.known = Some(overview);
        self.known.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overview(routing_changes: u64) -> Overview {
        let (status, health) = ("ok".to_owned(), "healthy".to_owned());
        Overview { status, health, problems: Vec::new(), routing_changes }
    }

    #[test]
    fn a_change_is_told_once_and_not_too_often() {
        let start = Instant::now();
        let mut watch = OverviewWatch::default();
        assert_eq!(watch.due(), None);
        watch.begin(start, overview(1));
        assert_eq!(watch.due(), None);
        let later = start + PERIOD * 2;
        watch.touch(later);
        assert_eq!(watch.due(), Some(later), "at once");
        assert_eq!(watch.look(later, overview(2)), Some(&overview(2)));
        assert_eq!(watch.due(), None);
        watch.touch(later);
        watch.touch(later + PERIOD / 2);
        assert_eq!(watch.due(), Some(later + PERIOD), "not before");
        assert_eq!(watch.look(later + PERIOD, overview(2)), None, "it is the same");
        watch.touch(later + PERIOD);
        assert_eq!(watch.due(), Some(later + PERIOD * 2));
    }
}
