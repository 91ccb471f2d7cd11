//! `netevd test`: runs a script, or all scripts of an event, as the worker would.
//!
//! The same trust check, environment, document, privileges, confinement and time limit. The script never
//! gets the caller's terminal: it has a session without one and three pipes, and what it prints is cleaned
//! before it is shown.

mod example;
mod execution;
mod lines;
mod service_lines;
mod unit;

use crate::cli::TestOptions;
use crate::identity::Privileges;
use crate::output::put;
use crate::{Failure, load, output, paint, say, sys};
use example::{Given, backend_of, example, link_facts};
use execution::Execution;
use lines::Lines;
use netevd_worker::dispatch::{Identity, ScriptRoots, Trial, TrustedOwner, Verdict, judge, survey};
use netevd_worker::model::{EventKind, Outcome};
use netevd_worker::text::nearest;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs what is named and says how each ended; fails when one failed or was refused.
pub(crate) fn run(options: &TestOptions) -> Result<(), Failure> {
    let config = load(options.config.file.as_deref())?.config;
    let scripts = config.scripts.clone();
    sys::reserve_descriptors()?;
    let privileges = Privileges::of_this_process();
    let execution = Execution::choose(privileges, options.user.as_deref(), scripts.user.as_deref())?;
    let as_whom = execution.as_whom();
    let owner = match privileges.net_admin {
        true => TrustedOwner::ROOT,
        false => TrustedOwner::user(as_whom.uid),
    };
    let (kind, found) = find(&options.what, owner, &as_whom)?;
    let backend = backend_of(kind, config.system.backend);
    let link = link_facts(options, kind, backend)?;
    let emit_json = config.backends.emit_json;
    let given = example(kind, link.as_ref(), options.address, backend, emit_json)?;
    say(&format!("event {kind}, link {}, as {}", shown(&given.0.link), execution.identity()));
    if found.is_empty() {
        say(&format!(
            "no script in {} below /etc/netevd, /usr/local/lib/netevd, /usr/lib/netevd",
            kind.directory()
        ));
    }
    if options.dry_run.dry_run {
        return print_dry_run(&given, &found);
    }
    if let Some(confinement) = execution.confinement() {
        say(&confinement);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_all(&execution, kind, &given, found, scripts.timeout))
}

/// One after the other; those behind an interruption are left out.
async fn run_all(
    execution: &Execution,
    kind: EventKind,
    (input, document): &Given,
    found: Vec<(PathBuf, Verdict)>,
    timeout: Duration,
) -> Result<(), Failure> {
    let mut interruption = Interruption::new()?;
    let mut started = execution.start()?;
    let document: Rc<[u8]> = Rc::from(document.as_slice());
    let mut bad = 0usize;
    for (path, verdict) in found {
        put(format!("{}\n", paint::bold(path.display())))?;
        let (text, good) = match verdict {
            Verdict::Runs => {
                let begin = Instant::now();
                let trial = Trial { path: &path, kind, input, document: Rc::clone(&document), timeout };
                let mut lines = Lines::default();
                let stop = interruption.wait();
                let outcome =
                    started.run(&trial, stop, &mut |is_error, piece| lines.take(is_error, piece)).await;
                lines.finish();
                let good = outcome == Outcome::Exited(0);
                (format!("{outcome}, {} ms", begin.elapsed().as_millis()), good)
            }
            Verdict::Refused { .. } => (verdict.to_string(), false),
            Verdict::Masked { .. } | Verdict::Skipped(_) => (verdict.to_string(), true),
        };
        let text = if good { paint::green(text) } else { paint::red(text) };
        put(format!("  {text}\n"))?;
        if interruption.came {
            return Err(Failure::line("interrupted"));
        }
        bad += usize::from(!good);
    }
    verdict_over_all(bad, "failed or would not run")
}

/// SIGINT, SIGTERM or SIGHUP: the script is ended first.
struct Interruption {
    signals: [Signal; 3],
    came: bool,
}

impl Interruption {
    fn new() -> std::io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [a, b, c] = kinds.map(signal);
        Ok(Self { signals: [a?, b?, c?], came: false })
    }

    async fn wait(&mut self) {
        let [a, b, c] = &mut self.signals;
        tokio::select! {
            _ = a.recv() => {}
            _ = b.recv() => {}
            _ = c.recv() => {}
        }
        self.came = true;
    }
}

fn verdict_over_all(bad: usize, what: &str) -> Result<(), Failure> {
    match bad {
        0 => Ok(()),
        n => Err(Failure::line(format!("{n} script{} {what}", if n == 1 { "" } else { "s" }))),
    }
}

/// Which scripts would run, and everything that they would be given.
fn print_dry_run((input, document): &Given, found: &[(PathBuf, Verdict)]) -> Result<(), Failure> {
    for (path, verdict) in found {
        put(format!("{}\n", paint::bold(path.display())))?;
        let text = match verdict {
            Verdict::Runs => paint::green("would run"),
            Verdict::Refused { .. } => paint::red(verdict),
            Verdict::Masked { .. } | Verdict::Skipped(_) => paint::dim(verdict),
        };
        put(format!("  {text}\n"))?;
    }
    put(format!("{}\n", paint::bold("environment")))?;
    for (name, value) in &input.environment {
        put(format!("  {name}={}\n", output::clean(value)))?;
    }
    let document = String::from_utf8_lossy(document);
    put(format!("{}\n  {}\n", paint::bold("standard input"), output::clean(document.trim_end())))?;
    let refused = found.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Refused { .. })).count();
    verdict_over_all(refused, "would not run")
}

/// An event by its name or directory, else a file; its event is that of the directory it is in.
fn find(
    what: &str,
    owner: TrustedOwner,
    as_whom: &Identity,
) -> Result<(EventKind, Vec<(PathBuf, Verdict)>), Failure> {
    if let Some(kind) = EventKind::from_name(what.strip_suffix(".d").unwrap_or(what)) {
        let entries = survey(&ScriptRoots::default(), owner, as_whom).entries;
        let entries = entries.into_iter().filter(|entry| entry.kind == kind);
        return Ok((kind, entries.map(|entry| (entry.path, entry.verdict)).collect()));
    }
    let path = Path::new(what);
    if !path.is_file() {
        let names: Vec<_> = EventKind::ALL.iter().map(|k| k.name()).collect();
        let help = match nearest(what, names.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("events are {}", names.join(", ")),
        };
        return Err(Failure::line(format!("{what:?} is no file and no event; {help}")));
    }
    // Without links and "..", which the trust check refuses: the file itself is meant here.
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = directory.canonicalize()?.join(path.file_name().unwrap_or_default());
    let directory =
        path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    let kind = directory.strip_suffix(".d").and_then(EventKind::from_name).unwrap_or(EventKind::Routable);
    let verdict = judge(&path, owner, as_whom);
    Ok((kind, vec![(path, verdict)]))
}

fn shown(link: &str) -> &str {
    if link.is_empty() { "none (the whole host)" } else { link }
}

/// `192.0.2.10/24` on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressWithLength {
    ip: IpAddr,
    length: u8,
}

impl std::str::FromStr for AddressWithLength {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write an address and the length of its prefix, such as 192.0.2.10/24";
        let (ip, length) = text.split_once('/').ok_or(FORM)?;
        let ip: IpAddr = ip.parse().map_err(|_| FORM)?;
        let length: u8 = length.parse().map_err(|_| FORM)?;
        if length > if ip.is_ipv4() { 32 } else { 128 } {
            return Err(FORM.to_owned());
        }
        Ok(Self { ip, length })
    }
}
