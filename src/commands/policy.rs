//! `netevd policy`: the helper's policy as compiled from the configuration.

use crate::{Failure, load};
use std::io::Write;
use std::path::Path;

/// Prints it.
pub(crate) fn run(config: Option<&Path>) -> Result<(), Failure> {
    let policy = load(config)?.config.routing;
    write!(std::io::stdout(), "{policy}")?;
    Ok(())
}
