//! Every event that the daemon counts ran, was in a batch, or is counted into the run that stood for it.
//! The scripts' own records say so, and the daemon's counters agree with them.

use crate::support::{Host, Record};
use std::collections::BTreeMap;

/// Where a link is on its way: the newest stands for those that it overtakes in the queue.
pub(super) const STATES: [&str; 5] = ["no-carrier", "carrier", "degraded", "configured", "routable"];

/// The counters of a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counted {
    /// `netevd_events_total` by type, over all interfaces.
    pub(super) events: BTreeMap<String, u64>,
    /// `netevd_events_coalesced_total`
    pub(super) coalesced: u64,
    /// `netevd_netlink_overruns_total`
    pub(super) overruns: u64,
    /// `netevd_netlink_messages_total` of RTM_NEWROUTE and RTM_DELROUTE.
    pub(super) route_messages: u64,
    /// `events_processed` of the API's status.
    pub(super) processed: u64,
    /// `scripts_executed` of the API's status.
    pub(super) executed: u64,
}

impl Counted {
    pub(super) fn now(host: &Host) -> Self {
        let status = host.api("/api/v1/status");
        let number = |member: &str| status[member].as_u64().expect("a number");
        let mut counted = Counted {
            processed: number("events_processed"),
            executed: number("scripts_executed"),
            ..Counted::default()
        };
        for line in host.get("/metrics").text().lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            // Counters are whole numbers; gauges and sums of seconds are not for here.
            let Ok(value) = value.trim_end_matches(".0").parse::<u64>() else { continue };
            if let Some(labels) = series.strip_prefix("netevd_events_total{") {
                let kind = labels.split("type=\"").nth(1).and_then(|rest| rest.split('"').next());
                *counted.events.entry(kind.expect("a type").to_owned()).or_default() += value;
            }
            match series {
                "netevd_events_coalesced_total" => counted.coalesced = value,
                "netevd_netlink_overruns_total" => counted.overruns = value,
                _ if series.starts_with("netevd_netlink_messages_total{") && series.contains("ROUTE\"") => {
                    counted.route_messages += value;
                }
                _ => {}
            }
        }
        counted
    }

    /// What was counted since `before`.
    pub(super) fn since(&self, before: &Counted) -> Counted {
        let events = self
            .events
            .iter()
            .map(|(kind, count)| (kind.clone(), count - before.events.get(kind).copied().unwrap_or(0)));
        Counted {
            events: events.filter(|(_, count)| *count > 0).collect(),
            coalesced: self.coalesced - before.coalesced,
            overruns: self.overruns - before.overruns,
            route_messages: self.route_messages - before.route_messages,
            processed: self.processed - before.processed,
            executed: self.executed - before.executed,
        }
    }

    pub(super) fn of(&self, kind: &str) -> u64 {
        self.events.get(kind).copied().unwrap_or(0)
    }
}

/// What the runs of one event's script stand for: for routes each change in the documents, else each
/// run; and what they say that they skipped.
pub(super) fn told(records: &[Record], event: &str) -> (u64, u64) {
    let of = records.iter().filter(|record| record.env("EVENT") == event);
    of.fold((0, 0), |(told, skipped), record| {
        let document = record.document();
        assert_eq!(document["skipped"].to_string(), record.env("SKIPPED"), "{document}");
        let here = if event == "routes" { document["routes"].as_array().map_or(0, Vec::len) } else { 1 };
        (told + here as u64, skipped + record.env("SKIPPED").parse::<u64>().expect("a number"))
    })
}

/// That each event of these kinds, each of which has one recording script, is accounted for since
/// `before`, when there were `earlier` records; nothing else may have run.
pub(super) fn all_accounted(host: &Host, before: &Counted, earlier: usize, kinds: &[&str]) -> Counted {
    let now = Counted::now(host).since(before);
    let records = &host.records()[earlier..];
    let (mut skipped_in_all, mut states, mut states_heard) = (0, 0, 0);
    for kind in kinds {
        let (told, skipped) = told(records, kind);
        skipped_in_all += skipped;
        if STATES.contains(kind) {
            // One state stands for others.
            states += told + skipped;
            states_heard += now.of(kind);
        } else {
            assert_eq!(told + skipped, now.of(kind), "{kind}: {told} told, {skipped} skipped: {now:?}");
        }
    }
    assert_eq!(states, states_heard, "states, told and skipped: {now:?}");
    // Events without a script coalesce as well while their link's script runs.
    assert!(now.coalesced >= skipped_in_all, "{skipped_in_all} skipped: {now:?}");
    if now.events.keys().all(|kind| kinds.contains(&kind.as_str())) {
        assert_eq!(now.coalesced, skipped_in_all, "{now:?}");
    }
    assert_eq!(now.events.values().sum::<u64>(), now.processed, "{now:?}");
    assert_eq!(records.len() as u64, now.executed, "each run has a record: {now:?}");
    let log = host.log();
    assert!(!log.contains("events are lost to scripts"), "{log}");
    now
}
