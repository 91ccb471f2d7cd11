//! One run of an event: what environment and document are both made from.
//!
//! They are made apart: a script needs its environment to start, and its document when it reads.

use super::validate::{Checked, Rejected};
use crate::config::Backend;
use crate::event::Event;
use crate::facts::LinkFacts;

/// An event together with the values of the moment at which its first script starts.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The event.
    pub event: &'a Event,
    /// The link's values; `None` for events of the host.
    pub link: Option<&'a LinkFacts>,
    /// `BACKEND`.
    pub backend: Backend,
    /// `JSON` stands in the environment (the document has it in any case).
    pub emit_json: bool,
    /// `SKIPPED`: events, or route changes, that this run stands for beside itself.
    pub skipped: u64,
    /// Route changes are missing from the event.
    pub truncated: bool,
}

/// What a script is given, made once for all scripts of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// `$1`: the link's name, empty for events of the host.
    pub link: String,
    /// The whole environment, in the order of the documentation.
    pub environment: Vec<(&'static str, String)>,
    /// Fields of the document whose values failed validation.
    pub rejected: Vec<&'static str>,
}

impl Occasion<'_> {
    /// What a script is started with.
    pub fn input(&self) -> Input {
        let checked = Checked::new(self.link, self.event);
        Input {
            link: self.link.map(|link| link.name.to_string()).unwrap_or_default(),
            environment: super::environment::build(self, &checked),
            rejected: checked.rejected.iter().map(|Rejected { field, .. }| *field).collect(),
        }
    }

    /// What stands on standard input. The error is serde_json's; none of the document's types can
    /// cause one.
    pub fn document(&self) -> Result<Vec<u8>, serde_json::Error> {
        super::document::build(self, &Checked::new(self.link, self.event))
    }
}
