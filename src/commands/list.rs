//! `netevd list scripts`: each file of each script directory, whether it runs, and what mends it.

use crate::cli::WorkerUser;
use crate::identity::{self, Powers};
use crate::{Failure, load, paint};
use netevd_worker::config::Backend;
use netevd_worker::dispatch::{Identity, ScriptRoots, Survey, TrustedOwner, Verdict, survey};
use std::io::Write;
use std::path::Path;

/// Prints the table. A refused script makes the command fail, so that it can stand in a check.
pub(crate) fn run(config: Option<&Path>, options: &WorkerUser) -> Result<(), Failure> {
    // A faulty configuration is said by others; here it hides nothing.
    let backend = load(config).map_or(Backend::Auto, |loaded| loaded.config.system.backend);
    let (owner, identity) = judged_for(options)?;
    let roots = ScriptRoots::default();
    let Survey { entries, strays } = survey(&roots, owner, &identity);
    let mut out = std::io::stdout();
    let mut refused = 0usize;
    let mut event = None;
    for entry in &entries {
        if event.replace(entry.kind) != Some(entry.kind) {
            writeln!(out, "{}", paint::bold(entry.kind.name()))?;
            if !backend.tells(entry.kind) {
                let name = backend.name();
                writeln!(out, "  {}   no such event under system.backend: {name}", paint::red("never"))?;
            }
        }
        let path = entry.path.display();
        match &entry.verdict {
            Verdict::Runs => writeln!(out, "  {}  {path}", paint::green("runs   "))?,
            Verdict::Masked { by } => {
                writeln!(out, "  {}  {path}\n           by {}", paint::dim("masked "), by.display())?;
            }
            Verdict::Skipped(reason) => {
                writeln!(out, "  {}  {path}\n           {reason}", paint::dim("skipped"))?;
            }
            Verdict::Refused { component, found, cure } => {
                refused += 1;
                let component = component.display();
                writeln!(out, "  {}  {path}\n           {component} {found}", paint::red("refused"))?;
                writeln!(out, "           to mend it: {cure}")?;
            }
        }
    }
    for stray in &strays {
        let help = match stray.nearest {
            Some(name) => format!("did you mean {name}?"),
            None => "its scripts never run".to_owned(),
        };
        writeln!(out, "{}: no event has this directory; {help}", stray.path.display())?;
    }
    if entries.is_empty() {
        let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
        writeln!(out, "no scripts in EVENT.d below {}", roots.join(", "))?;
    }
    match refused {
        0 => Ok(()),
        n => Err(Failure::line(format!("{n} script{} will not run", if n == 1 { "" } else { "s" }))),
    }
}

/// Whose files are trusted and as whom scripts run: what the daemon would use if this caller
/// started it.
fn judged_for(options: &WorkerUser) -> Result<(TrustedOwner, Identity), Failure> {
    let powers = Powers::of_this_process();
    let worker = identity::choose(powers, options.user.as_deref(), None, None)?.worker;
    let owner = match powers.net_admin {
        true => TrustedOwner::ROOT,
        false => TrustedOwner::user(worker.uid.as_raw()),
    };
    Ok((owner, Identity { uid: worker.uid.as_raw(), gids: vec![worker.gid.as_raw()] }))
}
