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
    told: &mut Report,
) -> Result<(), Box<dyn Error>> {
    let mut state = SessionState::Fresh;
    let mut schedule = Schedule::new(monotonic());
    let mut buffer = [0; MAX_FRAME];
    loop {
        if schedule.due().is_some_and(|due| due <= monotonic()) {
            let line = recheck(doorbell, helper, &mut schedule, told);
            // Before the greeting it tidies up after another policy, or for `netevd flush`, which says it itself.
            line.filter(|_| state != SessionState::Fresh).iter().for_each(|line| log(line));
        }
        let time = schedule.due().map(|due| due.saturating_sub(monotonic()));
        let (frame, rung) = doorbell.wait(channel, !schedule.is_rung(), time)?;
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
        let frame = buffer.get(..length).unwrap_or_default();
        let request = decode_request(frame)?;
        let next = permit(state, &request)?;
        let reply = helper.answer(&request);
        if reply == Reply::Ok || state != SessionState::Fresh {
            state = next;
        }
        schedule.sync(state == SessionState::Syncing);
        let explanation = helper.netlink.explanation.take();
        let sum = told.close(monotonic(), false);
        let line = told.reply(monotonic(), &request, reply, explanation.as_deref());
        sum.iter().chain(&line).for_each(|line| log(line));
        if !channel.send(&encode_reply(&reply))? {
            return Ok(());
        }
    }
}

/// One pass over everything of ours in the kernel, and the line that says what it did.
fn recheck(
    doorbell: &Doorbell,
    helper: &mut Helper,
    schedule: &mut Schedule,
    told: &mut Report,
) -> Option<String> {
    let before = processor_time();
    doorbell.silence();
    schedule.begin();
    let outcome = helper.recheck();
    let now = monotonic();
    helper.netlink.explanation = None;
    let (holds, again) = match outcome {
        Ok(outcome) => (outcome.holds, outcome.again),
        // Such as a dump that others' changes interrupted each time.
        Err(_) => (true, Some(now + Duration::from_secs(1))),
    };
    schedule.end(processor_time().saturating_sub(before), now, holds, again);
    told.close(now, false).iter().for_each(|line| log(line));
    told.recheck(now, outcome)
}
