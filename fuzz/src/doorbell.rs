//! In the place of the doorbell: the model says when it rings, and how time goes by.

use crate::channel::Channel;
use crate::model;
use nix::errno::Errno;
use std::time::Duration;

pub(crate) struct Doorbell;

impl Doorbell {
    pub(crate) fn wait(
        &self,
        _: &Channel,
        listen: bool,
        time: Option<Duration>,
    ) -> Result<(bool, bool), Errno> {
        Ok(model::wait(listen, time))
    }

    pub(crate) fn silence(&self) {
        model::silence();
    }
}
