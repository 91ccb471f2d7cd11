//! Properties of networkd's objects, as a signal or an answer brings them, turned into words.

use super::words;
use crate::backend::StateName;
use std::collections::{BTreeMap, HashMap};
use zbus::Variant;
use zbus::message::Body;

/// A value longer than this is none.
const MAX_LENGTH: usize = 4096;

/// Properties of a link that are told as they are.
const DETAILS: [&str; 5] =
    ["AddressState", "CarrierState", "IPv4AddressState", "IPv6AddressState", "OnlineState"];
/// Beside those: the two that are words.
const OPERATIONAL: &str = "OperationalState";
const ADMINISTRATIVE: &str = "AdministrativeState";

/// What a link's properties say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// `OperationalState`, if it was there and is known.
    pub(super) operational: Option<StateName>,
    /// `AdministrativeState`, the same.
    pub(super) administrative: Option<StateName>,
    /// The others. An empty one is known to have no value.
    pub(super) details: BTreeMap<&'static str, String>,
    /// A property that matters has another value, which the signal does not tell.
    pub(super) stale: bool,
    /// What could not be understood, fit for a log.
    pub(super) faults: Vec<String>,
}

/// What the manager's properties say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostChanges {
    /// `OperationalState`
    pub(super) operational: Option<&'static str>,
    /// `OnlineState`
    pub(super) online: Option<&'static str>,
    /// As in [`Changes`].
    pub(super) stale: bool,
    /// As in [`Changes`].
    pub(super) faults: Vec<String>,
}

/// Properties by name; `None` for a value that is no string.
pub(super) type Properties = Vec<(String, Option<String>)>;

/// Understands a link's properties.
pub(super) fn of_link(properties: &Properties, invalidated: &[String]) -> Changes {
    let mut changes = Changes::default();
    for (name, value) in properties {
        match (name.as_str(), value.as_deref()) {
            (OPERATIONAL, value) => {
                changes.operational = word(OPERATIONAL, value, words::operational, &mut changes.faults);
            }
            (ADMINISTRATIVE, value) => {
                changes.administrative =
                    word(ADMINISTRATIVE, value, words::administrative, &mut changes.faults);
            }
            (name, Some(value)) if value.len() <= MAX_LENGTH => {
                if let Some(known) = DETAILS.into_iter().find(|known| *known == name) {
                    changes.details.insert(known, value.to_owned());
                }
            }
            _ => {}
        }
    }
    let matters =
        |name: &String| name == OPERATIONAL || name == ADMINISTRATIVE || DETAILS.contains(&name.as_str());
    changes.stale = invalidated.iter().any(matters);
    changes
}

/// Understands the manager's properties.
pub(super) fn of_host(properties: &Properties, invalidated: &[String]) -> HostChanges {
    let mut changes = HostChanges::default();
    for (name, value) in properties {
        let value = value.as_deref();
        match name.as_str() {
            OPERATIONAL => {
                let found = word(OPERATIONAL, value, words::operational, &mut changes.faults);
                changes.operational = found.map(|word| word.name);
            }
            "OnlineState" if value != Some("") => {
                changes.online = word("OnlineState", value, words::online, &mut changes.faults);
            }
            _ => {}
        }
    }
    changes.stale = invalidated.iter().any(|name| name == OPERATIONAL || name == "OnlineState");
    changes
}

fn word<T>(
    property: &str,
    value: Option<&str>,
    known: impl Fn(&str) -> Option<T>,
    faults: &mut Vec<String>,
) -> Option<T> {
    let found = value.and_then(known);
    if found.is_none() {
        // Whoever sent it wrote it: escaped, and not at any length.
        let shown = value.map(|value| value.chars().take(64).collect::<String>());
        faults.push(match shown {
            Some(shown) => format!("{property}={shown:?} is none of networkd's words"),
            None => format!("{property} is no string"),
        });
    }
    found
}

