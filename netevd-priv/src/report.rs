//! What the log is told about refusals: enough to see, too little to flood.
//!
//! Of each 60 s the first ten are written, the rest counted and summed up in one line when the window is
//! over; the worker has each reply and its reason. Pure: the clock is a parameter.

use protocol::{Reply, Request};
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(60);
const WRITTEN: usize = 10;

/// Counts of the current window.
#[derive(Default)]
pub(crate) struct Report {
    began: Duration,
    /// Written or not.
    lines: usize,
}

impl Report {
    /// The line for a reply at `now`, if it is worth one and the window has room.
    pub(crate) fn reply(&mut self, now: Duration, request: &Request, reply: Reply) -> Option<String> {
        match reply {
            Reply::Refused(refusal) => self.line(now, format!("{request:?} refused: {refusal}")),
            Reply::Kernel(errno) => self.line(now, format!("{request:?} the kernel answered errno {errno}")),
            Reply::Ok | Reply::Exists | Reply::Absent | Reply::Busy => None,
        }
    }

    /// The line for how much a pass has deleted, or why there was none.
    pub(crate) fn recheck(&mut self, now: Duration, deleted: Result<usize, Reply>) -> Option<String> {
        let line = match deleted {
            Ok(0) => return None,
            Ok(n) => format!("withdrew {n} rules and routes that the kernel's state no longer supports"),
            Err(reply) => format!("cannot check its rules and routes again: {reply:?}"),
        };
        self.line(now, line)
    }

    fn line(&mut self, now: Duration, line: String) -> Option<String> {
        if self.lines == 0 {
            self.began = now;
        }
        self.lines += 1;
        Some(line).filter(|_| self.lines <= WRITTEN)
    }

    /// Closes a window that is over (or any, at the `end`), with the line that says how much was not
    /// written in it.
    pub(crate) fn close(&mut self, now: Duration, end: bool) -> Option<String> {
        if !end && now.saturating_sub(self.began) < WINDOW {
            return None;
        }
        let more = std::mem::take(&mut self.lines).saturating_sub(WRITTEN);
        (more > 0).then(|| format!("and {more} times more in the last minute"))
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
            (0..14).filter_map(|_| report.reply(at(0), &Request::SyncBegin, refused)).collect();
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[0], "SyncBegin refused: a limit of the policy is reached");
        assert_eq!(report.reply(at(1), &Request::SyncBegin, Reply::Kernel(17)), None);
        assert_eq!(report.close(at(59), false), None);
        let sum = report.close(at(60), false).expect("a sum");
        assert_eq!(sum, "and 5 times more in the last minute");
        assert_eq!(report.close(at(61), true), None);
        let line = report.reply(at(62), &Request::SyncBegin, refused);
        assert_eq!(line.as_deref(), Some("SyncBegin refused: a limit of the policy is reached"));
        let line = report.reply(at(62), &Request::SyncEnd, Reply::Kernel(22));
        assert_eq!(line.as_deref(), Some("SyncEnd the kernel answered errno 22"));
    }

    #[test]
    fn success_is_not_reported() {
        let mut report = Report::default();
        for reply in [Reply::Ok, Reply::Exists, Reply::Absent, Reply::Busy] {
            assert_eq!(report.reply(Duration::ZERO, &Request::SyncBegin, reply), None);
        }
    }
}
