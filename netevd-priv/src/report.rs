//! What the log is told about refusals: enough to see, too little to flood.
//!
//! Of each 60 s the first ten are written, the rest counted by reason and summed up in one line
//! when the window is over. Pure: the clock is a parameter.

use crate::apply::Outcome;
use protocol::{Reply, Request};
use std::collections::BTreeMap;
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(60);
const WRITTEN: u32 = 10;

/// Counts of the current window.
#[derive(Default)]
pub(crate) struct Report {
    began: Duration,
    written: u32,
    /// How often each reason was not written.
    held: BTreeMap<String, u32>,
}

impl Report {
    /// The line for a reply at `now`, if it is worth one and the window has room.
    pub(crate) fn reply(
        &mut self,
        now: Duration,
        request: &Request,
        reply: Reply,
        explanation: Option<&str>,
    ) -> Option<String> {
        let reason = match reply {
            Reply::Refused(refusal) => format!("refused: {refusal}"),
            Reply::Kernel(errno) => format!("the kernel answered errno {errno}"),
            Reply::Ok | Reply::Exists | Reply::Absent | Reply::Busy => return None,
        };
        // A step that failed on the way, such as a table that is not there yet, explains no refusal.
        let words = explanation.filter(|_| matches!(reply, Reply::Kernel(_)));
        let words = words.map(|words| format!(" ({words})")).unwrap_or_default();
        self.line(now, &reason, || format!("{request:?} {reason}{words}"))
    }

    /// The line for what a pass has deleted, or why there was none.
    pub(crate) fn recheck(&mut self, now: Duration, outcome: Result<Outcome, Reply>) -> Option<String> {
        match outcome {
            Ok(Outcome { deleted: 0, .. }) => None,
            Ok(Outcome { deleted, .. }) => self.line(now, "rules and routes withdrawn", || {
                format!("withdrew {deleted} rules and routes of its own that the kernel's state no longer supports")
            }),
            Err(reply) => self.line(now, "no check", || format!("cannot check its rules and routes again: {reply:?}")),
        }
    }

    fn line(&mut self, now: Duration, reason: &str, line: impl Fn() -> String) -> Option<String> {
        if self.written == 0 && self.held.is_empty() {
            self.began = now;
        }
        if self.written < WRITTEN {
            self.written += 1;
            return Some(line());
        }
        *self.held.entry(reason.to_owned()).or_default() += 1;
        None
    }

    /// Closes a window that is over (or any, at the `end`), with the line that sums up what was
    /// not written in it.
    pub(crate) fn close(&mut self, now: Duration, end: bool) -> Option<String> {
        if !end && now.saturating_sub(self.began) < WINDOW {
            return None;
        }
        self.written = 0;
        let held = std::mem::take(&mut self.held);
        let sums: Vec<_> = held.iter().map(|(reason, count)| format!("{count} times {reason}")).collect();
        (!sums.is_empty()).then(|| format!("and more in the last minute: {}", sums.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Refusal;

    #[test]
    fn ten_lines_a_minute_and_a_sum() {
        let mut report = Report::default();
        let refused = Reply::Refused(Refusal::Limit);
        let at = |seconds: u64| Duration::from_secs(100 + seconds);
        let lines: Vec<_> =
            (0..14).filter_map(|_| report.reply(at(0), &Request::SyncBegin, refused, None)).collect();
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[0], "SyncBegin refused: a limit of the policy is reached");
        assert_eq!(report.reply(at(1), &Request::SyncBegin, Reply::Kernel(17), None), None);
        assert_eq!(report.close(at(59), false), None);
        let sum = report.close(at(60), false).expect("a sum");
        assert_eq!(
            sum,
            "and more in the last minute: 4 times refused: a limit of the policy is reached; \
             1 times the kernel answered errno 17"
        );
        assert_eq!(report.close(at(61), true), None);
        let line = report.reply(at(62), &Request::SyncBegin, refused, Some("FIB table does not exist"));
        assert_eq!(line.as_deref(), Some("SyncBegin refused: a limit of the policy is reached"));
        let line = report.reply(at(62), &Request::SyncEnd, Reply::Kernel(22), Some("Invalid gateway"));
        assert_eq!(line.as_deref(), Some("SyncEnd the kernel answered errno 22 (Invalid gateway)"));
    }

    #[test]
    fn success_is_not_reported() {
        let mut report = Report::default();
        for reply in [Reply::Ok, Reply::Exists, Reply::Absent, Reply::Busy] {
            assert_eq!(report.reply(Duration::ZERO, &Request::SyncBegin, reply, None), None);
        }
    }
}
