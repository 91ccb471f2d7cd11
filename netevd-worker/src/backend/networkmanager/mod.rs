//! NetworkManager as a source of events: device states by the arguments of `StateChanged`, the
//! host's state and connectivity, and what else belongs to a device by reading.
//!
//! Name servers, domains and gateways come by signals too, in order with the states.
//!
//! A change of one device may wait for a reading of that device, half a second at most; other
//! devices do not wait for it, nor does the bus: answers come by a connection of their own. The
//! order of a device's changes is kept and none is dropped.

mod device;
mod dhcp;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod read;
mod values;
mod words;

use super::bus::{Bus, BusEvent, BusLost, CallError, Match, Service, Signals, Throttle};
use super::{HostReport, LinkReport, Report};
use device::{Change, Device};
use read::{Beginning, Host, Reading, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio::time::Instant as Timer;
use values::Properties;
use zbus::Message;

const NAME: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
const DEVICE: &str = "org.freedesktop.NetworkManager.Device";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Each device sends `PropertiesChanged` a dozen times where its state changes four times; those
/// are not asked for.
const SIGNALS: &[Match] = &[
    Match {
        interface: DEVICE,
        member: Some("StateChanged"),
        namespace: "/org/freedesktop/NetworkManager/Devices",
        argument: None,
    },
    Match { interface: NAME, member: None, namespace: PATH, argument: None },
    Match { interface: PROPERTIES, member: Some("PropertiesChanged"), namespace: PATH, argument: Some(NAME) },
    Match {
        interface: PROPERTIES,
        member: Some("PropertiesChanged"),
        namespace: "/org/freedesktop/NetworkManager/IP4Config",
        argument: None,
    },
    Match {
        interface: PROPERTIES,
        member: Some("PropertiesChanged"),
        namespace: "/org/freedesktop/NetworkManager/IP6Config",
        argument: None,
    },
    Match {
        interface: PROPERTIES,
        member: Some("PropertiesChanged"),
        namespace: "/org/freedesktop/NetworkManager/DHCP4Config",
        argument: None,
    },
    Match {
        interface: PROPERTIES,
        member: Some("PropertiesChanged"),
        namespace: "/org/freedesktop/NetworkManager/DHCP6Config",
        argument: None,
    },
];

/// Owned by root alone.
const SERVICE: Service = Service { name: NAME, user: None, signals: SIGNALS };

/// Devices that are followed; more are left out, which is logged.
const DEVICES: usize = 4096;
/// Readings at a time.
const READINGS: usize = 16;
/// Between attempts to ask what there is.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Follows NetworkManager forever, or until nobody takes reports any longer.
pub async fn run(outbox: Sender<Report>) {
    follow(Bus::new(SERVICE), outbox).await;
}

async fn follow(mut bus: Bus, outbox: Sender<Report>) {
    let mut outbox = Outbox { sender: outbox, away: false };
    while !outbox.sender.is_closed() {
        let error = match bus.connect().await {
            Ok((signals, calls)) => {
                let source = Source { calls, owner: String::new() };
                let ended = Session::new(source).run(signals, &mut outbox).await;
                let Err(error) = ended else { return };
                bus.lost(&error);
                error
            }
            Err(error) => error,
        };
        if outbox.away(error.to_string()).await.is_err() {
            return;
        }
    }
}

/// Nobody takes reports any longer.
struct Closed;

/// Where reports go.
struct Outbox {
    sender: Sender<Report>,
    /// That it is away has been told.
    away: bool,
}

impl Outbox {
    async fn send(&self, report: Report) -> Result<(), Closed> {
        self.sender.send(report).await.map_err(|_| Closed)
    }

    async fn away(&mut self, reason: String) -> Result<(), Closed> {
        if std::mem::replace(&mut self.away, true) {
            return Ok(());
        }
        self.send(Report::Absent(reason)).await
    }

    async fn synced(&mut self) -> Result<(), Closed> {
        self.away = false;
        self.send(Report::Synced).await
    }
}

/// What a question brought.
enum Answer {
    Beginning(Result<Beginning, CallError>),
    Host(Host),
    Device(String, Result<Box<Reading>, CallError>),
}

/// How far the telling of what there was has got.
#[derive(PartialEq, Eq)]
enum Phase {
    /// NetworkManager is not there.
    Absent,
    /// What there is is being asked; again at this moment, if it is known.
    Asking(Option<Instant>),
    /// These devices have not been told yet.
    Telling(BTreeSet<String>),
    /// All has been told.
    Synced,
}

/// One connection to the bus.
struct Session {
    source: Source,
    phase: Phase,
    devices: BTreeMap<String, Device>,
    answers: JoinSet<Answer>,
    state: Option<&'static str>,
    connectivity: Option<&'static str>,
    /// What signals said of the host. Its state and its connectivity come one after the other, and are read
    /// together before they are told.
    signalled: Option<Host>,
    /// That reading is under way.
    reads_host: bool,
    /// It takes over what there is, and has not done so with every device.
    is_starting: bool,
    /// What was told of the host.
    host: Option<HostReport>,
    /// Reports that wait to be sent.
    out: Vec<LinkReport>,
    throttle: Throttle,
}

impl Session {
    fn new(source: Source) -> Self {
        Self {
            source,
            phase: Phase::Absent,
            devices: BTreeMap::new(),
            answers: JoinSet::new(),
            state: None,
            connectivity: None,
            signalled: None,
            reads_host: false,
            is_starting: true,
            host: None,
            out: Vec::new(),
            throttle: Throttle::default(),
        }
    }

    /// Until the bus is lost; `Ok` when nobody takes reports any longer.
    async fn run(mut self, mut signals: Signals, outbox: &mut Outbox) -> Result<(), BusLost> {
        loop {
            let is_full = self.devices.values().any(Device::is_full);
            let due = self.due();
            tokio::select! {
                Some(answer) = self.answers.join_next(), if !self.answers.is_empty() => match answer {
                    Ok(answer) => self.answered(answer),
                    // Only a panic in a reading can bring it here; the device asks again.
                    Err(error) => tracing::error!("a question to NetworkManager ended: {error}"),
                },
                event = signals.next(), if !is_full => match event? {
                    BusEvent::Appeared => {
                        let owner = signals.owner().unwrap_or_default().to_owned();
                        self = Self::new(Source { owner, ..self.source });
                        self.phase = Phase::Asking(Some(Instant::now()));
                    }
                    BusEvent::Vanished(absence) => {
                        self = Self::new(self.source);
                        if outbox.away(format!("NetworkManager: {absence}")).await.is_err() {
                            return Ok(());
                        }
                    }
                    BusEvent::Signal(message) => self.signal(&message),
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(Timer::now)), if due.is_some() => {}
            }
            self.advance();
            if self.send(outbox).await.is_err() {
                return Ok(());
            }
        }
    }

    /// When something is due without any news.
    fn due(&self) -> Option<Timer> {
        let asking = match self.phase {
            Phase::Asking(at) => at,
            _ => None,
        };
        let may_read = self.answers.len() < READINGS;
        self.devices
            .values()
            .filter_map(|device| device.due(may_read))
            .chain(asking)
            .min()
            .map(Timer::from_std)
    }

    fn signal(&mut self, message: &Message) {
        let header = message.header();
        let (Some(path), Some(interface), Some(member)) =
            (header.path(), header.interface(), header.member())
        else {
            return;
        };
        let (path, now) = (path.as_str(), Instant::now());
        let body = message.body();
        match (interface.as_str(), member.as_str()) {
            (DEVICE, "StateChanged") => match body.deserialize::<(u32, u32, u32)>() {
                Ok((new, old, reason)) => self.changed(path, Change { new, old, reason }, now),
                Err(error) => self.resync_because(&format!("StateChanged of {path}: {error}")),
            },
            (NAME, "StateChanged") if path == PATH => match body.deserialize::<u32>() {
                Ok(state) => self.host_signalled(Host { state: Some(state), ..Host::default() }),
                Err(error) => self.resync_because(&format!("StateChanged: {error}")),
            },
            (NAME, "DeviceAdded") => {
                if let Ok(path) = body.deserialize::<zbus::ObjectPath<'_>>() {
                    self.device(path.as_str());
                }
            }
            (NAME, "DeviceRemoved") => {
                if let Ok(path) = body.deserialize::<zbus::ObjectPath<'_>>()
                    && let Some(device) = self.devices.get_mut(path.as_str())
                {
                    device.removed();
                }
            }
            (PROPERTIES, "PropertiesChanged") if path == PATH => {
                let changed = Properties::changed(message);
                self.host_signalled(Host {
                    state: changed.number("State"),
                    connectivity: changed.number("Connectivity"),
                    is_starting: changed.flag("Startup"),
                });
            }
            (PROPERTIES, "PropertiesChanged") => {
                if let Some(device) = self.devices.values_mut().find(|device| device.has_config(path)) {
                    device.config_changed(path, &Properties::changed(message), &mut self.out);
                }
            }
            _ => {}
        }
    }

    fn changed(&mut self, path: &str, change: Change, now: Instant) {
        if words::device_state(change.new).is_none() {
            self.resync_because(&format!("{path} is in state {}, which is not known here", change.new));
        }
        if let Some(device) = self.device(path) {
            device.changed(change, now);
        }
    }

    /// The device of this object, new if it is.
    fn device(&mut self, path: &str) -> Option<&mut Device> {
        if self.phase == Phase::Absent {
            return None;
        }
        if !self.devices.contains_key(path) {
            if self.devices.len() >= DEVICES {
                self.resync_because(&format!("{path} is left out: there are {DEVICES} devices already"));
                return None;
            }
            self.devices.insert(path.to_owned(), Device::new());
        }
        self.devices.get_mut(path)
    }

    fn host_signalled(&mut self, said: Host) {
        if said != Host::default() {
            let known = self.signalled.unwrap_or_default();
            self.signalled = Some(Host {
                state: said.state.or(known.state),
                connectivity: said.connectivity.or(known.connectivity),
                is_starting: said.is_starting.or(known.is_starting),
            });
        }
    }

    fn host_is(&mut self, Host { state, connectivity, is_starting }: Host) {
        if self.is_starting && is_starting != Some(true) {
            self.is_starting = false;
            for device in self.devices.values() {
                device.push_again(&mut self.out);
            }
        }
        for (number, what, known, word) in [
            (state, "state", words::host_state as fn(u32) -> _, &mut self.state),
            (connectivity, "connectivity", words::connectivity, &mut self.connectivity),
        ] {
            let Some(number) = number else { continue };
            match known(number) {
                Some(name) => *word = Some(name),
                None => tracing::debug!("NetworkManager's {what} is {number}, which is not known here"),
            }
        }
    }

    fn answered(&mut self, answer: Answer) {
        let now = Instant::now();
        match answer {
            Answer::Beginning(Ok(beginning)) => {
                self.host_is(beginning.host);
                for path in &beginning.devices {
                    self.device(path);
                }
                self.phase = Phase::Telling(self.devices.keys().cloned().collect());
            }
            Answer::Beginning(Err(error)) => {
                self.resync_because(&format!("GetDevices: {error}"));
                self.phase = Phase::Asking(Some(now + RETRY_INTERVAL));
            }
            Answer::Host(host) => {
                // What was signalled meanwhile is read again.
                self.reads_host = false;
                self.host_is(host);
            }
            Answer::Device(path, result) => {
                let Some(device) = self.devices.get_mut(&path) else { return };
                match result {
                    Ok(reading) => device.read(*reading, now, &mut self.out),
                    // The object is gone; DeviceRemoved says so as well, or has said it.
                    Err(CallError::Answer { .. }) => device.removed(),
                    Err(error) => {
                        device.not_read(now, &mut self.out);
                        self.resync_because(&format!("{path}: {error}"));
                    }
                }
            }
        }
    }

    /// Whatever can go on now does.
    fn advance(&mut self) {
        let now = Instant::now();
        for device in self.devices.values_mut() {
            device.drain(now, &mut self.out);
        }
        self.devices.retain(|_, device| !device.is_over());
        if matches!(self.phase, Phase::Asking(Some(at)) if at <= now) {
            self.phase = Phase::Asking(None);
            let source = self.source.clone();
            self.answers.spawn(async move { Answer::Beginning(source.beginning().await) });
        }
        if matches!(self.phase, Phase::Telling(_) | Phase::Synced)
            && !self.reads_host
            && let Some(said) = self.signalled.take()
        {
            self.reads_host = true;
            let source = self.source.clone();
            self.answers.spawn(async move {
                // Without an answer the signals count.
                Answer::Host(source.host().await.unwrap_or(said))
            });
        }
        for (path, device) in &mut self.devices {
            if self.answers.len() >= READINGS {
                break;
            }
            if device.begin(now) {
                let (source, path) = (self.source.clone(), path.clone());
                self.answers.spawn(async move {
                    let reading = source.device(&path).await;
                    Answer::Device(path, reading.map(Box::new))
                });
            }
        }
        if let Phase::Telling(left) = &mut self.phase {
            left.retain(|path| self.devices.get(path).is_some_and(|device| !device.is_reported()));
        }
    }

    async fn send(&mut self, outbox: &mut Outbox) -> Result<(), Closed> {
        for mut report in self.out.drain(..) {
            report.provisional = self.is_starting;
            outbox.send(Report::Link(report)).await?;
        }
        let synced = matches!(&self.phase, Phase::Telling(left) if left.is_empty());
        if synced || self.phase == Phase::Synced {
            let host = self.state.map(|state| HostReport { state, connectivity: self.connectivity });
            if let Some(host) = host
                && self.host != Some(host)
            {
                self.host = Some(host);
                outbox.send(Report::Host(host)).await?;
            }
        }
        if synced {
            self.phase = Phase::Synced;
            outbox.synced().await?;
        }
        Ok(())
    }

    /// Something that NetworkManager should not have said, or did not.
    fn resync_because(&mut self, what: &str) {
        if let Some(more) = self.throttle.permit(Instant::now()) {
            tracing::warn!(more, "NetworkManager: {what}");
        }
    }
}

#[cfg(test)]
mod tests;
