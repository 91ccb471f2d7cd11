//! Why the worker ends without having been asked.

use super::activation::ActivationError;
use super::helper_listener::HelperListenerError;
use super::lock::LockError;
use crate::kernel::DumpError;
use crate::routing::HelperError;
use std::fmt;
use std::io;

/// What cannot be helped from within.
#[derive(Debug)]
pub(super) enum Fatal {
    /// An option names a descriptor that is not open.
    Descriptor(&'static str, io::Error),
    /// systemd's sockets.
    Activation(ActivationError),
    /// The pipe to the launcher.
    ReloadPipe(io::Error),
    /// The socket where the helper connects.
    HelperListener(HelperListenerError),
    /// The runtime directory is in use.
    Lock(LockError),
    /// The multicast socket.
    Multicast(io::Error),
    /// No dump at the start.
    Dump(DumpError),
    /// The helper.
    Helper(HelperError),
    /// The timer.
    Alarm(io::Error),
    /// Signals.
    Signals(io::Error),
    /// A task that must not end did.
    Task(&'static str),
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fatal::Descriptor(option, error) => {
                write!(f, "{option}: {error}; the worker is started by `netevd start`, which opens it")
            }
            Fatal::Activation(error) => error.fmt(f),
            Fatal::ReloadPipe(error) => write!(f, "the pipe to the launcher: {error}"),
            Fatal::HelperListener(error) => error.fmt(f),
            Fatal::Lock(error) => error.fmt(f),
            Fatal::Multicast(error) => write!(f, "the netlink multicast socket failed: {error}"),
            Fatal::Dump(error) => write!(f, "the kernel's state cannot be read: {error}"),
            Fatal::Helper(error) => write!(f, "{error}; its state in the kernel stays"),
            Fatal::Alarm(error) => write!(f, "the loop's timer failed: {error}"),
            Fatal::Signals(error) => write!(f, "cannot listen for signals: {error}"),
            Fatal::Task(what) => write!(f, "{what} ended, which it must not"),
        }
    }
}

impl std::error::Error for Fatal {}
