//! Method calls, each with a time limit. Nothing but answers comes in by this connection, so nothing that
//! is sent to it can stand before one.

use super::{BusLost, LIMIT, connect, tally};
use std::fmt;
use std::num::NonZeroUsize;
use zbus::names::{BusName, InterfaceName, MemberName};
use zbus::{Connection, DynamicType, Message, ObjectPath};

/// A connection for calls.
#[derive(Clone, Debug)]
pub struct Calls {
    connection: Connection,
    /// Whom they are for, by its well-known name.
    service: &'static str,
}

/// A call brought nothing.
#[derive(Clone, Debug)]
pub enum CallError {
    /// The service, or the bus in its place, answered with an error.
    Answer {
        /// The error's name, `org.freedesktop.resolve1.LinkBusy`.
        name: String,
        /// What it says; may be empty.
        text: String,
    },
    /// No answer within five seconds.
    TimedOut,
    /// The connection is gone, or the call could not be made.
    Lost(String),
}

impl Calls {
    /// Connects, for calls to this service: to the bus at this address, else to the system's.
    ///
    /// # Errors
    /// When there is no bus.
    pub async fn connect(service: &'static str, address: Option<&str>) -> Result<Self, BusLost> {
        Self::connect_to(service, address).await.inspect_err(|_| tally::lost())
    }

    pub(super) async fn connect_to(service: &'static str, address: Option<&str>) -> Result<Self, BusLost> {
        Ok(Self { connection: connect(address, None, NonZeroUsize::MIN).await?, service })
    }

    /// True when the bus has ended this connection.
    pub fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    /// What the bus calls us, for those who want to send to us directly.
    #[cfg(test)]
    pub(super) fn unique_name(&self) -> Option<String> {
        self.connection.unique_name().map(ToString::to_string)
    }

    /// Ends when the bus ends this connection.
    pub async fn closed(&self) {
        self.connection.closed().await;
    }

    /// Calls `member` of `interface` at `path` of `destination` and waits for the answer.
    ///
    /// `destination` is best the unique name of a verified owner ([`super::Signals::owner`]): then
    /// no other program can answer, and a service that was replaced answers with an error.
    ///
    /// # Errors
    /// What the service answered, or that it did not.
    pub async fn call<B>(
        &self,
        destination: &str,
        path: &str,
        interface: &str,
        member: &'static str,
        body: &B,
    ) -> Result<Message, CallError>
    where
        B: serde::Serialize + DynamicType,
    {
        let answer = self.try_call(destination, path, interface, member, body).await;
        tally::called(self.service, member, answer.is_ok());
        answer
    }

    async fn try_call<B>(
        &self,
        destination: &str,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> Result<Message, CallError>
    where
        B: serde::Serialize + DynamicType,
    {
        let named = || -> zbus::Result<_> {
            Ok((
                BusName::try_from(destination)?,
                ObjectPath::try_from(path)?,
                InterfaceName::try_from(interface)?,
                MemberName::try_from(member)?,
            ))
        };
        let (destination, path, interface, member) = named()?;
        let call = self.connection.call_method(Some(destination), path, Some(interface), member, body);
        match tokio::time::timeout(LIMIT, call).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(CallError::TimedOut),
        }
    }
}

impl CallError {
    /// The error's name, where the service gave one.
    pub fn name(&self) -> Option<&str> {
        match self {
            CallError::Answer { name, .. } => Some(name),
            CallError::TimedOut | CallError::Lost(_) => None,
        }
    }
}

impl From<zbus::Error> for CallError {
    fn from(error: zbus::Error) -> Self {
        use zbus::DBusError;
        match error {
            zbus::Error::MethodError(name, text, _) => {
                CallError::Answer { name: name.to_string(), text: text.unwrap_or_default() }
            }
            zbus::Error::FDO(known) => CallError::Answer {
                name: known.name().to_string(),
                text: known.description().unwrap_or_default().to_owned(),
            },
            other => CallError::Lost(other.to_string()),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Answer { name, text } if text.is_empty() => f.write_str(name),
            // A stranger's text goes into one line of the log, whatever it holds.
            CallError::Answer { name, text } => write!(f, "{} ({name})", text.escape_debug()),
            CallError::TimedOut => write!(f, "no answer within {} s", LIMIT.as_secs()),
            CallError::Lost(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for CallError {}
