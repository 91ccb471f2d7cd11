//! In the place of the channel: the model says what the worker sends next, and judges the answer.

use crate::model;
use protocol::MAX_FRAME;
use std::fmt;

pub(crate) struct Channel;

/// The channel of the model does not fail.
#[derive(Debug)]
pub(crate) enum ChannelError {}

impl Channel {
    pub(crate) fn receive(&self, buffer: &mut [u8; MAX_FRAME]) -> Result<usize, ChannelError> {
        let frame = model::next_frame();
        buffer[..frame.len()].copy_from_slice(&frame);
        Ok(frame.len())
    }

    pub(crate) fn send(&self, frame: &[u8]) -> Result<bool, ChannelError> {
        Ok(model::answered(frame))
    }
}

impl fmt::Display for ChannelError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for ChannelError {}
