//! `netevd list scripts`: each file of each script directory, whether it runs, and what fixes it.
//!
//! The files are judged here, so that it can be asked before there is a daemon; a daemon that
//! answers adds how often each ran and how that ended.

use crate::cli::{DaemonOptions, ScriptsOptions};
use crate::client::{Client, ClientError, Target};
use crate::identity::{self, Privileges};
use crate::output::Format;
use crate::{Failure, load, output, say, views};
use netevd_worker::dispatch::{Identity, ScriptRoots, TrustedOwner, survey};
use netevd_worker::document::Scripts;
use netevd_worker::model::Backend;

/// Shows them. A refused script makes the command fail, so that it can stand in a check.
pub(crate) fn run(options: &ScriptsOptions) -> Result<(), Failure> {
    // A faulty configuration is said by others; here it hides nothing.
    let config = load(options.config.file.as_deref()).ok().map(|loaded| loaded.config);
    let backend = config.as_ref().map_or(Backend::Auto, |config| config.system.backend);
    let user = config.and_then(|config| config.scripts.user);
    let (owner, identity) = judged_for(options, user.as_deref())?;
    let roots = ScriptRoots::default();
    let mut scripts = Scripts::from(survey(&roots, owner, &identity));
    if let Some(known) = asked(&options.asking.daemon)? {
        add_runs(&mut scripts, known);
    }
    match options.asking.format.format.unwrap_or_default() {
        Format::Text => {
            let mut text = views::scripts::text(&scripts, backend);
            if scripts.scripts.is_empty() {
                let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
                text.push_str(&format!("no scripts in EVENT.d below {}\n", roots.join(", ")));
            }
            output::put(text)?;
        }
        format => output::show_own(&scripts, format, views::scripts::view)?,
    }
    match scripts.scripts.iter().filter(|script| script.verdict == "refused").count() {
        0 => Ok(()),
        n => Err(Failure::line(format!("{n} script{} will not run", if n == 1 { "" } else { "s" }))),
    }
}

/// What a daemon knows. One that is not there is no error, but where it was named.
fn asked(daemon: &DaemonOptions) -> Result<Option<Scripts>, Failure> {
    match Client::new(daemon)?.get(&Target::new(&["scripts"])) {
        Ok(answer) => output::parse(&answer).map(Some),
        Err(error) if daemon.endpoint.is_some() => Err(error.into()),
        Err(ClientError::Absent(_)) => Ok(None),
        Err(error) => {
            say(&format!("runs are not shown: {error}"));
            Ok(None)
        }
    }
}

fn add_runs(scripts: &mut Scripts, known: Scripts) {
    for script in &mut scripts.scripts {
        if let Some(known) = known.scripts.iter().find(|known| known.path == script.path) {
            (script.runs, script.failures) = (known.runs, known.failures);
            script.last_run.clone_from(&known.last_run);
        }
    }
}

/// Whose files are trusted and as whom scripts run: what the daemon would use if this caller
/// started it.
fn judged_for(options: &ScriptsOptions, user: Option<&str>) -> Result<(TrustedOwner, Identity), Failure> {
    let privileges = Privileges::of_this_process();
    let identities = identity::choose(privileges, options.user.as_deref(), None, None)?;
    let worker = identities.worker;
    let runs_as = identity::of_scripts(&identities, user)?.unwrap_or(worker);
    let owner = match privileges.net_admin {
        true => TrustedOwner::ROOT,
        false => TrustedOwner::user(worker.uid.as_raw()),
    };
    Ok((owner, Identity { uid: runs_as.uid.as_raw(), gids: vec![runs_as.gid.as_raw()] }))
}
