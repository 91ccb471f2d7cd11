//! The loop: receive, decode, permit, answer, reply. Until the worker goes away or breaks a rule.

use crate::apply::Helper;
use crate::channel::{Channel, ChannelError};
use crate::report::Report;
use crate::start::log;
use protocol::{CodecError, MAX_FRAME, Reply, SessionState, Violation, decode_request, encode_reply, permit};
use std::fmt;
use std::time::Instant;

/// Why the helper ends at once, with the kernel left as it is.
#[derive(Debug)]
pub(crate) enum SessionError {
    /// The channel failed, or carried what it must not.
    Channel(ChannelError),
    /// A frame that is no request.
    Codec(CodecError),
    /// A request out of its state.
    Violation(Violation),
}

/// Serves until the other side is gone. What stands in the kernel stays: routing must not flap
/// because a daemon restarts.
pub(crate) fn serve(channel: &Channel, helper: &mut Helper) -> Result<(), SessionError> {
    let mut report = Report::default();
    let served = serve_until_end(channel, helper, &mut report);
    if let Some(sum) = report.close(std::time::Duration::ZERO, true) {
        log(&sum);
    }
    served
}

fn serve_until_end(channel: &Channel, helper: &mut Helper, report: &mut Report) -> Result<(), SessionError> {
    let started = Instant::now();
    let mut state = SessionState::Fresh;
    let mut buffer = [0; MAX_FRAME];
    loop {
        let length = channel.receive(&mut buffer).map_err(SessionError::Channel)?;
        if length == 0 {
            return Ok(());
        }
        let frame = buffer.get(..length).unwrap_or_default();
        let request = decode_request(frame).map_err(SessionError::Codec)?;
        let next = permit(state, &request).map_err(SessionError::Violation)?;
        let reply = helper.answer(&request);
        let greeted = reply == Reply::Ok || state != SessionState::Fresh;
        if greeted {
            state = next;
        }
        let sum = report.close(started.elapsed(), false);
        let explanation = helper.explanation();
        let line = report.reply(started.elapsed(), &request, reply, explanation.as_deref());
        for line in sum.iter().chain(&line) {
            log(line);
        }
        if !channel.send(&encode_reply(&reply)).map_err(SessionError::Channel)? {
            return Ok(());
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Channel(ChannelError::Socket(errno)) => write!(f, "the channel failed: {errno}"),
            SessionError::Channel(error) => write!(f, "violation: {error}; ending, the kernel is unchanged"),
            SessionError::Codec(error) => write!(f, "violation: {error}; ending, the kernel is unchanged"),
            SessionError::Violation(error) => {
                write!(f, "violation: {error}; ending, the kernel is unchanged")
            }
        }
    }
}
