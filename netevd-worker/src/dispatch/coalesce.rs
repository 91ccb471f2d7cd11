//! Which pending state a newer one makes pointless.
//!
//! A link's states are a climb: no-carrier, carrier, degraded, configured, routable; configuring,
//! configured; prepare, config, ... activated. A script for `configured` wants to have run before
//! one for `routable`, so a climb that is still queued runs whole. A state at or below a queued one
//! contradicts it: the queued one would describe a height that has been lost or is being reached
//! again, and is left out. States that end something are not left out for another state: a script for
//! `disconnected` takes down what one for `activated` has set up, whatever state follows. Of one kind
//! the newest is enough. The operational and the administrative state do not concern each other.

use crate::model::{Event, EventKind, Track};

/// Height on the operational track, in the order of networkd's `LinkOperationalState` with the
/// kernel's own `configured` in its place.
fn operational(kind: EventKind) -> Option<u8> {
    match kind {
        EventKind::Missing | EventKind::Off => Some(0),
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
        EventKind::Pending => Some(1),
        EventKind::Initialized => Some(2),
        EventKind::Configuring => Some(3),
        EventKind::Configured => Some(4),
        _ => None,
    }
}

/// States that end something.
const fn is_end(kind: EventKind) -> bool {
    use EventKind::{Deactivating, Disconnected, Failed, Linger, NoCarrier, Off, Unavailable, Unmanaged};
    matches!(kind, NoCarrier | Off | Unavailable | Disconnected | Failed | Deactivating | Unmanaged | Linger)
}

/// True when `new`, a state, makes the pending state `old` pointless.
pub(super) fn supersedes(new: &Event, old: &Event) -> bool {
    let height = match new.track {
        Track::Operational => operational,
        Track::Administrative => administrative,
    };
    if new.track != old.track {
        return false;
    }
    if new.kind == old.kind || is_end(old.kind) {
        return new.kind == old.kind;
    }
    match (height(new.kind), height(old.kind)) {
        (Some(new), Some(old)) => old >= new,
        // An end without a height ends every climb.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventKind::*;
    use crate::model::{Class, Detail, EventId, EventValues, LinkId};

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
            then: EventValues::Present,
        }
    }

    #[test]
    fn a_climb_is_never_cut() {
        let operational = [Off, NoCarrier, Carrier, Degraded, Configured, Routable];
        let device =
            [Unavailable, Disconnected, Prepare, Config, NeedAuth, IpConfig, IpCheck, Secondaries, Activated];
        let networkd = [Configuring, Configured];
        for (climb, track) in [
            (&operational[..], Track::Operational),
            (&device[..], Track::Administrative),
            (&networkd[..], Track::Administrative),
        ] {
            for (height, new) in climb.iter().enumerate() {
                for (other, old) in climb.iter().enumerate() {
                    let is_pointless = supersedes(&event(*new, track), &event(*old, track));
                    let expected = other == height || (other > height && !is_end(*old));
                    assert_eq!(is_pointless, expected, "{new} after {old}");
                }
            }
        }
    }

    #[test]
    fn an_end_gives_way_to_its_own_kind_alone() {
        let states = || EventKind::ALL.iter().copied().filter(|kind| kind.class() == Class::State);
        for track in [Track::Operational, Track::Administrative] {
            for end in states().filter(|kind| is_end(*kind)) {
                for new in states() {
                    let is_pointless = supersedes(&event(new, track), &event(end, track));
                    assert_eq!(is_pointless, new == end, "{new} after {end}");
                }
            }
        }
        // And an end without a height ends every climb.
        for end in [Failed, Unmanaged, Deactivating, Linger] {
            for old in states().filter(|kind| !is_end(*kind)) {
                assert!(supersedes(&event(end, Track::Administrative), &event(old, Track::Administrative)));
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
