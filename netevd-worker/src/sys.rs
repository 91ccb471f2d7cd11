//! The worker's only unsafe code.
#![allow(unsafe_code)]

use netlink_sys::Socket;
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use tokio::io::unix::AsyncFd;

/// A netlink socket from a descriptor that is one.
pub(crate) fn netlink_socket(descriptor: OwnedFd) -> Socket {
    // SAFETY: the descriptor is open and owned, and ownership passes to the socket.
    unsafe { Socket::from_raw_fd(descriptor.into_raw_fd()) }
}

/// Takes ownership of a descriptor that the launcher or systemd left open at this number.
pub fn inherited(number: RawFd) -> OwnedFd {
    // SAFETY: called once for each number, by main, before anything else opens descriptors.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Registers a netlink socket with the runtime's reactor.
pub(crate) fn watch_socket(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor and answers with the same one until it is dropped.
    Ok(unsafe { AsyncFd::register(socket) }?)
}

/// Registers an owned descriptor with the runtime's reactor.
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is one open descriptor from here to its drop.
    Ok(unsafe { AsyncFd::register(descriptor) }?)
}
