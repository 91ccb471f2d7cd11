//! Why the helper does not start, and what to do about it.

use crate::start::{CHANNEL, POLICY};
use caps::CapsHashSet;
use protocol::PolicyError;
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;

/// Which step of the start failed.
pub(crate) enum StartError {
    /// The first descriptor is not what it must be.
    NoChannel,
    /// The second is not there.
    NoPolicy,
    /// The policy says what it may not.
    Policy(PolicyError),
    /// At the channel's path this user listens, and not root.
    Listener(String, u32),
    /// The permitted capabilities, where they are not exactly CAP_NET_ADMIN.
    Capabilities(CapsHashSet),
    /// What could not be done, and why.
    Step(String, Box<dyn Error>),
}

/// For `map_err`: what could not be done, as an infinitive.
pub(crate) fn cannot<E: Error + 'static>(step: impl Into<String>) -> impl Fn(E) -> StartError {
    let step = step.into();
    move |error| StartError::Step(step.clone(), error.into())
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
            StartError::Policy(error) => write!(f, "{error}; write it anew with `netevd policy`"),
            StartError::Listener(path, uid) => {
                write!(f, "uid {uid} listens at {path}, not root: systemctl restart netevd.socket")
            }
            StartError::Capabilities(found) => {
                let names: BTreeSet<String> = found.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "exactly CAP_NET_ADMIN must be permitted, found: {names:?}; \
                     start it by `netevd start` as root"
                )
            }
            StartError::Step(step, error) => write!(f, "cannot {step}: {error}"),
        }
    }
}
