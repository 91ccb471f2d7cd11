//! One run of an event: what environment and document are both made from.
//!
//! They are made apart: a script needs its environment to start, and its document when it reads.

use super::moment;
use super::validate::{Checked, Part};
use crate::model::{Backend, Event, LinkFacts};

/// An event together with the link's present: the values of the moment at which its first script starts.
#[derive(Clone, Copy, Debug)]
pub struct ScriptContext<'a> {
    /// The event.
    pub event: &'a Event,
    /// The link's present values; `None` for events of the host.
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

impl ScriptContext<'_> {
    /// What a script is started with.
    pub fn input(&self) -> Input {
        let then = moment::of(self.event, self.link);
        let values = Values::new(self, then.as_deref());
        Input {
            link: then.as_deref().map(|link| link.name.to_string()).unwrap_or_default(),
            environment: super::environment::build(self, &values),
            rejected: values.rejected_once(),
        }
    }

    /// What stands on standard input. The error is serde_json's; none of the document's types can
    /// cause one.
    pub fn document(&self) -> Result<Vec<u8>, serde_json::Error> {
        let then = moment::of(self.event, self.link);
        super::document::build(self, &Values::new(self, then.as_deref()))
    }
}

/// Both sets of a link's values, with their strings checked.
pub(super) struct Values<'a> {
    /// Of the event; `None` for events of the host.
    pub(super) then: Option<&'a LinkFacts>,
    pub(super) checked: Checked<'a>,
    /// Of the present.
    pub(super) current: Checked<'a>,
}

impl<'a> Values<'a> {
    pub(super) fn new(context: &ScriptContext<'a>, then: Option<&'a LinkFacts>) -> Self {
        Self {
            then,
            checked: Checked::new(Part::Event, then, context.event),
            current: Checked::new(Part::Present, context.link, context.event),
        }
    }

    /// The same without those of the present that the event has too: one value, counted and logged once.
    fn rejected_once(&self) -> Vec<&'static str> {
        let name = |field: &'static str| field.split_once('.').map_or(field, |(_, name)| name);
        let mut fields: Vec<&'static str> = Vec::new();
        for field in self.rejected() {
            if !fields.iter().any(|known| name(known) == name(field)) {
                fields.push(field);
            }
        }
        fields
    }

    /// Fields of the document that are left out.
    pub(super) fn rejected(&self) -> Vec<&'static str> {
        let both = [&self.checked, &self.current];
        both.into_iter().flat_map(|checked| &checked.rejected).map(|rejected| rejected.field).collect()
    }
}
