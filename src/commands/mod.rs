//! The commands other than `start`, one a file.

pub(crate) mod policy;
pub(crate) mod validate;
