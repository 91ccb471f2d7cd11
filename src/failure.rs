//! How a command fails: its exit status, and lines on standard error.

use crate::client::ClientError;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// One line, still to be shown.
    Line(String),
    /// Everything has been shown.
    Shown,
    /// Wrong usage that only the values showed; one line, still to be shown.
    Usage(String),
    /// No daemon answers; one line, still to be shown.
    NoDaemon(String),
    /// The reader of the output has seen enough, which is no failure.
    Enough,
}

impl Failure {
    /// From a message without the program's name.
    pub(crate) fn line(message: impl Display) -> Self {
        Self::Line(message.to_string())
    }

    /// Wrong usage.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::Usage(message.to_string())
    }

    /// Says what is still to be said, and gives the exit status.
    pub(crate) fn end(self) -> ExitCode {
        match self {
            Self::Line(line) => {
                crate::say(&line);
                ExitCode::FAILURE
            }
            Self::Shown => ExitCode::FAILURE,
            Self::Usage(line) => {
                crate::say(&line);
                ExitCode::from(2)
            }
            Self::NoDaemon(line) => {
                crate::say(&line);
                ExitCode::from(3)
            }
            Self::Enough => ExitCode::SUCCESS,
        }
    }
}

macro_rules! from_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::line(error)
            }
        })*
    };
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Enough,
            _ => Self::line(error),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Absent(_) => Self::NoDaemon(error.to_string()),
            error => Self::line(error),
        }
    }
}

from_errors!(
    crate::identity::IdentityError,
    crate::runtime::RuntimeError,
    crate::binaries::NotFound,
    crate::children::StartError
);