/// The body of PropertiesChanged: interface, properties, names of invalidated ones.
pub(super) fn of_signal(body: &Body) -> zbus::Result<(String, Properties, Vec<String>)> {
    let (interface, properties, invalidated) =
        body.deserialize::<(&str, HashMap<&str, Variant<'_>>, Vec<String>)>()?;
    Ok((interface.to_owned(), strings(properties), invalidated))
}

/// The body of the answer to GetAll.
pub(super) fn of_answer(body: &Body) -> zbus::Result<Properties> {
    Ok(strings(body.deserialize::<HashMap<&str, Variant<'_>>>()?))
}

fn strings(properties: HashMap<&str, Variant<'_>>) -> Properties {
    let string = |value: &Variant<'_>| <&str>::try_from(value).ok().map(str::to_owned);
    properties.into_iter().map(|(name, value)| (name.to_owned(), string(&value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventKind;
    use proptest::prelude::*;

    fn properties(list: &[(&str, Option<&str>)]) -> Properties {
        list.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn a_signal_with_both_states() {
        let changes = of_link(
            &properties(&[
                ("OperationalState", Some("routable")),
                ("AdministrativeState", Some("configured")),
                ("OnlineState", Some("")),
                ("IPv4AddressState", Some("routable")),
                ("BitRates", None),
            ]),
            &[],
        );
        assert_eq!(
            changes.operational,
            Some(StateName { name: "routable", event: Some(EventKind::Routable) })
        );
        assert_eq!(
            changes.administrative,
            Some(StateName { name: "configured", event: Some(EventKind::Configured) })
        );
        assert_eq!(changes.details.len(), 2);
        assert!(!changes.stale && changes.faults.is_empty());
    }

    #[test]
    fn evil_and_mistyped_values_are_faults_of_their_own_field() {
        let changes = of_link(
            &properties(&[
                ("OperationalState", Some("../../evil\n\u{1b}[31m")),
                ("AdministrativeState", Some("configured")),
                ("CarrierState", None),
            ]),
            &[],
        );
        assert_eq!(changes.operational, None);
        assert_eq!(changes.administrative.map(|word| word.name), Some("configured"));
        assert_eq!(
            changes.faults,
            ["OperationalState=\"../../evil\\n\\u{1b}[31m\" is none of networkd's words"]
        );
        let changes = of_link(&properties(&[("AdministrativeState", None)]), &[]);
        assert_eq!(changes.faults, ["AdministrativeState is no string"]);
        let long = "x".repeat(5_000);
        let changes =
            of_link(&properties(&[("OperationalState", Some(&long)), ("OnlineState", Some(&long))]), &[]);
        assert!(changes.faults[0].len() < 200 && changes.details.is_empty());
    }

    #[test]
    fn what_is_invalidated_is_asked_for_if_it_matters() {
        let of = |name: &str| of_link(&Properties::new(), &[name.to_owned()]).stale;
        assert!(of("OperationalState") && of("AdministrativeState") && of("OnlineState"));
        assert!(!of("BitRates"));
        assert!(of_host(&Properties::new(), &["OnlineState".to_owned()]).stale);
    }

    #[test]
    fn the_host() {
        let all = properties(&[("OperationalState", Some("routable")), ("OnlineState", Some("partial"))]);
        let host = of_host(&all, &[]);
        assert_eq!((host.operational, host.online), (Some("routable"), Some("partial")));
        let host =
            of_host(&properties(&[("OperationalState", Some("evil")), ("OnlineState", Some(""))]), &[]);
        assert_eq!((host.operational, host.online, host.faults.len()), (None, None, 1));
    }

    proptest! {
        #[test]
        fn no_values_panic(values in proptest::collection::vec((".*", proptest::option::of(".*")), 0..8)) {
            let _ = of_link(&values, &[]);
            let _ = of_host(&values, &[]);
        }

        #[test]
        fn only_words_come_out(value in ".*") {
            let given = vec![("OperationalState".to_owned(), Some(value.clone()))];
            let changes = of_link(&given, &[]);
            prop_assert_eq!(changes.operational.is_none(), changes.faults.len() == 1);
        }
    }
}
