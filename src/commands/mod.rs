//! The commands other than `start`, one a file.

pub(crate) mod flush;
pub(crate) mod list;
pub(crate) mod policy;
pub(crate) mod test;
pub(crate) mod validate;
