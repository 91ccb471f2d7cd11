//! Why the helper does not start, and what to do about it.

use crate::start::{CHANNEL, POLICY};
use caps::CapsHashSet;
use nix::errno::Errno;
use nix::sys::resource::Resource;
use protocol::PolicyError;
use std::fmt;
use std::io;

/// Which step of the start failed.
pub(crate) enum StartError {
    /// The first descriptor is not what it must be.
    NoChannel,
    /// The second is not there.
    NoPolicy,
    /// The policy's text cannot be read.
    PolicyRead(io::Error),
    /// It says what it may not.
    Policy(PolicyError),
    /// No netlink socket, or none as it must be.
    Netlink(io::Error),
    /// The permitted capabilities, where they are not exactly CAP_NET_ADMIN.
    Capabilities(CapsHashSet),
    /// Capabilities could not be read or dropped.
    Caps(caps::errors::CapsError),
    /// A system call, by name.
    Step(&'static str, Errno),
    /// A resource limit.
    Limit(Resource, Errno),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoChannel => write!(
                f,
                "descriptor {CHANNEL} is no connected AF_UNIX SOCK_SEQPACKET socket; \
                 this program is started by `netevd start`, not by hand"
            ),
            StartError::NoPolicy => {
                write!(f, "descriptor {POLICY} is not open; `netevd start` passes the policy there")
            }
            StartError::PolicyRead(error) => write!(f, "cannot read the policy: {error}"),
            StartError::Policy(error) => write!(f, "{error}; write it anew with `netevd policy`"),
            StartError::Netlink(error) => write!(f, "cannot open a netlink socket: {error}"),
            StartError::Capabilities(found) => {
                let mut names: Vec<String> = found.iter().map(ToString::to_string).collect();
                names.sort();
                write!(
                    f,
                    "exactly CAP_NET_ADMIN must be permitted, found: {names:?}; \
                     start it by `netevd start` as root"
                )
            }
            StartError::Caps(error) => write!(f, "cannot reduce the capabilities: {error}"),
            StartError::Step(step, errno) => write!(f, "cannot lock down, {step}: {errno}"),
            StartError::Limit(resource, errno) => write!(f, "cannot lock down, {resource:?}: {errno}"),
        }
    }
}
