//! networkd's words (networkctl(1), `link_operstate` and `link_state` in systemd's source), as
//! closed lists. A word that is not here selects nothing.

use crate::backend::StateName;
use crate::model::EventKind;

const fn event(kind: EventKind) -> StateName {
    StateName { name: kind.name(), event: Some(kind) }
}

/// `OperationalState`: how far packets get.
const OPERATIONAL: [StateName; 9] = [
    event(EventKind::Missing),
    event(EventKind::Off),
    event(EventKind::NoCarrier),
    event(EventKind::Dormant),
    event(EventKind::DegradedCarrier),
    event(EventKind::Carrier),
    event(EventKind::Degraded),
    event(EventKind::Enslaved),
    event(EventKind::Routable),
];

/// `AdministrativeState`: how far setting up got.
const ADMINISTRATIVE: [StateName; 7] = [
    event(EventKind::Pending),
    event(EventKind::Initialized),
    event(EventKind::Configuring),
    event(EventKind::Configured),
    event(EventKind::Unmanaged),
    event(EventKind::Failed),
    event(EventKind::Linger),
];

/// `OnlineState` of the host.
const ONLINE: [&str; 3] = ["offline", "partial", "online"];

/// The word of `OperationalState`.
pub(super) fn operational(word: &str) -> Option<StateName> {
    OPERATIONAL.into_iter().find(|known| known.name == word)
}

/// The word of `AdministrativeState`.
pub(super) fn administrative(word: &str) -> Option<StateName> {
    ADMINISTRATIVE.into_iter().find(|known| known.name == word)
}

/// The word of the host's `OnlineState`.
pub(super) fn online(word: &str) -> Option<&'static str> {
    ONLINE.into_iter().find(|known| *known == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_with_its_event() {
        for (word, expected) in [
            ("missing", Some(EventKind::Missing)),
            ("off", Some(EventKind::Off)),
            ("no-carrier", Some(EventKind::NoCarrier)),
            ("dormant", Some(EventKind::Dormant)),
            ("degraded-carrier", Some(EventKind::DegradedCarrier)),
            ("carrier", Some(EventKind::Carrier)),
            ("degraded", Some(EventKind::Degraded)),
            ("enslaved", Some(EventKind::Enslaved)),
            ("routable", Some(EventKind::Routable)),
        ] {
            assert_eq!(operational(word), Some(StateName { name: word, event: expected }), "{word}");
        }
        for (word, expected) in [
            ("pending", Some(EventKind::Pending)),
            ("initialized", Some(EventKind::Initialized)),
            ("configuring", Some(EventKind::Configuring)),
            ("configured", Some(EventKind::Configured)),
            ("unmanaged", Some(EventKind::Unmanaged)),
            ("failed", Some(EventKind::Failed)),
            ("linger", Some(EventKind::Linger)),
        ] {
            assert_eq!(administrative(word), Some(StateName { name: word, event: expected }), "{word}");
        }
        assert_eq!(online("partial"), Some("partial"));
    }

    #[test]
    fn nothing_else_is_a_word() {
        for word in ["", "../../evil", "Routable", "routable ", "routable.d", "configured\0", "online"] {
            assert_eq!(operational(word), None, "{word:?}");
            assert_eq!(administrative(word), None, "{word:?}");
        }
        assert_eq!(online("routable"), None);
    }
}
