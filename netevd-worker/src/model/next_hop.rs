//! How a link reaches everything else.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// How a link reaches everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefaultNextHop {
    /// By this gateway.
    Via(IpAddr),
    /// Straight out: a default route without a gateway.
    OnLink,
}

impl DefaultNextHop {
    /// The gateway's address; none straight out.
    pub fn gateway(self) -> Option<IpAddr> {
        match self {
            DefaultNextHop::Via(gateway) => Some(gateway),
            DefaultNextHop::OnLink => None,
        }
    }
}
