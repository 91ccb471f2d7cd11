//! netevd's own rules and routes in the kernel, whole, for comparison.

use crate::objects::{Route, Rule};

/// An object that carries our protocol number, with all that makes it one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ours {
    Rule(Rule),
    Route(Route),
}
