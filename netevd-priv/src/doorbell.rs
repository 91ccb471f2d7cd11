//! The second netlink socket: that something has changed, and never what.
//!
//! Its content is not parsed, and what the kernel had to drop (ENOBUFS) rings as well.

use crate::channel::Channel;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// `RTNLGRP_*` of links (1), addresses (5, 9), routes (7, 11) and rules (8, 19) of both families, and of
/// nexthop objects (32): a group of them that changes sends no message of a route.
const GROUPS: [u32; 8] = [1, 5, 7, 8, 9, 11, 19, 32];
/// One message is enough; the kernel makes it its least, about 2 KiB.
const RECEIVE_BUFFER: usize = 1;

/// There is something of the worker's; it has rung.
type Signs = (bool, bool);

/// The socket.
pub(crate) struct Doorbell(pub(crate) Socket);

impl Doorbell {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        let groups = GROUPS.iter().fold(0, |bits, group| bits | 1 << (group - 1));
        socket.bind(&SocketAddr::new(0, groups))?;
        Ok(Self(socket))
    }

    /// Waits until the worker has sent something, or gone; until it rings, if it is listened to; or
    /// until the time is over.
    pub(crate) fn wait(&self, channel: &Channel, listen: bool, time: Option<Duration>) -> nix::Result<Signs> {
        let both = [channel.0.as_fd(), self.0.as_fd()];
        let mut both = both.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
        let count = if listen { 2 } else { 1 };
        match ppoll(&mut both[..count], time.map(TimeSpec::from_duration), None) {
            // As after SIGCONT.
            Err(Errno::EINTR) => return Ok((false, false)),
            other => other?,
        };
        let [frame, rung] = both.map(|one| one.revents().is_none_or(|events| !events.is_empty()));
        Ok((frame, rung && listen))
    }

    /// Forgets what has rung so far.
    pub(crate) fn silence(&self) {
        let mut byte = [0; 1];
        // What was dropped says so once.
        let last = |error: io::Error| error.raw_os_error() != Some(libc::ENOBUFS);
        while !self.0.recv(&mut &mut byte[..], libc::MSG_DONTWAIT).is_err_and(last) {}
    }
}
