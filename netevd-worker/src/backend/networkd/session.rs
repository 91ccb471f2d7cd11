//! One connection to the bus: from networkd's appearance to its end, and again.
//!
//! On appearance every link is asked for. Signals that come meanwhile wait in their connection and
//! are read after; those that networkd sent before its answer, which their numbers tell, change
//! nothing then. Descriptions are asked for a few at a time, and never by a signal's path.

use super::changes::{self, Changes, HostChanges};
use super::link_table::LinkTable;
use super::path::{link_of, path_of};
use super::state_directory::{Changed, StateDirectory, Watch};
use super::{AbsenceReporter, LINK, MANAGER, MANAGER_PATH, PROPERTIES, describe};
use crate::backend::bus::{BusEvent, BusLost, CallError, Calls, Signals, Throttle};
use crate::backend::{HostReport, Report};
use protocol::Ifindex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use zbus::Message;
use zbus::wire::OwnedObjectPath;

/// Calls under way at one time.
const CALLS: usize = 8;
/// Between a link's configuration and the next look at its description.
const DESCRIBE_AFTER: Duration = Duration::from_secs(1);
/// A link that is gone has no object.
const UNKNOWN_OBJECT: &str = "org.freedesktop.DBus.Error.UnknownObject";

/// Nobody takes reports any more.
#[derive(Debug)]
pub(super) struct Closed;

/// Why a stretch of listening ended.
enum End {
    /// networkd is away, for this reason.
    Vanished(String),
    Lost(BusLost),
    Closed,
}

impl From<Closed> for End {
    fn from(_: Closed) -> Self {
        End::Closed
    }
}

/// What is asked of networkd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    /// The host's states.
    Host,
    /// A link's states.
    State(Ifindex),
    /// A link's description.
    Describe(Ifindex),
}

/// One connection, and what is known by it.
pub(super) struct Session {
    signals: Signals,
    calls: Calls,
    place: StateDirectory,
    watch: Option<Watch>,
    outbox: Sender<Report>,
    table: LinkTable,
    host: Host,
    queue: VecDeque<Job>,
    running: JoinSet<(Job, Result<Message, CallError>)>,
    /// States asked for at the beginning, and not answered.
    enumerating: BTreeSet<Job>,
    /// Links of the beginning whose first report waits; `None` once all are told.
    first: Option<BTreeSet<Ifindex>>,
    redescribe: BTreeMap<Ifindex, Instant>,
    /// Links whose description is of no use: too long. It is not asked for again.
    undescribed: BTreeSet<Ifindex>,
    throttle: Throttle,
}

/// The host's states.
#[derive(Default)]
struct Host {
    as_of: u32,
    operational: Option<&'static str>,
    online: Option<&'static str>,
    reported: Option<HostReport>,
}

impl Session {
    pub(super) fn new(signals: Signals, calls: Calls, place: StateDirectory, outbox: Sender<Report>) -> Self {
        Self {
            signals,
            calls,
            place,
            watch: None,
            outbox,
            table: LinkTable::default(),
            host: Host::default(),
            queue: VecDeque::new(),
            running: JoinSet::new(),
            enumerating: BTreeSet::new(),
            first: None,
            redescribe: BTreeMap::new(),
            undescribed: BTreeSet::new(),
            throttle: Throttle::default(),
        }
    }

    /// Runs until the bus is lost, and tells why.
    pub(super) async fn run(&mut self, reporter: &mut AbsenceReporter) -> Result<BusLost, Closed> {
        loop {
            match self.signals.next().await {
                Ok(BusEvent::Vanished(absence)) => reporter.report(absence.to_string()).await?,
                Ok(BusEvent::Appeared) => match self.serve(reporter).await {
                    Ok(()) => {}
                    Err(End::Vanished(reason)) => reporter.report(reason).await?,
                    Err(End::Lost(lost)) => return Ok(lost),
                    Err(End::Closed) => return Err(Closed),
                },
                // Of an owner before; what it says is asked for again.
                Ok(BusEvent::Signal(_)) => {}
                Err(lost) => return Ok(lost),
            }
        }
    }

