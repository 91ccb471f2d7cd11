//! Values of labels that come from outside, bounded, and what of an interface's has to go with it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Values of a label; one more is "other".
const MAX: usize = 1_024;
/// What stands for all the rest.
const OTHER: &str = "other";
/// How long the series of an interface that is gone can still be scraped.
const LINGER: Duration = Duration::from_secs(300);

/// The interfaces that have series.
#[derive(Debug, Default)]
pub(super) struct Bounded {
    known: HashMap<String, Used>,
    /// How many of them are gone: mostly none, and then nothing is looked for.
    gone: usize,
}

/// The series of one interface.
#[derive(Debug, Default)]
pub(super) struct Used {
    gone: Option<Instant>,
    /// Kind and backend.
    pub(super) events: BTreeSet<(&'static str, &'static str)>,
    pub(super) states: BTreeSet<&'static str>,
}

impl Bounded {
    /// The label's value for an interface.
    pub(super) fn name(&mut self, name: &str) -> Cow<'static, str> {
        if !self.known.contains_key(name) {
            if self.known.len() >= MAX {
                return Cow::Borrowed(OTHER);
            }
            self.known.insert(name.to_owned(), Used::default());
        }
        Cow::Owned(name.to_owned())
    }

    /// This name has a series of events.
    pub(super) fn note_event(&mut self, name: &str, kind: &'static str, backend: &'static str) {
        if let Some(used) = self.known.get_mut(name) {
            self.gone -= usize::from(used.gone.take().is_some());
            used.events.insert((kind, backend));
        }
    }

    /// This name has a series of states.
    pub(super) fn note_state(&mut self, name: &str, state: &'static str) {
        if let Some(used) = self.known.get_mut(name) {
            self.gone -= usize::from(used.gone.take().is_some());
            used.states.insert(state);
        }
    }

    /// The interface is gone. Whatever is counted for its name later takes that back.
    pub(super) fn gone(&mut self, name: &str, now: Instant) {
        if let Some(used) = self.known.get_mut(name) {
            self.gone += usize::from(used.gone.replace(now).is_none());
        }
    }

    /// Forgets the interfaces that are gone for long, and returns their series.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<(String, Used)> {
        if self.gone == 0 {
            return Vec::new();
        }
        let is_over =
            |used: &Used| used.gone.is_some_and(|gone| now.saturating_duration_since(gone) >= LINGER);
        let over: Vec<_> = self.known.extract_if(|_, used| is_over(used)).collect();
        self.gone -= over.len();
        over
    }
}

/// The scripts that have series; they are root's files, and none is forgotten.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    known: HashSet<String>,
}

impl Scripts {
    /// The label's value for a script: its path, bytes that are not UTF-8 replaced.
    pub(super) fn name(&mut self, path: &Path) -> Cow<'static, str> {
        let name = path.to_string_lossy().into_owned();
        if !self.known.contains(&name) {
            if self.known.len() >= MAX {
                return Cow::Borrowed(OTHER);
            }
            self.known.insert(name.clone());
        }
        Cow::Owned(name)
    }
}
