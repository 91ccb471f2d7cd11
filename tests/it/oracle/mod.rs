//! What netevd has to install, worked out a second time: plain code over rtnetlink's own bytes, which shares
//! nothing with the planner, the helper or a library of theirs.
//!
//! The definition is that of docs/routing.md: an uplink's table is main in which whatever leaves through another
//! uplink leaves through the link's gateway.
#![allow(dead_code, unused_imports, reason = "each of the binaries that include this uses a part of it")]

mod grant;
mod kernel;
mod link;
mod picture;
mod plan;
mod policy;
mod prefix;
mod route;
mod rule;
mod source;
mod wire;

pub(crate) use kernel::Kernel;
pub(crate) use picture::Picture;
pub(crate) use policy::Policy;
