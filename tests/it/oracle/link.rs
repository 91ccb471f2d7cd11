//! Links and their addresses.

use super::wire::{Attributes, u32_at};
use std::net::IpAddr;

const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 8;
const IFF_POINTOPOINT: u32 = 0x10;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) index: u32,
    /// The name, then the alternative ones.
    pub(super) names: Vec<String>,
    flags: u32,
    pub(super) has_master: bool,
}

impl Link {
    pub(super) fn read(body: &[u8]) -> Link {
        let attributes = Attributes::of(&body[16..]);
        let mut names = vec![attributes.text(IFLA_IFNAME).expect("a link has a name")];
        if let Some(list) = attributes.get(IFLA_PROP_LIST) {
            let list = Attributes::of(list);
            names.extend(
                list.all().filter(|(kind, _)| *kind == IFLA_ALT_IFNAME).map(|(_, v)| super::wire::text(v)),
            );
        }
        let has_master = attributes.number(IFLA_MASTER).is_some_and(|master| master != 0);
        Link { index: u32_at(body, 4), names, flags: u32_at(body, 8), has_master }
    }

    pub(super) fn is_up(&self) -> bool {
        self.flags & IFF_UP != 0
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.flags & IFF_LOOPBACK != 0
    }

    pub(super) fn is_point_to_point(&self) -> bool {
        self.flags & IFF_POINTOPOINT != 0
    }

    /// Its table with the usual base; 253 to 255 are the kernel's own.
    pub(super) fn table(&self) -> u32 {
        let plain = 200 + self.index;
        if (253..=255).contains(&plain) { 65_536 + plain } else { plain }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) link: u32,
    pub(super) local: IpAddr,
    pub(super) length: u8,
    scope: u8,
    flags: u32,
}

impl Address {
    pub(super) fn read(body: &[u8]) -> Option<Address> {
        let attributes = Attributes::of(&body[8..]);
        // Of a peer's address the first is the peer's.
        let local = attributes.address(IFA_LOCAL).or_else(|| attributes.address(IFA_ADDRESS))?;
        let flags = attributes.number(IFA_FLAGS).unwrap_or_else(|| u32::from(body[2]));
        Some(Address { link: u32_at(body, 4), local, length: body[1], scope: body[3], flags })
    }

    /// A source for packets to elsewhere.
    pub(super) fn is_usable(&self) -> bool {
        let ordinary = match self.local {
            IpAddr::V4(ip) => {
                let first = ip.octets()[0];
                first != 0 && first < 240 && !(ip.is_loopback() || ip.is_link_local() || ip.is_multicast())
            }
            IpAddr::V6(ip) => {
                let no_source = ip.is_loopback() || ip.is_unspecified() || ip.to_ipv4_mapped().is_some();
                !(no_source || ip.is_unicast_link_local() || ip.is_multicast())
            }
        };
        self.scope == 0 && self.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) == 0 && ordinary
    }
}
