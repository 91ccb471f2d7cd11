//! `netevd completions SHELL`: the completion script.

use crate::Failure;
use crate::cli::Cli;
use crate::output::put;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

/// Prints it.
pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    // It is written to memory first: the generator does not expect a reader that leaves.
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "netevd", &mut script);
    Ok(put(String::from_utf8_lossy(&script))?)
}
