//! The loop: receive, decode, permit, answer, reply. Until the worker goes away or breaks a rule.

use crate::apply::Helper;
use crate::channel::Channel;
use crate::report::Report;
use crate::start::log;
use crate::sys::monotonic;
use protocol::{MAX_FRAME, Reply, SessionState, decode_request, encode_reply, permit};
use std::error::Error;

/// Serves until the other side is gone. What stands in the kernel stays: routing must not flap
/// because a daemon restarts. The same on an error: the channel failed, or carried what is no
/// request or is not permitted; then it does not serve on.
///
/// What `told` still holds back is the caller's to write.
pub(crate) fn serve(channel: &Channel, helper: &mut Helper, told: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut state = SessionState::Fresh;
    let mut buffer = [0; MAX_FRAME];
    loop {
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
        let sum = told.close(monotonic(), false);
        let explanation = helper.kernel.netlink.explanation.take();
        let line = told.reply(monotonic(), &request, reply, explanation.as_deref());
        for line in sum.iter().chain(&line) {
            log(line);
        }
        if !channel.send(&encode_reply(&reply))? {
            return Ok(());
        }
    }
}
