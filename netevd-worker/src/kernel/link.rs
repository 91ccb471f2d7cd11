//! A link as one `RTM_NEWLINK` tells it. Some messages carry a part only (wireless events), so
//! what was not said is `None` and leaves the known value.

use crate::model::LinkExtra;
use netlink_packet_route::link::{LinkAttribute, LinkInfo, LinkMessage, State};
use protocol::{Ifindex, InterfaceName};
use std::fmt::Write as _;
use std::sync::Arc;

/// Bits of `ifi_flags` (netdevice(7)).
pub mod link_flag {
    /// Administratively up.
    pub const UP: u32 = 0x1;
    /// Loopback.
    pub const LOOPBACK: u32 = 0x8;
    /// Point to point.
    pub const POINTOPOINT: u32 = 0x10;
    /// No link layer addresses.
    pub const NOARP: u32 = 0x80;
    /// Carrier.
    pub const LOWER_UP: u32 = 0x1_0000;
}

/// What one message says of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// `ifi_index`
    pub ifindex: Ifindex,
    /// `IFLA_IFNAME`
    pub name: Option<InterfaceName>,
    /// `ifi_flags`
    pub flags: u32,
    /// `IFLA_MTU`, bytes
    pub mtu: Option<u32>,
    /// `IFLA_ADDRESS` as colon-separated hexadecimal; empty when the link has none.
    pub mac: Option<String>,
    /// `IFLA_INFO_KIND`
    pub kind: Option<String>,
    /// `IFLA_OPERSTATE`, in the words of ip(8).
    pub operstate: Option<&'static str>,
    /// `IFLA_MASTER`; `Some(0)` and a missing attribute both mean none.
    pub controller: u32,
    /// The rest of a full message.
    pub extra: Option<Arc<LinkExtra>>,
}

impl Link {
    /// Takes what is of use from a message; `None` when its index is impossible.
    pub fn from_message(message: LinkMessage) -> Option<Link> {
        // A full message has an MTU.
        let is_full = message.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::Mtu(_)));
        let mut link = Link {
            ifindex: Ifindex::try_from(message.header.index).ok()?,
            name: None,
            flags: message.header.flags.bits(),
            mtu: None,
            mac: None,
            kind: None,
            operstate: None,
            controller: 0,
            extra: is_full.then(|| Arc::new(LinkExtra::of(&message))),
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = InterfaceName::new(&name).ok(),
                LinkAttribute::Mtu(mtu) => link.mtu = Some(mtu),
                LinkAttribute::Address(bytes) => link.mac = Some(hexadecimal(&bytes)),
                LinkAttribute::OperState(state) => link.operstate = Some(operstate(state)),
                LinkAttribute::Controller(index) => link.controller = index,
                LinkAttribute::LinkInfo(infos) => {
                    for info in infos {
                        if let LinkInfo::Kind(kind) = info {
                            link.kind = Some(kind.to_string());
                        }
                    }
                }
                _ => {}
            }
        }
        Some(link)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        let separator = if text.is_empty() { "" } else { ":" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{byte:02x}");
    }
    text
}

fn operstate(state: State) -> &'static str {
    match state {
        State::NotPresent => "notpresent",
        State::Down => "down",
        State::LowerLayerDown => "lowerlayerdown",
        State::Testing => "testing",
        State::Dormant => "dormant",
        State::Up => "up",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_of_any_length() {
        assert_eq!(hexadecimal(&[0x02, 0, 0xff, 1, 2, 3]), "02:00:ff:01:02:03");
        assert_eq!(hexadecimal(&[]), "");
    }
}
