//! `netevd status`: one glance.

use crate::cli::Asking;
use crate::client::{Client, Target};
use crate::{Failure, output, views};
use std::time::SystemTime;

/// Asks and shows. Degraded is an answer like any other; `/health` is for those who test.
pub(crate) fn run(options: &Asking) -> Result<(), Failure> {
    let client = Client::new(&options.daemon)?;
    let answer = client.get(&Target::new(&["status"]))?;
    let now = SystemTime::now();
    output::show(&answer, options.format.format.unwrap_or_default(), |status| {
        views::status::view(status, now)
    })
}
