//! What administrators write: configuration, command line, reload.

mod commands;
mod configuration;
mod dry_run;
mod reload;
