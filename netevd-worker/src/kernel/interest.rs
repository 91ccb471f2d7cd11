//! Which messages about routes are worth reading, by their headers alone (`struct rtmsg`,
//! rtnetlink(7)). The kernel asks the same before a message costs anything ([`super::filter`]).
//!
//! What is passed over would change nothing: neither what is remembered of routes nor what follows
//! for routing or scripts.

use super::raw::Raw;
use super::unused_routes::UnusedRoutes;
use crate::model::{COPYABLE_PROTOCOLS, Protocols};
use netlink_packet_core::NLM_F_REPLACE;
use nix::libc::{RTM_DELROUTE, RTM_NEWROUTE};
use protocol::PROTOCOL;

/// Places in `struct rtmsg`; the header ends at 12.
pub(super) mod place {
    pub(in crate::kernel) const DESTINATION_LENGTH: u32 = 1;
    pub(in crate::kernel) const TABLE: u32 = 4;
    pub(in crate::kernel) const PROTOCOL: u32 = 5;
    pub(in crate::kernel) const END: u32 = 12;
}

/// `RT_TABLE_*`, as `rtm_table` has them. A table beyond 255 is `RT_TABLE_COMPAT` there, 252.
pub(super) const DEFAULT: u8 = 253;
pub(super) const MAIN: u8 = 254;
pub(super) const LOCAL: u8 = 255;

/// The longest prefix that may stand for a default route ([`protocol::Prefix::is_default_like`]).
pub(super) const DEFAULT_LIKE: u8 = 3;

/// The longest prefix, of either family, that may be default-like. What is longer and of a protocol that the
/// configuration ignores is not read.
pub(super) const WIDE: u8 = 12;

/// What is wanted beside the routes that are always needed: defaults of all tables but local, and
/// main's local networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteInterest {
    /// All that scripts hear of.
    pub reported: bool,
    /// Those of tables that are neither main, default nor local: one of them may be ours.
    pub private: bool,
    /// That anything of main changed: all of it is copied, and read when it is needed.
    pub main: bool,
    /// Not of these routes.
    pub unused_routes: UnusedRoutes,
    /// `routing.ignore_protocols`. Whether such a route replaced another one that is copied, the next look at
    /// the whole table shows.
    pub ignored: Protocols,
}

impl RouteInterest {
    /// Whether a message is to be read. What is no message about a route is, and what is too short
    /// for one: that is for the parser to say.
    pub fn wants(self, message: &Raw<'_>) -> bool {
        let byte = |at: u32| usize::try_from(at).ok().and_then(|at| message.payload.get(at)).copied();
        if ![RTM_NEWROUTE, RTM_DELROUTE].contains(&message.kind) || byte(place::END - 1).is_none() {
            return true;
        }
        let places = [place::DESTINATION_LENGTH, place::TABLE, place::PROTOCOL];
        let [length, table, protocol] = places.map(|at| byte(at).unwrap_or_default());
        if length > WIDE && self.ignored.contains(protocol) {
            return false;
        }
        // It may stand where a route was that is remembered.
        if message.flags & NLM_F_REPLACE != 0 && table == MAIN {
            return true;
        }
        if protocol == PROTOCOL {
            // What we put in is known; that it went is news.
            return message.kind == RTM_DELROUTE;
        }
        match table {
            LOCAL => false,
            _ if self.reported || length <= DEFAULT_LIKE => true,
            MAIN => COPYABLE_PROTOCOLS.contains(&protocol),
            DEFAULT => false,
            _ => self.private,
        }
    }

    /// Whether a message that is not to be read is about a route of main's that may be copied.
    pub fn rings(self, message: &Raw<'_>) -> bool {
        let byte = |at: u32| usize::try_from(at).ok().and_then(|at| message.payload.get(at)).copied();
        let Some(protocol) = byte(place::PROTOCOL) else { return false };
        let is_long = byte(place::DESTINATION_LENGTH) > Some(WIDE);
        let is_of_none =
            is_long && (self.ignored.contains(protocol) || self.unused_routes.has(message.payload));
        self.main && byte(place::TABLE) == Some(MAIN) && protocol != PROTOCOL && !is_of_none
    }
}
