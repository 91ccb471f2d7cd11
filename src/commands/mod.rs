//! The commands other than `start`, one a file.

pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod events;
pub(crate) mod flush;
pub(crate) mod list;
pub(crate) mod policy;
pub(crate) mod reload;
pub(crate) mod scripts;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod test;
pub(crate) mod validate;
pub(crate) mod why;

use crate::Failure;

/// `netevd version`
pub(crate) fn version() -> Result<(), Failure> {
    Ok(crate::output::put(concat!("netevd ", env!("CARGO_PKG_VERSION"), "\n"))?)
}
