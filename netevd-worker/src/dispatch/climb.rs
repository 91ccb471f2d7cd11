//! Which pending state a newer one makes pointless.
//!
//! The kernel's states are a climb: no-carrier, carrier, degraded, configured, routable. A script
//! for `configured` wants to have run before one for `routable`, so a climb that is still queued
//! runs whole. A state at or below a queued one contradicts it: the queued one would describe a
//! height that has been lost or is being reached anew, and is left out.

use crate::event::EventKind;

/// Height of the kernel's own states; the managers' other states have none.
fn height(kind: EventKind) -> Option<u8> {
    match kind {
        EventKind::NoCarrier => Some(0),
        EventKind::Carrier => Some(1),
        EventKind::Degraded => Some(2),
        EventKind::Configured => Some(3),
        EventKind::Routable => Some(4),
        _ => None,
    }
}

/// True when `new`, a state, makes the pending state `old` pointless. Among states without a
/// height, any newer one does: nothing is known of their order.
pub(super) fn supersedes(new: EventKind, old: EventKind) -> bool {
    match (height(new), height(old)) {
        (Some(new), Some(old)) => old >= new,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Class, EventKind::*};

    #[test]
    fn a_climb_is_never_cut() {
        let climb = [NoCarrier, Carrier, Degraded, Configured, Routable];
        for (height, new) in climb.iter().enumerate() {
            for (other, old) in climb.iter().enumerate() {
                assert_eq!(supersedes(*new, *old), other >= height, "{new} after {old}");
            }
        }
    }

    #[test]
    fn any_state_follows_on_a_manager_s_own() {
        for kind in EventKind::ALL.iter().filter(|kind| kind.class() == Class::State && !kind.from_kernel()) {
            assert!(supersedes(*kind, Routable) && supersedes(NoCarrier, *kind) && supersedes(*kind, *kind));
        }
    }
}
