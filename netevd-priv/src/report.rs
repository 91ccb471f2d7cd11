//! What the log is told about refusals: enough to see, too little to flood.
//!
//! Of each 60 s the first ten are written, the rest counted by reason and summed up in one line
//! when the window is over. Pure: the clock is a parameter.

use protocol::{Refusal, Reply, Request};
use std::fmt::Write as _;
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(60);
const WRITTEN: u32 = 10;

/// Counts of the current window.
#[derive(Debug, Default)]
pub(crate) struct Report {
    began: Duration,
    written: u32,
    /// Not written, by reason; errors of the kernel stand under `None`.
    held: Vec<(Option<Refusal>, u32)>,
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
        let (reason, text) = match reply {
            Reply::Refused(refusal) => (Some(refusal), format!("refused: {refusal}")),
            Reply::Kernel(errno) => (None, format!("the kernel answered errno {errno}")),
            Reply::Ok | Reply::Exists | Reply::Absent | Reply::Busy => return None,
        };
        if self.written == 0 && self.held.is_empty() {
            self.began = now;
        }
        if self.written < WRITTEN {
            self.written += 1;
            let words = explanation.map(|words| format!(" ({words})")).unwrap_or_default();
            return Some(format!("{} {text}{words}", describe(request)));
        }
        match self.held.iter_mut().find(|(held, _)| *held == reason) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.held.push((reason, 1)),
        }
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
        let mut line = String::from("and more in the last minute:");
        for (reason, count) in &held {
            let _ = match reason {
                Some(refusal) => write!(line, " {count} times {refusal};"),
                None => write!(line, " {count} errors of the kernel;"),
            };
        }
        (!held.is_empty()).then(|| line.trim_end_matches(';').to_owned())
    }
}

/// A request in the words of ip(8).
fn describe(request: &Request) -> String {
    let name = request.name();
    match request {
        Request::AddRule { ifindex, selector, address } | Request::DelRule { ifindex, selector, address } => {
            format!("{name} {selector} {address} ifindex {ifindex}")
        }
        Request::SetDefault { ifindex, family, next_hop } => {
            format!("{name} {family} {next_hop} ifindex {ifindex}")
        }
        Request::AddSubnet { ifindex, address } => format!("{name} of {address} ifindex {ifindex}"),
        Request::AddLocal { ifindex, destination } => format!("{name} {destination} ifindex {ifindex}"),
        Request::DelRoute { ifindex, family, route } => {
            format!("{name} {family} {route:?} ifindex {ifindex}")
        }
        Request::Purge { ifindex } => format!("{name} ifindex {ifindex}"),
        Request::Hello { version } => format!("{name} version {version}"),
        Request::SyncBegin | Request::SyncEnd | Request::Ping => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_minute_and_a_sum() {
        let mut report = Report::default();
        let refused = Reply::Refused(Refusal::Limit);
        let at = |seconds: u64| Duration::from_secs(100 + seconds);
        let lines: Vec<_> =
            (0..14).filter_map(|_| report.reply(at(0), &Request::Ping, refused, None)).collect();
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[0], "Ping refused: a limit of the policy is reached");
        assert_eq!(report.reply(at(1), &Request::Ping, Reply::Kernel(17), None), None);
        assert_eq!(report.close(at(59), false), None);
        let sum = report.close(at(60), false).expect("a sum");
        assert_eq!(
            sum,
            "and more in the last minute: 4 times a limit of the policy is reached; 1 errors of the kernel"
        );
        assert_eq!(report.close(at(61), true), None);
        let line = report.reply(at(62), &Request::SyncEnd, Reply::Kernel(22), Some("Invalid gateway"));
        assert_eq!(line.as_deref(), Some("SyncEnd the kernel answered errno 22 (Invalid gateway)"));
    }

    #[test]
    fn success_is_not_reported() {
        let mut report = Report::default();
        for reply in [Reply::Ok, Reply::Exists, Reply::Absent, Reply::Busy] {
            assert_eq!(report.reply(Duration::ZERO, &Request::Ping, reply, None), None);
        }
    }
}
