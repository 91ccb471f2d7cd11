//! Why the helper does not start, and what to do about it.

use std::error::Error;
use std::fmt;

/// A reason, with the exit status that it leads to.
pub(crate) struct StartError {
    pub(crate) status: u8,
    pub(crate) reason: String,
}

impl StartError {
    /// Something that must be done before serving could not be: status 1.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { status: 1, reason: reason.into() }
    }
}

/// For `map_err`: what could not be done, as an infinitive.
pub(crate) fn cannot<E: Error>(step: impl fmt::Display) -> impl Fn(E) -> StartError {
    move |error| StartError::new(format!("cannot {step}: {error}"))
}
