//! Filters: which events run something, and which of their scripts. Pure: an event and its link's
//! values in, a [`FilterVerdict`] out.
//!
//! The first filter that matches and executes or ignores decides; one that logs says so and the
//! next are asked. Where none decides, the default does. Reading them is the configuration's part.

mod condition;
mod field;
mod parse;
mod subject;
mod value;

pub use condition::{Condition, Relation, Test};
pub use field::{Field, Kind};
pub use parse::{DEPTH_MAX, LENGTH_MAX, Wrong, parse};
pub use subject::Subject;

use crate::model::{Backend, EventKind};
use protocol::{Family, PatternList};
use std::sync::Arc;

/// All filters, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    /// The entries, but for `default`.
    pub list: Vec<Filter>,
    /// What holds where none decides.
    pub default_action: DefaultAction,
}

/// What holds where no filter decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultAction {
    /// No word of it: everything runs.
    #[default]
    Unsaid,
    /// `- default: execute`
    Execute,
    /// `- default: ignore`
    Ignore,
}

/// One filter. Everything under `match` has to be so; what is left out always is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// `interface`; empty also for events of the host.
    pub interface: PatternList,
    /// `event`; empty for all.
    pub events: Vec<EventKind>,
    /// `ip_family`
    pub family: Option<Family>,
    /// `backend`; empty for all.
    pub backends: Vec<Backend>,
    /// `condition`
    pub condition: Option<Condition>,
    /// `action`
    pub action: Action,
    /// `scripts`: no others run; only with [`Action::Execute`].
    pub scripts: Option<Arc<[String]>>,
}

/// What a filter that matches does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// What waits for the event runs.
    #[default]
    Execute,
    /// Nothing runs, neither scripts nor units.
    Ignore,
    /// One line in the log, and the next filters are asked.
    Log,
}

impl Action {
    /// All, with their names in the configuration.
    pub const ALL: [(&'static str, Action); 3] =
        [("execute", Action::Execute), ("ignore", Action::Ignore), ("log", Action::Log)];
}

/// What was decided about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterVerdict {
    /// What runs.
    pub selection: ScriptSelection,
    /// The filters that had a say, by their place in the list from 1.
    pub filters: Vec<u32>,
    /// Of those the ones that log.
    pub logs: Vec<u32>,
}

/// What runs for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptSelection {
    /// Scripts and units.
    All,
    /// Units, and of the scripts those with these file names.
    Only(Arc<[String]>),
    /// Nothing.
    Nothing,
}

impl ScriptSelection {
    /// Whether a script of this file name may run.
    pub fn permits(&self, file_name: &str) -> bool {
        match self {
            ScriptSelection::All => true,
            ScriptSelection::Only(names) => names.iter().any(|name| name == file_name),
            ScriptSelection::Nothing => false,
        }
    }
}

impl Filters {
    /// Whether everything runs, without a question.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.default_action != DefaultAction::Ignore
    }

    /// Asks one after the other.
    pub fn judge(&self, subject: &Subject<'_>) -> FilterVerdict {
        let mut verdict =
            FilterVerdict { selection: ScriptSelection::All, filters: Vec::new(), logs: Vec::new() };
        for (number, filter) in (1..).zip(&self.list) {
            if !filter.matches(subject) {
                continue;
            }
            verdict.filters.push(number);
            match (filter.action, &filter.scripts) {
                (Action::Log, _) => verdict.logs.push(number),
                (Action::Ignore, _) => {
                    verdict.selection = ScriptSelection::Nothing;
                    return verdict;
                }
                (Action::Execute, None) => return verdict,
                (Action::Execute, Some(names)) => {
                    verdict.selection = ScriptSelection::Only(Arc::clone(names));
                    return verdict;
                }
            }
        }
        if self.default_action != DefaultAction::Unsaid {
            verdict.filters.push(u32::try_from(self.list.len() + 1).unwrap_or(u32::MAX));
        }
        if self.default_action == DefaultAction::Ignore {
            verdict.selection = ScriptSelection::Nothing;
        }
        verdict
    }
}

impl Filter {
    /// Whether it applies: what costs least is asked first.
    fn matches(&self, subject: &Subject<'_>) -> bool {
        (self.events.is_empty() || self.events.contains(&subject.kind()))
            && (self.backends.is_empty() || self.backends.contains(&subject.backend()))
            && (self.interface.is_empty()
                || subject.link().is_some_and(|link| self.names(link.name.as_str())))
            && self.family.is_none_or(|family| subject.is_of(family))
            && self.condition.as_ref().is_none_or(|condition| condition.holds(subject))
    }

    fn names(&self, link: &str) -> bool {
        if self.interface.includes_nothing() {
            !self.interface.excludes(link)
        } else {
            self.interface.matches(link)
        }
    }

    /// Whether nothing gets past it.
    pub fn catches_all(&self) -> bool {
        self.action != Action::Log
            && self.interface.is_empty()
            && self.events.is_empty()
            && self.family.is_none()
            && self.backends.is_empty()
            && self.condition.is_none()
    }
}

#[cfg(test)]
mod tests;
