//! `netevd reload`: the daemon reads its configuration again, all or nothing.

use crate::cli::ReloadOptions;
use crate::client::{Client, ClientError, Target};
use crate::output::Format;
use crate::views::reload;
use crate::{Failure, output};
use netevd_worker::config::Problem;
use netevd_worker::document::{Reload, Status};
use std::time::{Duration, Instant};

/// For a daemon that starts again.
const TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks, and says what came of it.
pub(crate) fn run(options: &ReloadOptions) -> Result<(), Failure> {
    let client = Client::new(&options.asking.daemon)?;
    let before = instance(&client)?;
    let mut target = Target::new(&["reload"]);
    if options.dry_run.dry_run {
        target = target.with("dry_run", true);
    }
    let answer = match client.post(&target) {
        Ok(answer) => answer,
        Err(error) => return Err(refused(error)),
    };
    let format = options.asking.format.format.unwrap_or_default();
    output::show(&answer, format, reload::view)?;
    let done: Reload = output::parse(&answer)?;
    if done.result == "restarting" {
        await_other(&client, &before)?;
        if format == Format::Text {
            output::put("restarted: the new policy is in force\n")?;
        }
    }
    Ok(())
}

/// The problems as `netevd validate` shows them.
fn refused(error: ClientError) -> Failure {
    let problems = error.problems();
    if problems.is_empty() {
        return error.into();
    }
    for problem in &problems {
        let _ = output::complain(format!("{}\n", Problem::from(problem)));
    }
    Failure::line("the configuration is refused; the daemon keeps the one that it has")
}

fn instance(client: &Client) -> Result<String, Failure> {
    let status: Status = output::parse(&client.get(&Target::new(&["status"]))?)?;
    Ok(status.instance)
}

fn await_other(client: &Client, before: &str) -> Result<(), Failure> {
    let until = Instant::now() + TIMEOUT;
    loop {
        // Nobody answers while it starts.
        if instance(client).is_ok_and(|now| now != before) {
            return Ok(());
        }
        if Instant::now() >= until {
            let seconds = TIMEOUT.as_secs();
            return Err(Failure::line(format!(
                "the daemon is to start again for the new policy, and has not within {seconds} s: see \
                 systemctl status netevd.service"
            )));
        }
        std::thread::sleep(PAUSE);
    }
}
