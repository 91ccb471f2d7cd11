//! An address of a link, as the kernel tells it.

use protocol::Prefix;
use std::net::{IpAddr, Ipv4Addr};

/// One address on a link (`ifaddrmsg`, rtnetlink(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The local address.
    pub ip: IpAddr,
    /// Prefix length in bits.
    pub prefix_length: u8,
    /// `ifa_scope`: 0 global, 200 site, 253 link, 254 host.
    pub scope: u8,
    /// `IFA_FLAGS`, the 32-bit set.
    pub flags: u32,
    /// The far end of a point-to-point address, where it differs from `ip`.
    pub peer: Option<IpAddr>,
    /// IPv4 broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4 label, if it differs from the interface's name.
    pub label: Option<String>,
    /// Preferred lifetime in seconds when read; `u32::MAX` is forever.
    pub preferred_lifetime: u32,
    /// Valid lifetime in seconds when read; `u32::MAX` is forever.
    pub valid_lifetime: u32,
}

/// Flags of `IFA_FLAGS` (include/uapi/linux/if_addr.h).
pub mod address_flag {
    /// Not the primary address of its subnet; for IPv6 the same bit says temporary (RFC 8981).
    pub const SECONDARY: u32 = 0x01;
    /// No duplicate detection.
    pub const NODAD: u32 = 0x02;
    /// Optimistic duplicate detection.
    pub const OPTIMISTIC: u32 = 0x04;
    /// Duplicate detection failed.
    pub const DADFAILED: u32 = 0x08;
    /// Mobile IPv6 home address.
    pub const HOMEADDRESS: u32 = 0x10;
    /// Preferred lifetime is over.
    pub const DEPRECATED: u32 = 0x20;
    /// Duplicate detection still runs.
    pub const TENTATIVE: u32 = 0x40;
    /// Not from a router advertisement with a lifetime.
    pub const PERMANENT: u32 = 0x80;
    /// The kernel makes temporary addresses beside it.
    pub const MANAGETEMPADDR: u32 = 0x100;
    /// No prefix route was made for it.
    pub const NOPREFIXROUTE: u32 = 0x200;
    /// Joined a multicast group.
    pub const MCAUTOJOIN: u32 = 0x400;
    /// Stable privacy address (RFC 7217).
    pub const STABLE_PRIVACY: u32 = 0x800;
}

impl Address {
    /// Usable as a source: not tentative, not a failed duplicate, of global (or site) scope.
    pub fn is_usable(&self) -> bool {
        let pending = self.flags & (address_flag::TENTATIVE | address_flag::DADFAILED) != 0;
        !pending && self.is_global()
    }

    /// Of global scope and of a range that is routed at all.
    pub fn is_global(&self) -> bool {
        let routed = match self.ip {
            IpAddr::V4(a) => {
                !(a.is_loopback()
                    || a.is_link_local()
                    || a.is_multicast()
                    || a.is_unspecified()
                    || a.is_broadcast())
            }
            IpAddr::V6(a) => {
                !(a.is_loopback() || a.is_unicast_link_local() || a.is_multicast() || a.is_unspecified())
            }
        };
        // RT_SCOPE_SITE is 200: what lies below is visible beyond the link.
        routed && self.scope <= 200
    }

    /// The connected subnet, of the peer where there is one.
    pub fn subnet(&self) -> Option<Prefix> {
        Prefix::containing(self.peer.unwrap_or(self.ip), self.prefix_length).ok()
    }
}
