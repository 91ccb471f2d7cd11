//! What crosses between `netevd-worker` and `netevd-priv`, and nothing else.
//!
//! One frame on the `SOCK_SEQPACKET` channel is one [`Request`] or one [`Reply`], at most
//! [`MAX_FRAME`] bytes. No string, path, descriptor, priority, protocol number, metric, hop or
//! flag is expressible here: the helper derives those itself. The only table number is that of a
//! table of another program, from which defaults are copied.
//!
//! Limits: no I/O, no allocation beyond a frame, of netlink a few numbers that both sides need.

#![forbid(unsafe_code)]

mod addresses;
mod codec;
mod ids;
pub mod kernel;
mod name;
mod pattern;
mod policy;
mod prefix;
mod prefixes;
mod reply;
mod request;
mod rules;
mod session;

pub use addresses::{Addresses, is_router, is_source};
pub use codec::{CodecError, MAX_FRAME, decode_reply, decode_request, encode_reply, encode_request};
pub use ids::{BadIfindex, Ifindex, PROTOCOL, Priority, TableId};
pub use name::{BadInterfaceName, InterfaceName};
pub use pattern::{BadPattern, Pattern, PatternList};
pub use policy::{
    Fallback, GatewayCheck, GatewayName, Limits, Mark, Policy, PolicyError, Priorities, RULE_PRIORITY_MAX,
    TABLE_BASE_MAX,
};
pub use prefix::{BadPrefix, Prefix};
pub use prefixes::{Links, Prefixes, TooManyLinks};
pub use reply::{Refusal, Reply};
pub use request::{Family, NextHop, Request, Rules, Through};
pub use rules::{RuleShape, Who};
pub use session::{SessionState, Violation, permit};

/// Version of the request set; the first frame of a session must name it.
pub const VERSION: u16 = 3;
