//! The worker as a process: options, confinement, log, and the loop that wires everything.

mod activation;
mod alarm;
mod confine;
mod event_log;
mod event_loop;
mod event_observer;
mod fatal;
mod helper_listener;
mod helper_unit;
mod lock;
mod log;
mod memory_trimmer;
mod notify;
mod options;
mod overview;
mod reload_pipe;
mod resync;
mod routing_controller;
mod routing_task;
mod service_controller;
mod state_file;

use crate::config::{Loaded, Problem, Source, load};
use event_loop::Worker;
use options::{Command, Options};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// The whole program. Exit codes: 0 asked to stop, 1 failed, 2 wrong options.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == crate::runner::MODE).is_some() {
        return crate::runner::main(arguments);
    }
    // Before anything else: whoever shares our uid (every script does) must not read our memory
    // or take our descriptors.
    if let Err(error) = confine::hide() {
        eprintln!("netevd-worker: cannot become undumpable: {error}");
        return ExitCode::FAILURE;
    }
    if let Err(error) = confine::hold_hang_up() {
        eprintln!("netevd-worker: cannot hold SIGHUP back: {error}");
        return ExitCode::FAILURE;
    }
    match options::parse(arguments) {
        Ok(Command::Print(text)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Command::Run(options)) => run(options),
        Err(fault) => {
            eprintln!("netevd-worker: {fault}\n{}", options::USAGE);
            ExitCode::from(2)
        }
    }
}

fn run(options: Options) -> ExitCode {
    let loaded = match read_config(&options) {
        Ok(loaded) => loaded,
        Err(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            return ExitCode::FAILURE;
        }
    };
    let log = log::start(&loaded.config.system, options.json);
    if let Err(error) = confine::confine() {
        tracing::error!("{error}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("no event loop: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Script output is read by tasks that stay on this thread.
    let local = tokio::task::LocalSet::new();
    let result = local.block_on(&runtime, async {
        let log_error = |error: &fatal::Fatal| tracing::error!("{error}");
        let mut worker = Worker::start(options, loaded, log).await.inspect_err(log_error)?;
        let ended = worker.run().await.inspect_err(log_error);
        worker.stop().await;
        ended
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(_told) => ExitCode::FAILURE,
    }
}

/// Reads the configuration again.
fn read_config(options: &Options) -> Result<Loaded, Vec<Problem>> {
    // A variable that is not UTF-8 is none of ours: ours have plain names and values.
    let variables =
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    let environment: BTreeMap<String, String> = variables.collect();
    load(&Source::new(options.config.as_deref()), &environment)
}
