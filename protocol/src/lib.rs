//! What crosses between `netevd-worker` and `netevd-priv`, and nothing else.
//!
//! One frame on the `SOCK_SEQPACKET` channel is one [`Request`] or one [`Reply`], at most
//! [`MAX_FRAME`] bytes. No string, path, descriptor, table number, priority, protocol number,
//! metric or flag is expressible here: the helper derives those itself.
//!
//! Limits: no I/O, no allocation beyond a frame, no knowledge of netlink.

#![forbid(unsafe_code)]

mod addresses;
mod codec;
mod ids;
mod name;
mod pattern;
mod policy;
mod prefix;
mod reply;
mod request;
mod session;

pub use addresses::Addresses;
pub use codec::{CodecError, MAX_FRAME, decode_reply, decode_request, encode_reply, encode_request};
pub use ids::{BadIfindex, Ifindex, PROTOCOL, Priority, TableId};
pub use name::{BadInterfaceName, InterfaceName};
pub use pattern::{BadPattern, Pattern, PatternList};
pub use policy::{
    Fallback, GatewayCheck, Limits, Policy, PolicyError, PriorityPair, RULE_PRIORITY_MAX, TABLE_BASE_MAX,
};
pub use prefix::{BadPrefix, Prefix};
pub use reply::{Refusal, Reply};
pub use request::{Family, NextHop, Request, RouteKind, Selector};
pub use session::{SessionState, Violation, permit};

/// Version of the request set; the first frame of a session must name it.
pub const VERSION: u16 = 2;
