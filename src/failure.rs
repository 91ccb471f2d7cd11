//! How a command fails: exit status 1 and lines on standard error.

use std::fmt::Display;
use std::io;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// One line, still to be shown.
    Line(String),
    /// Everything has been shown.
    Shown,
}

impl Failure {
    /// From a message without the program's name.
    pub(crate) fn line(message: impl Display) -> Self {
        Self::Line(message.to_string())
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
            // The reader of our output has seen enough.
            io::ErrorKind::BrokenPipe => Self::Shown,
            _ => Self::line(error),
        }
    }
}

from_errors!(
    crate::identity::IdentityError,
    crate::runtime::RuntimeError,
    crate::binaries::NotFound,
    crate::children::StartError
);
