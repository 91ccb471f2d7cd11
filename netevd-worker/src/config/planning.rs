//! What of `routing:` only the worker needs: the helper checks requests, whatever led to them.

use crate::model::Protocols;

/// The most protocols of `ignore_protocols`: each is a step of the kernel's filter of messages.
pub const IGNORED_MAX: usize = 64;

/// How routes are chosen; the rest of `routing:` is in the helper's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planning {
    /// `local_networks`: routes by other interfaces that are no uplinks are copied.
    pub local_networks: bool,
    /// See [`SpecificRoutes`].
    pub specific_routes: SpecificRoutes,
    /// `ignore_protocols`: routes of these protocols are neither read nor copied.
    pub ignored_protocols: Protocols,
}

/// `specific_routes`: where routes more specific than a default are looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecificRoutes {
    /// In the interface's table, to which they are copied.
    #[default]
    Copied,
    /// In main, by a rule in front of the table's.
    Main,
}

impl Default for Planning {
    fn default() -> Self {
        Self {
            local_networks: true,
            specific_routes: SpecificRoutes::default(),
            ignored_protocols: Protocols::default(),
        }
    }
}
