//! The loop: receive, decode, permit, answer, reply, and check again in between. Until the worker goes
//! away or breaks a rule.

use crate::apply::Helper;
use crate::channel::Channel;
use crate::doorbell::Doorbell;
use crate::report::Report;
use crate::schedule::Schedule;
use crate::start::log;
use crate::sys::{monotonic, processor_time};
use protocol::{MAX_FRAME, Reply, SessionState, decode_request, encode_reply, permit};
use std::error::Error;
use std::time::Duration;

/// Serves until the other side is gone. What stands in the kernel stays: routing must not flap
/// because a daemon restarts. The same on an error: the channel failed, or carried what is no
/// request or is not permitted; then it does not serve on.
///
/// What `told` still holds back is the caller's to write.
pub(crate) fn serve(
    channel: &Channel,
    doorbell: &Doorbell,
    helper: &mut Helper,
    report: &mut Report,
) -> Result<(), Box<dyn Error>> {
    let mut state = SessionState::Fresh;
    let mut schedule = Schedule::new(monotonic());
    let mut buffer = [0; MAX_FRAME];
    loop {
        let due = schedule.due(state == SessionState::Syncing);
        if due.is_some_and(|due| due <= monotonic()) {
            let before = processor_time();
            doorbell.silence();
            let outcome = helper.recheck(None);
            let now = monotonic();
            // Without an outcome soon, such as after a dump that others' changes interrupted each time.
            let next = outcome.map_or(Some(now + Duration::from_secs(1)), |(_, next)| next);
            schedule.passed(processor_time().saturating_sub(before), now, next);
            let line = report.recheck(now, outcome.map(|(deleted, _)| deleted));
            // Before the greeting it tidies up after another policy, or for `netevd flush`, which says it itself.
            line.filter(|_| state != SessionState::Fresh).iter().for_each(|line| log(line));
            continue;
        }
        let time = due.map(|due| due.saturating_sub(monotonic()));
        let (frame, rung) = doorbell.wait(channel, schedule.rung.is_none(), time)?;
        report.close(monotonic(), false).iter().for_each(|sum| log(sum));
        if rung {
            schedule.ring(monotonic());
        }
        if !frame {
            continue;
        }
        let length = channel.receive(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let request = decode_request(buffer.get(..length).unwrap_or_default())?;
        let next = permit(state, &request)?;
        let reply = helper.apply(&request).unwrap_or_else(|reply| reply);
        if reply == Reply::Ok || state != SessionState::Fresh {
            state = next;
        }
        report.reply(monotonic(), &request, reply).iter().for_each(|line| log(line));
        if !channel.send(&encode_reply(&reply))? {
            return Ok(());
        }
    }
}