    /// From an appearance to the end of it.
    async fn serve(&mut self, reporter: &mut AbsenceReporter) -> Result<(), End> {
        self.begin().await?;
        loop {
            let deadline = self.deadline();
            tokio::select! {
                event = self.signals.next(), if self.enumerating.is_empty() => {
                    match event.map_err(End::Lost)? {
                        BusEvent::Signal(message) => self.signal(&message),
                        BusEvent::Vanished(absence) => return Err(End::Vanished(absence.to_string())),
                        // Cannot be without having vanished; all is asked for again.
                        BusEvent::Appeared => self.begin().await?,
                    }
                }
                Some(answer) = self.running.join_next(), if !self.running.is_empty() => {
                    if let Ok((job, answer)) = answer {
                        self.answered(job, answer)?;
                    }
                }
                changed = changed(&mut self.watch) => self.changed(changed),
                () = wait_until(deadline) => self.tick(),
            }
            self.start_jobs();
            self.send_reports(reporter).await?;
        }
    }

    /// Forgets what was, and asks for all there is.
    async fn begin(&mut self) -> Result<(), End> {
        self.table = LinkTable::default();
        self.host = Host::default();
        self.redescribe.clear();
        self.undescribed.clear();
        self.queue.clear();
        self.running = JoinSet::new();
        self.watch = match Watch::new(&self.place) {
            Ok(watch) => Some(watch),
            Err(error) => {
                // Reports wait out their 20 ms then, and are right all the same.
                tracing::warn!("changes of networkd's state files are not seen: {error}");
                None
            }
        };
        let owner = self.signals.owner().unwrap_or_default().to_owned();
        let answer = self.calls.call(&owner, MANAGER_PATH, MANAGER, "ListLinks", &()).await;
        let links =
            match answer.map(|message| message.body().deserialize::<Vec<(i32, String, OwnedObjectPath)>>()) {
                Ok(Ok(links)) => links,
                Ok(Err(error)) => return Err(unusable(&error)),
                Err(error) => return Err(unusable(&error)),
            };
        let links: BTreeSet<Ifindex> =
            links.iter().filter_map(|(_, _, path)| link_of(path.as_str())).collect();
        self.enumerating = links.iter().map(|ifindex| Job::State(*ifindex)).collect();
        self.enumerating.insert(Job::Host);
        self.queue.push_back(Job::Host);
        for ifindex in &links {
            self.queue.extend([Job::State(*ifindex), Job::Describe(*ifindex)]);
        }
        self.first = Some(links);
        self.start_jobs();
        Ok(())
    }

    fn start_jobs(&mut self) {
        while self.running.len() < CALLS
            && let Some(job) = self.queue.pop_front()
        {
            let calls = self.calls.clone();
            let owner = self.signals.owner().unwrap_or_default().to_owned();
            self.running.spawn(async move {
                let answer = match job {
                    Job::Host => calls.call(&owner, MANAGER_PATH, PROPERTIES, "GetAll", &MANAGER).await,
                    Job::State(ifindex) => {
                        calls.call(&owner, &path_of(ifindex), PROPERTIES, "GetAll", &LINK).await
                    }
                    Job::Describe(ifindex) => {
                        calls.call(&owner, &path_of(ifindex), LINK, "Describe", &()).await
                    }
                };
                (job, answer)
            });
        }
    }

    /// Asks unless the same question waits already.
    fn ask(&mut self, job: Job) {
        if !self.queue.contains(&job) {
            self.queue.push_back(job);
        }
    }

    fn answered(&mut self, job: Job, answer: Result<Message, CallError>) -> Result<(), End> {
        let now = Instant::now();
        self.enumerating.remove(&job);
        if let Err(CallError::Lost(error)) = &answer {
            return Err(End::Lost(BusLost::Closed(error.clone())));
        }
        match (job, answer) {
            (Job::Describe(ifindex), Ok(message)) => {
                let body = message.body();
                let text = body.deserialize().unwrap_or_default();
                let described = describe::parse(text);
                if described.is_none() {
                    self.undescribed.insert(ifindex);
                }
                self.table.described(ifindex, described, now);
            }
            (Job::Describe(ifindex), Err(error)) if error.name() == Some(UNKNOWN_OBJECT) => {
                self.table.forget(ifindex);
            }
            (Job::Describe(ifindex), Err(_)) => self.table.described(ifindex, None, now),
            (_, Err(error)) => {
                // A link that went away between the list and the question is no fault.
                tracing::debug!("networkd does not answer {job:?}: {error}");
            }
            (Job::Host, Ok(message)) => match changes::of_answer(&message.body()) {
                Ok(properties) => self.report_host(serial(&message), changes::of_host(&properties, &[])),
                Err(error) => self.fault(&error.to_string()),
            },
            (Job::State(ifindex), Ok(message)) => match changes::of_answer(&message.body()) {
                Ok(properties) => {
                    self.link_reported(ifindex, serial(&message), changes::of_link(&properties, &[]))
                }
                Err(error) => self.fault(&error.to_string()),
            },
        }
        Ok(())
    }

