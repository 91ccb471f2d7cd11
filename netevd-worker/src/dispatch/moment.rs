//! The link's values as of the event: what scripts are given as the event's own, whenever they run.

use crate::model::{Class, Event, EventValues, LinkFacts, ManagerFacts, Track};
use std::borrow::Cow;
use std::sync::Arc;

/// The values, with the state that the event reached. `present` are those of when its first script starts;
/// what the event does not keep is taken from there.
pub(super) fn of<'a>(event: &'a Event, present: Option<&'a LinkFacts>) -> Option<Cow<'a, LinkFacts>> {
    let mut values = match &event.then {
        EventValues::Whole(values) => described(values, present),
        EventValues::Brief(brief) => {
            let (dns, domains) = match &brief.manager {
                Some(manager) => (manager.dns.clone(), manager.domains.clone()),
                None => brief.leases.resolver(),
            };
            Cow::Owned(LinkFacts {
                administrative: brief.administrative,
                manager: brief.manager.clone(),
                leases: brief.leases.clone(),
                dns,
                domains,
                ..present?.clone()
            })
        }
        EventValues::Present => Cow::Borrowed(present?),
    };
    if is_administrative(event) {
        if values.administrative != Some(event.state) {
            values.to_mut().administrative = Some(event.state);
        }
    } else if values.state != event.state {
        values.to_mut().state = event.state;
    }
    Some(values)
}

/// networkd describes a new link a moment after its first states; what it says then was true before.
const DESCRIPTION: [&str; 7] = ["Type", "Driver", "Vendor", "Model", "ProductID", "Path", "LinkFile"];

fn described<'a>(values: &'a LinkFacts, present: Option<&LinkFacts>) -> Cow<'a, LinkFacts> {
    let (Some(then), Some(now)) = (&values.manager, present.and_then(|present| present.manager.as_ref()))
    else {
        return Cow::Borrowed(values);
    };
    let missing = |key: &&&str| !then.details.contains_key(**key) && now.details.contains_key(**key);
    if Arc::ptr_eq(then, now) || !DESCRIPTION.iter().any(|key| missing(&key)) {
        return Cow::Borrowed(values);
    }
    let mut manager = ManagerFacts::clone(then);
    let new =
        now.details.iter().filter(|(key, _)| DESCRIPTION.contains(key) && !then.details.contains_key(*key));
    manager.details.extend(new.map(|(key, value)| (*key, value.clone())));
    Cow::Owned(LinkFacts { manager: Some(Arc::new(manager)), ..values.clone() })
}

/// `STATE` of this event is how far setting up got.
pub(super) fn is_administrative(event: &Event) -> bool {
    event.kind.class() == Class::State && event.track == Track::Administrative
}
