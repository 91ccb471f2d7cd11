//! The state machine of a link without a manager: no-carrier, carrier, degraded, configured,
//! routable. Pure.
//!
//! A link that rises runs every stage that it passes, so that a `configured.d` script is not
//! missed when address and default route arrive together; one that falls runs the state it
//! reached alone.

use crate::model::EventKind;

/// What the machine looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseInputs {
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
pub enum LinkPhase {
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

impl LinkPhase {
    /// The event that this stage is.
    pub const fn kind(self) -> EventKind {
        match self {
            LinkPhase::NoCarrier => EventKind::NoCarrier,
            LinkPhase::Carrier => EventKind::Carrier,
            LinkPhase::Degraded => EventKind::Degraded,
            LinkPhase::Configured => EventKind::Configured,
            LinkPhase::Routable => EventKind::Routable,
        }
    }

    /// `STATE`
    pub const fn name(self) -> &'static str {
        self.kind().name()
    }

    /// The stage of this name.
    pub fn from_name(name: &str) -> Option<LinkPhase> {
        [
            LinkPhase::NoCarrier,
            LinkPhase::Carrier,
            LinkPhase::Degraded,
            LinkPhase::Configured,
            LinkPhase::Routable,
        ]
        .into_iter()
        .find(|phase| phase.name() == name)
    }
}

/// The stage that follows. `gateway_lost` is the machine's only memory: a global address without
/// a default route is `configured` on the way up, and `degraded` after a gateway was there.
pub(super) fn next(gateway_lost: bool, phase_inputs: PhaseInputs) -> LinkPhase {
    match phase_inputs {
        PhaseInputs { carrier: false, .. } => LinkPhase::NoCarrier,
        PhaseInputs { leads: true, .. } => LinkPhase::Routable,
        PhaseInputs { global: true, .. } if gateway_lost => LinkPhase::Degraded,
        // As systemd-networkd has it for every link. A tunnel's routes may come from what runs now.
        PhaseInputs { global: true, point_to_point: true, .. } => LinkPhase::Routable,
        PhaseInputs { global: true, .. } => LinkPhase::Configured,
        PhaseInputs { link_local: true, .. } => LinkPhase::Degraded,
        _ => LinkPhase::Carrier,
    }
}

/// The stages that run between two states, oldest first; empty when nothing changed. A link that
/// only lost its gateway is still configured, and does not become so again.
pub(super) fn passed(
    before: Option<LinkPhase>,
    gateway_lost: bool,
    after: LinkPhase,
) -> impl Iterator<Item = LinkPhase> {
    // On the way up a link is not degraded; that stage is only ever reached.
    let phases = [
        LinkPhase::NoCarrier,
        LinkPhase::Carrier,
        LinkPhase::Degraded,
        LinkPhase::Configured,
        LinkPhase::Routable,
    ];
    let unchanged = before == Some(after);
    phases.into_iter().filter(move |&phase| {
        let between = before.unwrap_or(LinkPhase::NoCarrier) < phase && phase < after;
        let skipped = phase == LinkPhase::Degraded || (phase == LinkPhase::Configured && gateway_lost);
        !unchanged && (phase == after || (between && !skipped))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use LinkPhase::{Carrier, Configured, Degraded, NoCarrier, Routable};

    fn phase_inputs(text: &str) -> PhaseInputs {
        let has = |c| text.contains(c);
        PhaseInputs {
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
            assert_eq!(next(lost, phase_inputs(now)), after, "{lost} {now}");
        }
    }

    fn names(before: Option<LinkPhase>, after: LinkPhase) -> Vec<LinkPhase> {
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
