//! `netevd validate`: every fault of the configuration with its place, or the schema of it.

use crate::cli::ValidateOptions;
use crate::output::put;
use crate::{Failure, load};
use netevd_worker::api::token_file_fault;
use netevd_worker::config::Config;
use nix::unistd::User;
use std::path::Path;

/// As whom the service runs.
const WORKER: &str = "netevd";

/// Checks each file with its drop-ins; without any the file that the daemon would read.
pub(crate) fn run(options: &ValidateOptions) -> Result<(), Failure> {
    if options.schema {
        if options.config.file.is_some() {
            return Err(Failure::usage("the schema is the same for every file: leave --config out"));
        }
        return Ok(put(netevd_worker::config::schema())?);
    }
    if !options.files.is_empty() && options.config.file.is_some() {
        return Err(Failure::usage("files are named twice: with --config and behind the command"));
    }
    let mut sources: Vec<Option<&Path>> = options.files.iter().map(|file| Some(file.as_path())).collect();
    if sources.is_empty() {
        sources.push(options.config.file.as_deref());
    }
    let mut failure = None;
    for source in sources {
        match load(source) {
            Ok(loaded) if loaded.files.is_empty() => {
                let file = netevd_worker::config::DEFAULT_FILE;
                put(format!("{file}: not there, the defaults hold\n"))?;
            }
            Ok(loaded) => match token_fault(&loaded.config) {
                Some(fault) => failure = Some(Failure::line(fault)),
                None => {
                    for file in loaded.files {
                        put(format!("{}: good\n", file.display()))?;
                    }
                }
            },
            Err(reason) => failure = Some(reason),
        }
    }
    failure.map_or(Ok(()), Err)
}

/// What the daemon would refuse about the token's file, as far as it can be known from here: the worker's user is
/// taken to be the installed one.
fn token_fault(config: &Config) -> Option<String> {
    let names = [Some(WORKER), config.scripts.user.as_deref()];
    let users = names.into_iter().flatten().filter_map(|name| User::from_name(name).ok().flatten());
    let uids: Vec<u32> = users.map(|user| user.uid.as_raw()).collect();
    token_file_fault(config.api.token_file.as_deref().filter(|_| config.api.enabled)?, &uids)
}
