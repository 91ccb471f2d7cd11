//! `netevd`: the command line, and the launcher for hosts without systemd.
//!
//! Limits: it parses no network input and changes no rule or route itself.

mod bell;
mod binaries;
mod census;
mod children;
mod cli;
mod commands;
mod facts;
mod failure;
mod identity;
mod paint;
mod polkit;
mod runtime;
mod start;
mod supervise;
mod sys;

use clap::Parser;
use cli::{Cli, Command};
use failure::Failure;
use netevd_worker::config::{self, Loaded, Source};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Usage errors leave here with status 2, --help and --version with 0.
    let cli = Cli::parse();
    let config = cli.config.as_deref();
    let done = match cli.command.unwrap_or(Command::Start(cli::StartOptions::default())) {
        Command::Start(options) => start::run(config, &options),
        Command::Validate { files } => commands::validate::run(config, &files),
        Command::Test(options) => commands::test::run(config, &options),
        Command::List { what: cli::List::Scripts(options) } => commands::list::run(config, &options),
        Command::Policy(options) => commands::policy::run(config, &options),
        Command::Flush(options) => commands::flush::run(&options),
        Command::Version => {
            let _ = writeln!(std::io::stdout(), "netevd {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Failure::Line(line) = failure {
                say(&line);
            }
            ExitCode::FAILURE
        }
    }
}

/// One line on standard error.
fn say(message: &str) {
    // Whoever closed standard error does not want to know.
    let _ = writeln!(std::io::stderr(), "netevd: {message}");
}

/// The environment as text; what is not UTF-8 cannot be a setting of ours.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// Reads the configuration and shows its problems and warnings.
fn load(file: Option<&Path>) -> Result<Loaded, Failure> {
    match config::load(&Source::new(file), &environment()) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                let _ = writeln!(std::io::stderr(), "{warning}");
            }
            Ok(loaded)
        }
        Err(problems) => {
            for problem in &problems {
                let _ = writeln!(std::io::stderr(), "{problem}");
            }
            Err(Failure::Shown)
        }
    }
}
