//! `netevd completions SHELL`: the completion script.

use crate::Failure;
use crate::cli::Cli;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io::Write;

/// Prints it.
pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    // It is written to memory first: the generator does not expect a reader that leaves.
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "netevd", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
