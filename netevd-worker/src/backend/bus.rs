//! The system bus, as far as netevd uses it: signals of one service whose owner is verified, and
//! method calls with a time limit.
//!
//! Signals and calls have a connection each. A burst of signals that waits to be taken fills only
//! its own connection, so an answer never stands behind it. Messages are made and read by hand:
//! no proxies, no object server, no thread.
//!
//! Nothing that a stranger on the bus sends is kept: no descriptor is taken ([`socket`]), and messages that
//! nobody waits for are dropped while they are read ([`message_filter`]).
//!
//! A lost bus is never an end: [`Bus::connect`] waits with back-off and tries again.

mod backoff;
mod calls;
mod message_filter;
mod owner;
mod signals;
mod socket;
mod tally;
mod throttle;

pub use backoff::Backoff;
pub use calls::{CallError, Calls};
pub use owner::Absence;
pub use signals::{BusEvent, Signals};
pub use tally::count_in;
pub use throttle::Throttle;

use message_filter::SenderCheck;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect as connect_to, socket as new_socket,
};
use socket::BusSocket;
use std::fmt;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zbus::connection::Builder;

/// What connecting, and one method call, may take.
const LIMIT: Duration = Duration::from_secs(5);
/// Where the bus listens if `DBUS_SYSTEM_BUS_ADDRESS` does not say otherwise.
const STANDARD: &str = "unix:path=/run/dbus/system_bus_socket";
/// The bus's own name, path and interface; nobody else can send by it.
const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// A service on the bus and what is wanted of it.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its well-known name.
    pub name: &'static str,
    /// The user, beside root, that may own the name.
    pub user: Option<&'static str>,
    /// The signals wanted.
    pub signals: &'static [Match],
}

/// Which signals, as narrow as possible: each one that passes wakes the worker.
#[derive(Clone, Copy, Debug)]
pub struct Match {
    /// The signal's interface.
    pub interface: &'static str,
    /// The signal's name; `None` is every signal of the interface.
    pub member: Option<&'static str>,
    /// The object, and all beneath it.
    pub namespace: &'static str,
    /// The signal's first argument, where it is a string: of `PropertiesChanged` the interface
    /// whose properties they are.
    pub argument: Option<&'static str>,
}

impl Match {
    /// The match rule in the specification's text form.
    fn rule(&self, sender: &str) -> String {
        let Match { interface, member, namespace, argument } = self;
        let member = member.map(|name| format!(",member='{name}'")).unwrap_or_default();
        let argument = argument.map(|text| format!(",arg0='{text}'")).unwrap_or_default();
        format!(
            "type='signal',sender='{sender}',interface='{interface}'{member},path_namespace='{namespace}'{argument}"
        )
    }
}

/// The bus cannot be reached, or is gone.
#[derive(Clone, Debug)]
pub enum BusLost {
    /// No connection: nothing listens, or it refuses us.
    Connect(String),
    /// It does not answer.
    TimedOut,
    /// It does not take a request that every bus has to take.
    Refused(String),
    /// The connection ended.
    Closed(String),
    /// The bus is there, but the service on it is of no use; the text says all.
    Service(String),
}

impl fmt::Display for BusLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BusLost::Connect(error) => write!(f, "the system bus cannot be reached: {error}"),
            BusLost::TimedOut => write!(f, "the system bus does not answer within {} s", LIMIT.as_secs()),
            BusLost::Refused(what) => write!(f, "the system bus refuses us: {what}"),
            BusLost::Service(text) => f.write_str(text),
            BusLost::Closed(error) => write!(f, "the system bus closed the connection: {error}"),
        }
    }
}

impl std::error::Error for BusLost {}

/// The way to one service: connects, and after a loss connects again.
#[derive(Debug)]
pub struct Bus {
    service: Service,
    address: Option<String>,
    backoff: Backoff,
    lost: bool,
    /// Losses that were told: those of a bus that goes and comes are one line a minute.
    log_throttle: Throttle,
    /// The loss was told, so its end is too.
    is_logged: bool,
}

impl Bus {
    /// Nothing is connected yet.
    pub fn new(service: Service) -> Self {
        Self {
            service,
            address: None,
            backoff: Backoff::default(),
            lost: false,
            log_throttle: Throttle::default(),
            is_logged: false,
        }
    }

    /// The same on another bus than the system's.
    #[cfg(test)]
    pub(crate) fn at(service: Service, address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..Self::new(service) }
    }

    /// Both connections, after the pause that is due. The first failure of a row is logged, at most one a
    /// minute, and the success that ends it.
    ///
    /// # Errors
    /// When there is no bus; call again for the next attempt.
    pub async fn connect(&mut self) -> Result<(Signals, Calls), BusLost> {
        self.backoff.pause().await;
        match self.try_connect().await {
            Ok(both) => {
                self.backoff.connected();
                self.lost = false;
                if std::mem::take(&mut self.is_logged) {
                    tracing::info!("connected to the system bus again, for {}", self.service.name);
                }
                Ok(both)
            }
            Err(error) => {
                self.note(&error);
                Err(error)
            }
        }
    }

    /// Says that a session ended, which is logged once until the next one begins.
    pub fn lost(&mut self, error: &BusLost) {
        self.backoff.lost();
        self.note(error);
    }

    async fn try_connect(&self) -> Result<(Signals, Calls), BusLost> {
        let address = self.address.as_deref();
        Ok((
            Signals::connect(&self.service, address).await?,
            Calls::connect_to(self.service.name, address).await?,
        ))
    }

    fn note(&mut self, error: &BusLost) {
        tally::lost();
        let name = self.service.name;
        if std::mem::replace(&mut self.lost, true) {
            return;
        }
        let Some(more) = self.log_throttle.permit(Instant::now()) else { return };
        self.is_logged = true;
        match error {
            BusLost::Service(text) => {
                tracing::warn!(more, "{name}: {text}; it is tried again until it answers")
            }
            bus => tracing::warn!(more, "{bus}; it is tried again until it answers, for {name}"),
        }
    }
}

/// Whether something listens where the bus should be. Does not wait.
///
/// # Errors
/// The address, and why not.
pub fn probe() -> Result<(), String> {
    let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|_| STANDARD.to_owned());
    // Only what can be tried without waiting; other places are taken to work.
    let Some(path) = address.strip_prefix("unix:path=") else { return Ok(()) };
    let path = path.split([',', ';']).next().unwrap_or_default();
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let tried = UnixAddr::new(path).and_then(|place| {
        let socket = new_socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect_to(socket.as_raw_fd(), &place)
    });
    tried.map_err(|errno| format!("nothing answers at {path} ({})", errno.desc()))
}

/// One connection, authenticated and named by the bus: at this address, else the system's. Through the door
/// come its service's signals; without one answers alone.
async fn connect(
    address: Option<&str>,
    sender_check: Option<Arc<SenderCheck>>,
    queue: NonZeroUsize,
) -> Result<zbus::Connection, BusLost> {
    let variable = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").ok().filter(|text| !text.is_empty());
    let address = address.or(variable.as_deref()).unwrap_or(STANDARD);
    let connecting = async {
        let lost = |error: &dyn fmt::Display| BusLost::Connect(error.to_string());
        let socket = BusSocket::connect(address, sender_check).await.map_err(|error| lost(&error))?;
        Builder::socket(socket).max_queued(queue).build().await.map_err(|error| lost(&error))
    };
    tokio::time::timeout(LIMIT, connecting).await.unwrap_or(Err(BusLost::TimedOut))
}

#[cfg(test)]
pub(crate) mod private;
#[cfg(test)]
mod tests;
