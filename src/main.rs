//! `netevd`: the command line, and the launcher for hosts without systemd.
//!
//! Limits: it parses no network input and changes no rule or route itself.

mod binaries;
mod children;
mod cli;
mod client;
mod commands;
mod facts;
mod failure;
mod identity;
mod kernel_dump;
#[cfg(test)]
mod manual;
mod nft;
mod output;
mod owned_count;
mod paint;
mod polkit;
mod process;
mod relay;
mod reload_pipe;
mod rule_lookup;
mod runtime;
mod start;
mod supervise;
mod sys;
mod views;

use cli::{Cli, Command};
use failure::Failure;
use netevd_worker::config::{self, Loaded, Source};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(all(target_feature = "crt-static", target_env = "gnu"))]
    sys::load_no_name_service_modules();
    let done = match Cli::command_line() {
        Command::Start(options) => start::run(options.config.file.as_deref(), &options),
        Command::Status(options) => commands::status::run(&options),
        Command::List { what } => commands::list::run(&what),
        Command::Show { what } => commands::show::run(&what),
        Command::Why(options) => commands::why::run(&options),
        Command::Events(options) => commands::events::run(&options),
        Command::Reload(options) => commands::reload::run(&options),
        Command::Validate(options) => commands::validate::run(&options),
        Command::Test(options) => commands::test::run(&options),
        Command::Policy(options) => commands::policy::run(&options),
        Command::Flush(options) => commands::flush::run(&options),
        Command::Audit { what: cli::AuditCommand::Verify(options) } => commands::audit::run(&options),
        Command::Completions { shell } => commands::completions::run(shell),
        Command::Version => commands::version(),
    };
    let status = done.map_or_else(Failure::end, |()| ExitCode::SUCCESS);
    relay::finish();
    status
}

/// One line on standard error.
fn say(message: &str) {
    // Whoever closed standard error does not want to know.
    let _ = output::complain(format!("netevd: {}\n", output::clean(message)));
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
                let _ = output::complain(format!("{warning}\n"));
            }
            Ok(loaded)
        }
        Err(problems) => {
            for problem in &problems {
                let _ = output::complain(format!("{problem}\n"));
            }
            Err(Failure::Shown)
        }
    }
}
