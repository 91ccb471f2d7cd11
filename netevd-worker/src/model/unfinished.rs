//! An event that scripts have not seen to its end.

use super::{Event, LinkFacts};
use std::sync::Arc;

/// An event that waits, or some script of which has not run to its own end.
#[derive(Clone, Debug)]
pub struct UnfinishedEvent {
    /// The event.
    pub event: Event,
    /// The last values of its link, if that is gone.
    pub last: Option<Arc<LinkFacts>>,
}
