//! `netevd test`: runs a script, or all scripts of an event, as the worker would.
//!
//! The same trust check, environment, document, privileges and time limit; only that what it
//! prints goes straight to the caller.

use crate::cli::TestOptions;
use crate::identity::{self, Powers};
use crate::{Failure, facts, load, output, paint, say, sys};
use netevd_worker::config::{Backend, Scripts, nearest};
use netevd_worker::dispatch::{
    Identity, Input, Occasion, Outcome, ScriptRoots, TrustedOwner, Verdict, command, judge, survey,
    why_not_started,
};
use netevd_worker::event::{Action, Class, Detail, Event, EventId, EventKind, LinkId, RouteChange, Track};
use netevd_worker::facts::LinkFacts;
use nix::sys::signal::{Signal, killpg};
use protocol::{InterfaceName, Prefix};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

/// Runs what is named and says how each ended; fails when one failed or was refused.
pub(crate) fn run(options: &TestOptions) -> Result<(), Failure> {
    let config = load(options.config.file.as_deref())?.config;
    let scripts = config.scripts.clone();
    sys::reserve_descriptors()?;
    let powers = Powers::of_this_process();
    let identities = identity::choose(powers, options.user.as_deref(), None, None)?;
    let runs_as = identity::of_scripts(&identities, scripts.user.as_deref())?.unwrap_or(identities.worker);
    let as_whom = Identity { uid: runs_as.uid.as_raw(), gids: vec![runs_as.gid.as_raw()] };
    let owner = match powers.net_admin {
        true => TrustedOwner::ROOT,
        false => TrustedOwner::user(as_whom.uid),
    };
    let (kind, found) = find(&options.what, owner, &as_whom)?;
    let backend = backend_of(kind, config.system.backend);
    let link = link_facts(options, kind, backend)?;
    let emit_json = config.backends.emit_json;
    let given = example(kind, link.as_ref(), options.address, backend, emit_json)?;
    say(&format!("event {kind}, link {}, as {runs_as}", shown(&given.0.link)));
    if found.is_empty() {
        say(&format!(
            "no script in {} below /etc/netevd, /usr/local/lib/netevd, /usr/lib/netevd",
            kind.directory()
        ));
    }
    if options.dry_run.dry_run {
        return foretell(&given, &found);
    }
    let as_child = identities.separate.then_some(runs_as);
    let mut bad = 0usize;
    for (path, verdict) in found {
        writeln!(std::io::stdout(), "{}", paint::bold(path.display()))?;
        let (text, good) = match verdict {
            Verdict::Runs => {
                let (outcome, took) = attend(&path, kind, &given, as_child, &scripts);
                let good = outcome == Outcome::Exited(0);
                (format!("{outcome}, {} ms", took.as_millis()), good)
            }
            Verdict::Refused { .. } => (verdict.to_string(), false),
            Verdict::Masked { .. } | Verdict::Skipped(_) => (verdict.to_string(), true),
        };
        let text = if good { paint::green(text) } else { paint::red(text) };
        writeln!(std::io::stdout(), "  {text}")?;
        bad += usize::from(!good);
    }
    verdict_over_all(bad, "failed or would not run")
}

fn verdict_over_all(bad: usize, what: &str) -> Result<(), Failure> {
    match bad {
        0 => Ok(()),
        n => Err(Failure::line(format!("{n} script{} {what}", if n == 1 { "" } else { "s" }))),
    }
}

/// Which scripts would run, and everything that they would be given.
fn foretell((input, document): &Given, found: &[(PathBuf, Verdict)]) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    for (path, verdict) in found {
        writeln!(out, "{}", paint::bold(path.display()))?;
        let text = match verdict {
            Verdict::Runs => paint::green("would run"),
            Verdict::Refused { .. } => paint::red(verdict),
            Verdict::Masked { .. } | Verdict::Skipped(_) => paint::dim(verdict),
        };
        writeln!(out, "  {text}")?;
    }
    writeln!(out, "{}", paint::bold("environment"))?;
    for (name, value) in &input.environment {
        writeln!(out, "  {name}={}", output::clean(value))?;
    }
    writeln!(out, "{}\n  {}", paint::bold("standard input"), String::from_utf8_lossy(document).trim_end())?;
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

/// The configured backend if it tells such events, else one that does.
fn backend_of(kind: EventKind, configured: Backend) -> Backend {
    // What `auto` will choose is not known here.
    let tells = |backend: Backend| backend != Backend::Auto && backend.tells(kind);
    let others = [Backend::Kernel, Backend::Networkd, Backend::NetworkManager];
    [configured].into_iter().chain(others).find(|backend| tells(*backend)).unwrap_or(Backend::Kernel)
}

/// Values of the named link, else of documentation; none for the host's own events.
fn link_facts(
    options: &TestOptions,
    kind: EventKind,
    backend: Backend,
) -> Result<Option<LinkFacts>, Failure> {
    if kind == EventKind::Manager {
        return Ok(None);
    }
    let mut facts = match &options.link {
        Some(name) => {
            let name = InterfaceName::new(name).map_err(Failure::line)?;
            let found = facts::of_link(&name).map_err(Failure::line)?;
            Some(match found {
                Some(facts) => facts,
                None => {
                    say(&format!("there is no link {name}: using documentation values"));
                    LinkFacts { name, ..documentation()? }
                }
            })
        }
        None => Some(documentation()?),
    };
    if let (Some(facts), Some(AddressWithLength { ip, length })) = (&mut facts, options.address) {
        facts.addresses = vec![facts::example(ip, length)];
    }
    // What a manager or a lease would add, which is not asked for an example.
    if let Some(facts) = &mut facts {
        facts::as_under(facts, backend);
    }
    Ok(facts)
}

