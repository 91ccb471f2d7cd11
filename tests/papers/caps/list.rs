//! Every cap: what is bounded, the constant and its file, and what becomes of one more.

/// What a number counts.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Things,
    Bytes,
    Kibibytes,
}

/// What is bounded, in what, the constant and its file, and what becomes of one more.
pub(super) type Cap = (&'static str, Of, &'static str, &'static str, &'static str);

pub(super) const CAPS: [Cap; 33] = {
    use Of::{Bytes, Kibibytes, Things};
    [
        (
            "events of one link that wait and cannot stand for each other",
            Things,
            "EDGES_PER_LINK",
            "netevd-worker/src/dispatch/queue.rs",
            "is lost to scripts: an error in the log once a minute, `lost` in the API's event",
        ),
        (
            "events that wait in all, for an event that nothing can stand for",
            Things,
            "EDGES_MAX",
            "netevd-worker/src/dispatch/queue.rs",
            "the same",
        ),
        (
            "events that wait in all, for states and values",
            Things,
            "EVENTS_MAX",
            "netevd-worker/src/dispatch/queue.rs",
            "the same",
        ),
        (
            "changes of routes in one run",
            Things,
            "CHANGES_MAX",
            "netevd-worker/src/dispatch/batch.rs",
            "pushes the oldest out; counted in `SKIPPED`, and the document says that it is cut off",
        ),
        (
            "routes of its link that a script is told",
            Things,
            "ROUTES_SHOWN",
            "netevd-worker/src/state/mod.rs",
            "left out",
        ),
        (
            "lines of a script's output in the log",
            Things,
            "LINES_MAX",
            "netevd-worker/src/dispatch/output.rs",
            "left out, which one line says",
        ),
        (
            "scripts that the runner of `scripts.user` has at a time",
            Things,
            "JOBS_MAX",
            "netevd-worker/src/runner/mod.rs",
            "does not start, which is a failure in the log",
        ),
        (
            "events that are remembered",
            Things,
            "EVENTS",
            "netevd-worker/src/journal/mod.rs",
            "pushes the oldest out",
        ),
        (
            "runs that a remembered event lists",
            Things,
            "RUNS",
            "netevd-worker/src/journal/record.rs",
            "left out there, counted in the metrics",
        ),
        (
            "scripts whose last run is remembered",
            Things,
            "SCRIPTS",
            "netevd-worker/src/journal/scripts.rs",
            "nothing is remembered of it",
        ),
        (
            "links that are remembered after their end",
            Things,
            "GONE_MAX",
            "netevd-worker/src/state/mod.rs",
            "pushes the oldest out",
        ),
        (
            "links of which a manager speaks before the kernel does",
            Things,
            "STRANGERS_MAX",
            "netevd-worker/src/state/reports.rs",
            "is ignored until its next report",
        ),
        (
            "reports of a backend that wait",
            Things,
            "REPORTS",
            "netevd-worker/src/backend/mod.rs",
            "the backend waits",
        ),
        (
            "links of networkd",
            Things,
            "MOST",
            "netevd-worker/src/backend/networkd/book.rs",
            "has the kernel's view alone",
        ),
        (
            "devices of NetworkManager",
            Things,
            "DEVICES",
            "netevd-worker/src/backend/networkmanager/mod.rs",
            "has the kernel's view alone, which the log says",
        ),
        (
            "demands to a service on the bus that wait",
            Things,
            "DEMANDS",
            "netevd-worker/src/services/mod.rs",
            "is dropped, which the log says",
        ),
        (
            "values of a label in the metrics",
            Things,
            "MOST",
            "netevd-worker/src/metrics/bounded.rs",
            "is counted as `other`",
        ),
        (
            "records of the audit log that wait for the disk",
            Things,
            "QUEUE",
            "netevd-worker/src/audit/mod.rs",
            "is lost, and counted",
        ),
        (
            "the saved state, on reading",
            Bytes,
            "LARGEST",
            "netevd-worker/src/worker/memory.rs",
            "all events are told anew after a restart",
        ),
        (
            "messages of the kernel that wait: what is asked for, of which the kernel grants twice",
            Bytes,
            "RECEIVE_BUFFER",
            "netevd-worker/src/kernel/multicast.rs",
            "an overrun: one warning, a whole dump, and the difference is told",
        ),
        ("the same by the launcher", Bytes, "RECEIVE_BUFFER", "src/children.rs", "the same"),
        ("connections of the API", Things, "ALL", "netevd-worker/src/api/server/seats.rs", "503"),
        ("connections of one user or host", Things, "SHARE", "netevd-worker/src/api/server/seats.rs", "503"),
        (
            "connections that are kept for root",
            Things,
            "FOR_ROOT",
            "netevd-worker/src/api/server/seats.rs",
            "-",
        ),
        (
            "long answers on their way to one user or host",
            Kibibytes,
            "KIB",
            "netevd-worker/src/api/server/seats.rs",
            "waits 10 s, then 503",
        ),
        (
            "questions of connections to the loop that wait",
            Things,
            "QUESTIONS",
            "netevd-worker/src/api/ask.rs",
            "the connection waits",
        ),
        (
            "messages that a reader of the stream may be behind",
            Things,
            "STREAM_BEHIND",
            "netevd-worker/src/api/ask.rs",
            "the reader is told from the ring, each event once and as it is by then",
        ),
        (
            "routes in an answer, without `limit`",
            Things,
            "LIMIT",
            "netevd-worker/src/api/server/tables.rs",
            "`has_more`",
        ),
        ("the configuration's text", Bytes, "TEXT_MAX", "netevd-worker/src/config/yaml.rs", "is refused"),
        (
            "filters",
            Things,
            "FILTERS_MAX",
            "netevd-worker/src/config/filters.rs",
            "is refused with the configuration",
        ),
        ("the helper's policy", Bytes, "TEXT_MAX", "protocol/src/policy.rs", "the helper does not start"),
        ("a frame between worker and helper", Bytes, "MAX_FRAME", "protocol/src/codec.rs", "ends the helper"),
        (
            "the helper's answers from the kernel",
            Bytes,
            "RECEIVE_BUFFER",
            "netevd-priv/src/netlink.rs",
            "the question is repeated, and then the request fails",
        ),
    ]
};
