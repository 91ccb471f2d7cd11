//! The state machine of a link without a manager: no-carrier, carrier, degraded, configured,
//! routable. Pure.
//!
//! A link that rises runs every stage that it passes, so that a `configured.d` script is not
//! missed when address and default route arrive together; one that falls runs the state it
//! reached alone.

use crate::event::EventKind;

/// What the machine looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Administratively up, with carrier.
    pub carrier: bool,
    /// A usable link-local address.
    pub link_local: bool,
    /// A usable global address.
    pub global: bool,
    /// A usable global address and a default route through this link, both of one family.
    pub leads: bool,
    /// It has but one other end: what is sent into it arrives there without a gateway.
    pub point_to_point: bool,
}

/// A link's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Down, or no carrier.
    NoCarrier,
    /// Carrier, no usable address.
    Carrier,
    /// Link-local addresses only, or the gateway was lost.
    Degraded,
    /// A global address, and never a default route of its family since.
    Configured,
    /// A global address and a default route of the same family; a point-to-point link needs none.
    Routable,
}

impl Stage {
    /// The event that this stage is.
    pub const fn kind(self) -> EventKind {
        match self {
            Stage::NoCarrier => EventKind::NoCarrier,
            Stage::Carrier => EventKind::Carrier,
            Stage::Degraded => EventKind::Degraded,
            Stage::Configured => EventKind::Configured,
            Stage::Routable => EventKind::Routable,
        }
    }

    /// `STATE`
    pub const fn name(self) -> &'static str {
        self.kind().name()
    }

    /// The stage of this name.
    pub fn from_name(name: &str) -> Option<Stage> {
        [Stage::NoCarrier, Stage::Carrier, Stage::Degraded, Stage::Configured, Stage::Routable]
            .into_iter()
            .find(|stage| stage.name() == name)
    }
}

/// The stage that follows. `gateway_lost` is the machine's only memory: a global address without
/// a default route is `configured` on the way up, and `degraded` after a gateway was there.
pub(super) fn next(gateway_lost: bool, signs: Signs) -> Stage {
    match signs {
        Signs { carrier: false, .. } => Stage::NoCarrier,
        Signs { leads: true, .. } => Stage::Routable,
        Signs { global: true, .. } if gateway_lost => Stage::Degraded,
        // As systemd-networkd has it for every link. A tunnel's routes may come from what runs now.
        Signs { global: true, point_to_point: true, .. } => Stage::Routable,
        Signs { global: true, .. } => Stage::Configured,
        Signs { link_local: true, .. } => Stage::Degraded,
        _ => Stage::Carrier,
    }
}

/// The stages that run between two states, oldest first; empty when nothing changed. A link that
/// only lost its gateway is still configured, and does not become so again.
pub(super) fn passed(before: Option<Stage>, gateway_lost: bool, after: Stage) -> impl Iterator<Item = Stage> {
    // On the way up a link is not degraded; that stage is only ever reached.
    let stages = [Stage::NoCarrier, Stage::Carrier, Stage::Degraded, Stage::Configured, Stage::Routable];
    let unchanged = before == Some(after);
    stages.into_iter().filter(move |&stage| {
        let between = before.unwrap_or(Stage::NoCarrier) < stage && stage < after;
        let skipped = stage == Stage::Degraded || (stage == Stage::Configured && gateway_lost);
        !unchanged && (stage == after || (between && !skipped))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Stage::{Carrier, Configured, Degraded, NoCarrier, Routable};

    fn signs(text: &str) -> Signs {
        let has = |c| text.contains(c);
        Signs {
            carrier: has('c'),
            link_local: has('l'),
            global: has('g'),
            leads: has('d'),
            point_to_point: has('p'),
        }
    }

    #[test]
    fn every_combination() {
        for (lost, now, after) in [
            (false, "", NoCarrier),
            (false, "c", Carrier),
            (false, "cl", Degraded),
            (false, "clg", Configured),
            (false, "clgd", Routable),
            (true, "cg", Degraded),
            (true, "cgd", Routable),
            (false, "gd", NoCarrier),
            (false, "cp", Carrier),
            (false, "clp", Degraded),
            (false, "cgp", Routable),
            (true, "cgp", Degraded),
            (false, "gp", NoCarrier),
        ] {
            assert_eq!(next(lost, signs(now)), after, "{lost} {now}");
        }
    }

    fn names(before: Option<Stage>, after: Stage) -> Vec<Stage> {
        passed(before, false, after).collect()
    }

    #[test]
    fn rising_runs_each_stage_and_falling_the_last() {
        assert_eq!(names(None, Routable), [Carrier, Configured, Routable]);
        assert_eq!(names(None, NoCarrier), [NoCarrier]);
        assert_eq!(names(Some(NoCarrier), Degraded), [Carrier, Degraded]);
        assert_eq!(names(Some(Degraded), Routable), [Configured, Routable]);
        assert_eq!(passed(Some(Degraded), true, Routable).collect::<Vec<_>>(), [Routable]);
        assert_eq!(names(Some(Routable), Degraded), [Degraded]);
        assert_eq!(names(Some(Routable), NoCarrier), [NoCarrier]);
        assert_eq!(names(Some(Routable), Routable), []);
    }
}