fn documentation() -> Result<LinkFacts, Failure> {
    facts::of_documentation().ok_or_else(|| Failure::line("no documentation values"))
}

/// What scripts are given: environment, and document.
type Given = (Input, Vec<u8>);

/// An example of this event.
fn example(
    kind: EventKind,
    link: Option<&LinkFacts>,
    address: Option<AddressWithLength>,
    backend: Backend,
    emit_json: bool,
) -> Result<Given, Failure> {
    let is_managed = !kind.from_kernel() || (backend, kind) == (Backend::Networkd, EventKind::Configured);
    let state = match (kind, link) {
        (EventKind::Manager, _) | (_, None) => match backend {
            Backend::Networkd => "routable",
            Backend::NetworkManager => "connected-global",
            Backend::Dhclient | Backend::Kernel | Backend::Auto => "online",
        },
        (_, Some(_)) if kind.class() == Class::State => kind.name(),
        (_, Some(link)) => link.state,
    };
    let detail = match (kind, link) {
        (EventKind::AddressAdded | EventKind::AddressRemoved, Some(link)) => {
            let wanted = address.and_then(|a| link.addresses.iter().find(|found| found.ip == a.ip));
            match wanted.or_else(|| link.addresses.iter().find(|a| a.is_usable())) {
                Some(address) => Detail::Address(address.clone()),
                None => {
                    return Err(Failure::line(format!(
                        "{} has no address: give --address IP/LEN",
                        link.name
                    )));
                }
            }
        }
        (EventKind::Routes, Some(link)) => Detail::Routes(vec![default_route(link)?]),
        (EventKind::Mtu, Some(link)) => Detail::Mtu { old: 1500, new: link.mtu },
        (EventKind::Manager, _) => match backend {
            Backend::Networkd => Detail::Host { connectivity: "online" },
            Backend::NetworkManager => Detail::Host { connectivity: "full" },
            Backend::Dhclient | Backend::Kernel | Backend::Auto => Detail::None,
        },
        (EventKind::Routable, _) if backend == Backend::Dhclient => Detail::Lease { old: Box::default() },
        _ if is_managed && backend == Backend::NetworkManager => Detail::Device { reason: "none" },
        _ => Detail::None,
    };
    let event = Event {
        id: EventId(1),
        kind,
        track: if is_managed { Track::Administrative } else { Track::Operational },
        link: if link.is_some() { LinkId(1) } else { LinkId::HOST },
        state,
        old_state: (kind == EventKind::Manager && state == "online").then_some("offline"),
        startup: false,
        time: SystemTime::now(),
        detail,
    };
    let occasion = Occasion { event: &event, link, backend, emit_json, skipped: 0, truncated: false };
    Ok((occasion.input(), occasion.document().map_err(Failure::line)?))
}

fn default_route(link: &LinkFacts) -> Result<RouteChange, Failure> {
    let gateway = link.gateway.map(IpAddr::V4).or(link.gateway6.map(IpAddr::V6));
    let everything = match gateway {
        Some(IpAddr::V6(_)) => Prefix::containing(std::net::Ipv6Addr::UNSPECIFIED.into(), 0),
        _ => Prefix::containing(std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
    };
    Ok(RouteChange {
        action: Action::Added,
        destination: everything.map_err(Failure::line)?,
        gateway,
        table: 254,
        metric: 0,
        protocol: 3,
        scope: 0,
        route_type: 1,
    })
}

/// Runs one script to its end, or to the end of its time.
fn attend(
    path: &Path,
    kind: EventKind,
    given: &Given,
    identity: Option<identity::Identity>,
    scripts: &Scripts,
) -> (Outcome, Duration) {
    let start = Instant::now();
    let outcome = match started(path, kind, given, identity) {
        Ok(mut child) => ended(&mut child, start + scripts.timeout),
        Err(error) => Outcome::NotStarted(why_not_started(path, &error)),
    };
    (outcome, start.elapsed())
}

fn started(
    path: &Path,
    kind: EventKind,
    (input, document): &Given,
    identity: Option<identity::Identity>,
) -> std::io::Result<std::process::Child> {
    let (mut command, feed) = command(path, kind, input)?;
    command.stdout(Stdio::inherit()).stderr(Stdio::inherit()).current_dir("/");
    let confinement = sys::Confinement {
        identity,
        capabilities: 0,
        umask: 0o022,
        own_session: false,
        holds_hang_up: false,
    };
    sys::confine(&mut command, confinement, &[]);
    let child = command.spawn()?;
    // Beside the script, which may read late, in part, or not at all; it ends with the script.
    let document = document.clone();
    std::thread::spawn(move || feed.all(&document));
    Ok(child)
}

fn ended(child: &mut std::process::Child, until: Instant) -> Outcome {
    const GRACE: Duration = Duration::from_secs(5);
    let mut timed_out = None;
    loop {
        match child.try_wait() {
            Ok(Some(_)) if timed_out.is_some() => return Outcome::TimedOut,
            Ok(Some(status)) => {
                return status
                    .code()
                    .map_or(Outcome::Signalled(status.signal().unwrap_or(0)), Outcome::Exited);
            }
            Ok(None) => {}
            Err(error) => return Outcome::NotStarted(error.to_string()),
        }
        // The script leads a group of its own, and is not reaped yet.
        let now = Instant::now();
        let group = crate::process::pid(child);
        match timed_out {
            None if now >= until => {
                let _ = killpg(group, Signal::SIGTERM);
                timed_out = Some(now);
            }
            Some(at) if now >= at + GRACE => {
                let _ = killpg(group, Signal::SIGKILL);
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(5));
    }
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
