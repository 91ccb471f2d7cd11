//! How answers are shown: as text, table, JSON or YAML.

mod clean;
mod clock;
mod columns;
mod look;
mod table;
mod tree;
mod view;
mod yaml;

pub(crate) use clean::clean;
pub(crate) use clock::{ago, bytes, took};
pub(crate) use look::{Look, has_colours};
pub(crate) use view::{Cell, Grid, Part, View};

use crate::Failure;
use clap::ValueEnum;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write;
use tree::Tree;

/// The form of what is shown: text and table for people, json and yaml the API's document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "a text here would be printed as help, at length")]
pub(crate) enum Format {
    #[default]
    Text,
    Table,
    Json,
    Yaml,
}

/// Shows a document that came from the daemon.
pub(crate) fn show<T: DeserializeOwned>(
    document: &[u8],
    format: Format,
    view: impl FnOnce(&T) -> View,
) -> Result<(), Failure> {
    let text = match format {
        Format::Json => parse::<Tree>(document)?.json(),
        Format::Yaml => parse::<Tree>(document)?.yaml(),
        Format::Text => view(&parse(document)?).text(Look::of_output()),
        Format::Table => view(&parse(document)?).table(Look::of_output()),
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// Shows a document that was made here.
pub(crate) fn show_own<T: Serialize + DeserializeOwned>(
    document: &T,
    format: Format,
    view: impl FnOnce(&T) -> View,
) -> Result<(), Failure> {
    show(&serde_json::to_vec(document).map_err(Failure::line)?, format, view)
}

/// A document as this program knows it.
pub(crate) fn parse<T: DeserializeOwned>(document: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(document).map_err(|error| {
        let ours = env!("CARGO_PKG_VERSION");
        Failure::line(format!(
            "the daemon's answer is not as netevd {ours} knows it ({error}); is the daemon of another version? \
             After an upgrade restart it; --format json shows the answer as it is"
        ))
    })
}
