//! Which pending state a newer one makes pointless.
//!
//! A link's states are a climb: no-carrier, carrier, degraded, configured, routable; configuring,
//! configured; prepare, config, ... activated. A script for `configured` wants to have run before
//! one for `routable`, so a climb that is still queued runs whole. A state at or below a queued one
//! contradicts it: the queued one would describe a height that has been lost or is being reached
//! anew, and is left out. The operational and the administrative state do not concern each other.

use crate::event::{Event, EventKind, Track};

/// Height on the operational track, in the order of networkd's `LinkOperationalState` with the
/// kernel's own `configured` in its place.
fn operational(kind: EventKind) -> Option<u8> {
    match kind {
        EventKind::Off => Some(0),
        EventKind::NoCarrier => Some(1),
        EventKind::Dormant => Some(2),
        EventKind::DegradedCarrier => Some(3),
        EventKind::Carrier => Some(4),
        EventKind::Degraded => Some(5),
        EventKind::Enslaved => Some(6),
        EventKind::Configured => Some(7),
        EventKind::Routable => Some(8),
        _ => None,
    }
}

/// Height on the administrative track: networkd's two steps, NetworkManager's device states. What
/// is no step upwards (failed, unmanaged, deactivating, linger) has none.
fn administrative(kind: EventKind) -> Option<u8> {
    match kind {
        EventKind::Unavailable => Some(20),
        EventKind::Disconnected => Some(30),
        EventKind::Prepare => Some(40),
        EventKind::Config => Some(50),
        EventKind::NeedAuth => Some(60),
        EventKind::IpConfig => Some(70),
        EventKind::IpCheck => Some(80),
        EventKind::Secondaries => Some(90),
        EventKind::Activated => Some(100),
        EventKind::Configuring => Some(1),
        EventKind::Configured => Some(2),
        _ => None,
    }
}

/// True when `new`, a state, makes the pending state `old` pointless. Next to a state without a
/// height any newer one does: nothing is known of their order.
pub(super) fn supersedes(new: &Event, old: &Event) -> bool {
    let height = match new.track {
        Track::Operational => operational,
        Track::Administrative => administrative,
    };
    new.track == old.track
        && match (height(new.kind), height(old.kind)) {
            (Some(new), Some(old)) => old >= new,
            _ => true,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Class, Detail, EventId, EventKind::*, LinkId};

    fn event(kind: EventKind, track: Track) -> Event {
        Event {
            id: EventId(1),
            kind,
            track,
            link: LinkId(1),
            state: kind.name(),
            old_state: None,
            startup: false,
            time: std::time::SystemTime::UNIX_EPOCH,
            detail: Detail::None,
        }
    }

    #[test]
    fn a_climb_is_never_cut() {
        let operational = [Off, NoCarrier, Carrier, Degraded, Configured, Routable];
        let device = [Disconnected, Prepare, Config, NeedAuth, IpConfig, IpCheck, Secondaries, Activated];
        let networkd = [Configuring, Configured];
        for (climb, track) in [
            (&operational[..], Track::Operational),
            (&device[..], Track::Administrative),
            (&networkd[..], Track::Administrative),
        ] {
            for (height, new) in climb.iter().enumerate() {
                for (other, old) in climb.iter().enumerate() {
                    let is_pointless = supersedes(&event(*new, track), &event(*old, track));
                    assert_eq!(is_pointless, other >= height, "{new} after {old}");
                }
            }
        }
    }

    #[test]
    fn any_state_follows_on_one_without_a_height() {
        for kind in EventKind::ALL.iter().filter(|kind| kind.class() == Class::State) {
            for without in [Failed, Unmanaged, Deactivating, Linger] {
                let (kind, without) =
                    (event(*kind, Track::Administrative), event(without, Track::Administrative));
                assert!(supersedes(&kind, &without) && supersedes(&without, &kind));
            }
        }
    }

    #[test]
    fn the_tracks_leave_each_other_alone() {
        for (new, old) in [(Configured, Routable), (NoCarrier, Configured), (Failed, Routable)] {
            assert!(!supersedes(&event(new, Track::Administrative), &event(old, Track::Operational)));
            assert!(!supersedes(&event(new, Track::Operational), &event(old, Track::Administrative)));
        }
    }
}
