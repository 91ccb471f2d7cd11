//! `netevd start`: the launcher for hosts without systemd, containers and tests.
//!
//! Reads the configuration, takes the lock, starts worker and helper with dropped privileges,
//! and stays to supervise them. It parses no network input and keeps no end of the channel.

use crate::binaries::Binaries;
use crate::children::{Children, Plan, absolute};
use crate::cli::StartOptions;
use crate::identity::{self, Privileges};
use crate::runtime::{self, Runtime};
use crate::supervise::{Signals, Wake, how};
use crate::{Failure, environment, load, say, sys};
use netevd_worker::config::Config;
use nix::sys::signal::Signal;
use nix::unistd::Uid;
use std::path::Path;

/// Runs until it is told to stop; an error has been or is to be shown as one line.
pub(crate) fn run(config_file: Option<&Path>, options: &StartOptions) -> Result<(), Failure> {
    let config_file = config_file.map(absolute).transpose()?;
    let config = load(config_file.as_deref())?.config;
    sys::reserve_descriptors()
        .map_err(|error| Failure::line(format!("cannot set up descriptors: {error}")))?;
    let privileges = Privileges::of_this_process();
    let with_helper = privileges.net_admin;
    let user_runtime = environment().remove("XDG_RUNTIME_DIR");
    let named = options.runtime_dir.as_deref();
    let path = runtime::directory(named, user_runtime.as_deref(), options.dry_run.dry_run)?;
    let (user, helper_user) = (options.user.as_deref(), options.helper_user.as_deref());
    let identities = identity::choose(privileges, user, helper_user, runtime::owner(&path))?;
    let runtime = Runtime::open(&path, identities.separate.then_some(identities.worker))?;
    let missing = privileges.missing(&identities, runtime.is_given());
    for note in identities.notes.iter().chain(&missing) {
        say(note);
    }
    let scripts = identity::of_scripts(&identities, config.scripts.user.as_deref())?;
    if identities.separate {
        let (worker, helper) = (identities.worker, identities.helper);
        say(&match scripts {
            None => format!("worker and scripts run as {worker}, the helper as {helper}"),
            Some(scripts) => {
                format!("the worker runs as {worker}, scripts as {scripts}, the helper as {helper}")
            }
        });
    } else if config.scripts.user.is_some() {
        say("scripts.user is set and has no effect: no other id can be taken here");
    }
    if !with_helper {
        let advice = if Uid::effective().is_root() { "" } else { " (start it as root)" };
        say(&format!("policy routing is off: that needs CAP_NET_ADMIN, which this process has not{advice}"));
        if !identities.separate {
            say("scripts run as the calling user");
        }
        if !config.routing.interfaces.is_empty() {
            say("routing.policy_rules is set and has no effect");
        }
    }
    if options.dry_run.dry_run {
        say("dry run: nothing is run or changed; what would be is in the log");
    }
    let plan = Plan {
        binaries: Binaries::find()?,
        identities,
        with_helper,
        dry_run: options.dry_run.dry_run,
        config: config_file,
        log_format: options.log_format.clone(),
        runtime: runtime.path().to_owned(),
    };
    let signals = Signals::take()?;
    let children = plan.start(&config.routing, scripts)?;
    supervise(&plan, &signals, children, config)
}

fn supervise(
    plan: &Plan,
    signals: &Signals,
    mut children: Children,
    mut config: Config,
) -> Result<(), Failure> {
    loop {
        match signals.wait(&mut children)? {
            Wake::Stop(signal) => {
                say(&format!("{signal}: stopping; rules and routes stay in the kernel"));
                return match signals.stop_all(&mut children)? {
                    true => Ok(()),
                    false => Err(Failure::line("a child did not end as it should".to_owned())),
                };
            }
            Wake::Died(name, status) => {
                say(&format!("{name} {} unasked: stopping", how(status)));
                signals.stop_all(&mut children)?;
                return Err(Failure::Shown);
            }
            Wake::Reload => reload(plan, signals, &mut children, &mut config)?,
        }
    }
}

/// All or nothing: with a problem the old configuration stays.
fn reload(
    plan: &Plan,
    signals: &Signals,
    children: &mut Children,
    config: &mut Config,
) -> Result<(), Failure> {
    let new = match load(plan.config.as_deref()) {
        Ok(loaded) => loaded.config,
        Err(_) => {
            say("reload: the configuration has problems, so the old one stays");
            // It refuses it too, and its API and metrics say so.
            if let Err(error) = children.worker.signal(Signal::SIGHUP) {
                say(&format!("reload: {error}: the API does not show the problems"));
            }
            return Ok(());
        }
    };
    let scripts = match identity::of_scripts(&plan.identities, new.scripts.user.as_deref()) {
        Ok(scripts) => scripts,
        Err(error) => {
            say(&format!("reload: {error}; the old configuration stays"));
            return Ok(());
        }
    };
    let another_user = plan.identities.separate && new.scripts.user != config.scripts.user;
    let another_policy = plan.with_helper && new.routing != config.routing;
    // The helper reads its policy once, before it locks itself down; nobody can change a user later.
    if !plan.dry_run && (another_policy || another_user) {
        let what = if another_policy { "the routing policy" } else { "scripts.user" };
        say(&format!("reload: {what} changed, so all processes start again; kernel state stays meanwhile"));
        if let Err(error) = signals.stop_all(children) {
            // The worker is the first to be stopped. If it has ended, that is noticed at once.
            say(&format!("reload: {error}; the old configuration stays"));
            return Ok(());
        }
        // The old worker may have been asked for what was written since the configuration was read.
        if let Some(reload_pipe) = &mut children.reload_pipe {
            signals.handle(reload_pipe);
        }
        *children = plan.start(&new.routing, scripts)?;
    } else if let Err(error) = children.worker.signal(Signal::SIGHUP) {
        say(&format!("reload: {error}; the old configuration stays"));
        return Ok(());
    }
    *config = new;
    Ok(())
}
