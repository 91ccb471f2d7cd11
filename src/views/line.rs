//! An event on one line: when, its number, its link, its kind, what happened, what came of it.

use crate::output::{clean, took};
use netevd_worker::document::{EventDocument, GatewayChangeDocument, RouteChangeDocument, ScriptRun};
use nix::sys::signal::Signal;

/// Route changes that are named; the rest is counted.
const CHANGES: usize = 2;

/// `2026-03-01T09:30:00.250Z 17 eth1 routable: configured -> routable; done: 10-hello 12 ms`
pub(crate) fn line(event: &EventDocument) -> String {
    let mut text = format!(
        "{} {} {} {}",
        event.timestamp,
        event.id,
        event.interface.as_deref().unwrap_or("host"),
        event.event_type
    );
    match what(event) {
        what if what.is_empty() => {}
        what => text.push_str(&format!(": {what}")),
    }
    text.push_str(&format!("; {}", event.action));
    let ran: Vec<String> = ran(event).into_iter().map(|(text, _)| text).collect();
    if !ran.is_empty() {
        text.push_str(&format!(": {}", ran.join(", ")));
    }
    clean(&text)
}

/// `ipv4 changed: 192.0.2.1 -> 192.0.2.9`; without an address where none is needed.
pub(crate) fn gateway(change: &GatewayChangeDocument) -> String {
    let addresses: Vec<String> = [change.old, change.new].iter().flatten().map(ToString::to_string).collect();
    let addresses = if addresses.is_empty() { "point to point".to_owned() } else { addresses.join(" -> ") };
    format!("{} {}: {addresses}", change.family, change.action)
}

/// What happened, beyond the kind.
pub(crate) fn what(event: &EventDocument) -> String {
    let details = &event.details;
    let mut words = Vec::new();
    if let Some(address) = &details.address {
        words.push(format!("{}/{}", address.ip, address.prefix));
    } else if let Some(change) = &details.gateway {
        words.push(gateway(change));
    } else if let Some(mtu) = details.mtu {
        words.push(format!("{} -> {}", mtu.old, mtu.new));
    } else if !details.routes.is_empty() {
        words.push(routes(&details.routes, details.route_changes));
    } else if let Some(old) = &details.old_state {
        words.push(format!("{old} -> {}", details.state));
    } else if event.event_type != details.state {
        words.push(details.state.clone());
    }
    words.extend(details.connectivity.iter().map(|word| format!("connectivity {word}")));
    words.extend(details.reason.iter().map(|reason| format!("reason {reason}")));
    if details.lease {
        words.push("lease changed".to_owned());
    }
    if details.startup {
        words.push("at start".to_owned());
    }
    if details.skipped > 0 {
        words.push(format!("{} skipped", details.skipped));
    }
    if let Some(id) = details.coalesced_into {
        words.push(format!("into {id}"));
    }
    if !details.filters.is_empty() {
        let filters: Vec<String> = details.filters.iter().map(ToString::to_string).collect();
        words.push(format!("filter {}", filters.join(" ")));
    }
    words.join(", ")
}

/// Each script and unit with its outcome, and whether that is good.
pub(crate) fn ran(event: &EventDocument) -> Vec<(String, bool)> {
    let scripts = event.scripts.iter().map(|run| (script(run), !is_bad(&run.result)));
    let units = event.units.iter().map(|run| {
        let result = if run.result == "success" { String::new() } else { format!(" {}", run.result) };
        (format!("{} {}{result}", run.verb, run.unit), !is_bad(&run.result))
    });
    scripts.chain(units).collect()
}

/// The name of a signal, or its number.
pub(super) fn signal(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |signal| signal.as_str().to_owned())
}

fn is_bad(result: &str) -> bool {
    !matches!(result, "success" | "running" | "asked" | "dry-run")
}

/// `10-hello 12 ms`, `10-hello exit 3 12 ms`
fn script(run: &ScriptRun) -> String {
    let mut words = vec![run.script.rsplit('/').next().unwrap_or_default().to_owned()];
    match (run.result.as_str(), run.exit_code, run.signal) {
        ("success", ..) => {}
        ("failure", Some(code), _) => words.push(format!("exit {code}")),
        ("failure", None, Some(number)) => words.push(signal(number)),
        (other, ..) => words.push(other.to_owned()),
    }
    words.extend(run.duration_seconds.map(took));
    words.join(" ")
}

fn routes(changes: &[RouteChangeDocument], all: Option<u64>) -> String {
    let mut named: Vec<String> = changes.iter().take(CHANGES).map(change).collect();
    let shown = u64::try_from(named.len()).unwrap_or(u64::MAX);
    match all.unwrap_or(shown).saturating_sub(shown) {
        0 => {}
        more => named.push(format!("{more} more")),
    }
    named.join(", ")
}

fn change(change: &RouteChangeDocument) -> String {
    let via = change.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    let kind = if change.kind == "unicast" { String::new() } else { format!("{} ", change.kind) };
    format!("{} {kind}{}{via} table {}", change.action, change.destination, change.table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::fixtures::{event, run};
    use netevd_worker::document::{AddressDocument, MtuDocument};

    #[test]
    fn a_state_says_where_it_came_from_and_what_ran() {
        let mut done = event(17, "done");
        done.scripts =
            vec![run("/etc/netevd/routable.d/10-hello", 0), run("/etc/netevd/routable.d/20-no", 3)];
        assert_eq!(
            line(&done),
            "2026-03-01T09:30:00.250Z 17 eth1 routable: configured -> routable; done: 10-hello 12 ms, 20-no exit 3 12 ms"
        );
        assert_eq!(ran(&done).iter().map(|(_, good)| *good).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn what_belongs_to_a_kind_is_said() {
        let mut other = event(3, "none");
        other.details.mtu = Some(MtuDocument { old: 1500, new: 1400 });
        assert_eq!(what(&other), "1500 -> 1400");
        other.details.mtu = None;
        let ip = |text: &str| text.parse().ok();
        for (old, new, action, said) in [
            (ip("192.0.2.1"), ip("192.0.2.9"), "changed", "ipv4 changed: 192.0.2.1 -> 192.0.2.9"),
            (None, ip("192.0.2.9"), "added", "ipv4 added: 192.0.2.9"),
            (ip("192.0.2.9"), None, "removed", "ipv4 removed: 192.0.2.9"),
            (None, None, "added", "ipv4 added: point to point"),
        ] {
            let (family, action) = ("ipv4".to_owned(), action.to_owned());
            other.details.gateway = Some(GatewayChangeDocument { action, family, old, new });
            assert_eq!(what(&other), said);
        }
        other.details.gateway = None;
        other.details.address = Some(AddressDocument {
            ip: "192.0.2.3".parse().expect("an address"),
            prefix: 24,
            family: "ipv4".to_owned(),
            scope: "global".to_owned(),
            flags: Vec::new(),
            peer: None,
        });
        other.details.startup = true;
        other.details.skipped = 2;
        assert_eq!(what(&other), "192.0.2.3/24, at start, 2 skipped");
        other.interface = Some("e\u{1b}[2J".to_owned());
        assert!(line(&other).contains(" e\\u{1b}[2J "), "{}", line(&other));
    }

    #[test]
    fn a_signal_has_its_name() {
        let mut killed = run("/x/30-slow", 0);
        (killed.result, killed.exit_code, killed.signal) = ("failure".to_owned(), None, Some(9));
        let mut done = event(1, "done");
        done.scripts = vec![killed];
        assert_eq!(ran(&done), [("30-slow SIGKILL 12 ms".to_owned(), false)]);
    }
}