    fn signal(&mut self, message: &Message) {
        let header = message.header();
        let Some(path) = header.path().map(|path| path.as_str()) else { return };
        let (interface, properties, invalidated) = match changes::of_signal(&message.body()) {
            Ok(read) => read,
            Err(error) => return self.fault(&format!("a signal of {path:?} cannot be read: {error}")),
        };
        if interface == MANAGER && path == MANAGER_PATH {
            self.report_host(serial(message), changes::of_host(&properties, &invalidated));
        } else if interface == LINK
            && let Some(ifindex) = link_of(path)
        {
            self.link_reported(ifindex, serial(message), changes::of_link(&properties, &invalidated));
        }
    }

    fn link_reported(&mut self, ifindex: Ifindex, serial: u32, mut changes: Changes) {
        for fault in std::mem::take(&mut changes.faults) {
            self.fault(&format!("link {}: {fault}", ifindex.get()));
        }
        let now = Instant::now();
        let stale = changes.stale;
        let set_up =
            changes.administrative.is_some_and(|word| matches!(word.name, "configured" | "unmanaged"));
        let files = self.place.read(ifindex);
        if self.table.receive(ifindex, serial, changes, files, now) {
            self.ask(Job::Describe(ifindex));
        } else if set_up && !self.undescribed.contains(&ifindex) {
            self.redescribe.entry(ifindex).or_insert(now + DESCRIBE_AFTER);
        }
        if stale {
            self.ask(Job::State(ifindex));
        }
    }

    fn report_host(&mut self, serial: u32, changes: HostChanges) {
        for fault in &changes.faults {
            self.fault(fault);
        }
        let older = serial == self.host.as_of || serial.wrapping_sub(self.host.as_of) > u32::MAX / 2;
        if older {
            return;
        }
        self.host.as_of = serial;
        self.host.operational = changes.operational.or(self.host.operational);
        self.host.online = changes.online.or(self.host.online);
        if changes.stale {
            self.ask(Job::Host);
        }
    }

    fn changed(&mut self, changed: std::io::Result<Changed>) {
        let links: Vec<_> = match changed {
            Ok(Changed::Links(links)) => links.into_iter().collect(),
            Ok(Changed::Any) => self.table.links().collect(),
            Err(error) => {
                tracing::warn!("changes of networkd's state files are no longer seen: {error}");
                self.watch = None;
                return;
            }
        };
        for ifindex in links {
            self.table.files_changed(ifindex, self.place.read(ifindex), Instant::now());
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let due = self.redescribe.values().min().copied();
        [due, self.table.deadline()].into_iter().flatten().min()
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.table.tick(now);
        let due: Vec<_> =
            self.redescribe.iter().filter(|(_, at)| **at <= now).map(|(link, _)| *link).collect();
        for ifindex in due {
            self.redescribe.remove(&ifindex);
            self.ask(Job::Describe(ifindex));
        }
    }

    /// Sends what is ready, in order.
    async fn send_reports(&mut self, reporter: &mut AbsenceReporter) -> Result<(), Closed> {
        while let Some(report) = self.table.next() {
            self.outbox.send(Report::Link(report)).await.map_err(|_| Closed)?;
        }
        if let Some(state) = self.host.operational {
            let report = HostReport { state, connectivity: self.host.online };
            if self.host.reported != Some(report) {
                self.host.reported = Some(report);
                self.outbox.send(Report::Host(report)).await.map_err(|_| Closed)?;
            }
        }
        if let Some(first) = &self.first
            && self.enumerating.is_empty()
            && !first.iter().any(|ifindex| self.table.is_waiting(*ifindex))
        {
            self.first = None;
            reporter.is_over();
            self.outbox.send(Report::Synced).await.map_err(|_| Closed)?;
        }
        Ok(())
    }

    fn fault(&mut self, text: &str) {
        if let Some(more) = self.throttle.permit(Instant::now()) {
            tracing::warn!(more, "systemd-networkd: {text}");
        }
    }
}

fn serial(message: &Message) -> u32 {
    message.primary_header().serial_num().get()
}

fn unusable(error: &dyn std::fmt::Display) -> End {
    End::Lost(BusLost::Service(format!("it does not list its links: {error}")))
}

async fn changed(watch: &mut Option<Watch>) -> std::io::Result<Changed> {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
