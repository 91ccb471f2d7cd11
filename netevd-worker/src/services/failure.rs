//! Why a call brought nothing, as a text that says what to do about it.

use crate::backend::bus::CallError;

/// What may be hoped for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The service is not there; its coming is awaited.
    Absent(String),
    /// No answer; it may be better later.
    Unanswered(String),
    /// An answer, and not the wanted one: the same question will get the same again.
    Refused(String),
}

impl Failure {
    /// For people.
    pub(super) fn text(&self) -> &str {
        match self {
            Failure::Absent(text) | Failure::Unanswered(text) | Failure::Refused(text) => text,
        }
    }

    /// What `service` (`systemd-resolved`) answered to `call` (`SetLinkDNS`).
    pub(super) fn new(service: &str, call: &str, error: &CallError) -> Self {
        let name = match error {
            CallError::TimedOut | CallError::Lost(_) => {
                return Failure::Unanswered(format!("{service}: {call}: {error}"));
            }
            CallError::Answer { name, .. } => name.as_str(),
        };
        if is_absence(name) {
            return Failure::Absent(format!("{service} is not running ({name})"));
        }
        if is_denial(name) {
            return Failure::Refused(format!(
                "{service} does not permit {call} to netevd: {error}; permit it: \
                 netevd policy --polkit > /etc/polkit-1/rules.d/50-netevd.rules (polkit must be installed)"
            ));
        }
        if matches!(name, "org.freedesktop.DBus.Error.NoReply" | "org.freedesktop.DBus.Error.Disconnected") {
            return Failure::Unanswered(format!("{service} left before it answered {call}"));
        }
        Failure::Refused(format!("{service}: {call}: {error}"))
    }
}

/// Nobody has the name, and the bus could not start who should.
fn is_absence(name: &str) -> bool {
    let of_bus = name.strip_prefix("org.freedesktop.DBus.Error.");
    of_bus.is_some_and(|error| {
        matches!(error, "ServiceUnknown" | "NameHasNoOwner") || error.starts_with("Spawn.")
    })
}

/// polkit says no, would ask a person, or is not there to say yes.
fn is_denial(name: &str) -> bool {
    let of_bus = name.strip_prefix("org.freedesktop.DBus.Error.");
    of_bus.is_some_and(|error| {
        matches!(error, "AccessDenied" | "AuthFailed" | "InteractiveAuthorizationRequired")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_means() {
        let bus = |error: &str| CallError::Answer {
            name: format!("org.freedesktop.DBus.Error.{error}"),
            text: "why".to_owned(),
        };
        for (error, absent, refused, part) in [
            (bus("ServiceUnknown"), true, false, "is not running"),
            (bus("NameHasNoOwner"), true, false, "is not running"),
            (bus("Spawn.ChildExited"), true, false, "is not running"),
            (bus("AccessDenied"), false, true, "netevd policy --polkit >"),
            (bus("InteractiveAuthorizationRequired"), false, true, "/etc/polkit-1/rules.d/"),
            (bus("NoReply"), false, false, "left before it answered SetX"),
            (bus("InvalidArgs"), false, true, "x: SetX: why (org.freedesktop.DBus.Error.InvalidArgs)"),
            (CallError::TimedOut, false, false, "x: SetX: no answer within 5 s"),
            (CallError::Lost("gone".to_owned()), false, false, "gone"),
        ] {
            let failure = Failure::new("x", "SetX", &error);
            assert_eq!(matches!(failure, Failure::Absent(_)), absent, "{error:?}");
            assert_eq!(matches!(failure, Failure::Refused(_)), refused, "{error:?}");
            assert!(failure.text().contains(part), "{}", failure.text());
        }
    }
}
