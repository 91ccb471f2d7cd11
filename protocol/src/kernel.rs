//! The kernel's numbers that libc does not name and that worker and helper both need, and addresses as its
//! messages have them.

use crate::Family;
use std::net::IpAddr;

/// `struct rtmsg` and `struct fib_rule_hdr`, in bytes.
pub const RTMSG: usize = 12;
/// `struct rtnexthop`, in bytes.
pub const RTNEXTHOP: usize = 8;
/// The kernel does not use this hop: its interface is down.
pub const RTNH_F_DEAD: u8 = 1;
/// The gateway was taken on trust.
pub const RTNH_F_ONLINK: u8 = 4;
/// The nexthop object that a route is made of (linux/rtnetlink.h).
pub const RTA_NH_ID: u16 = 30;
/// `LWTUNNEL_ENCAP_BPF` (linux/lwtunnel.h): a dump names the program but does not hold it.
pub const ENCAP_BPF: u16 = 6;
/// The rule looks a table up.
pub const FR_ACT_TO_TBL: u8 = 1;
/// `not`: the rule is for what its selectors do not match.
pub const FIB_RULE_INVERT: u32 = 2;

/// Metric of our unreachable default, `fallback: unreachable`: the last of all.
pub const FALLBACK_METRIC: u32 = u32::MAX;

/// Attributes of a rule, `FRA_*` (linux/fib_rules.h).
#[expect(missing_docs, reason = "the kernel's names")]
pub mod fra {
    pub const DST: u16 = 1;
    pub const SRC: u16 = 2;
    pub const PRIORITY: u16 = 6;
    pub const FWMARK: u16 = 10;
    pub const SUPPRESS_PREFIXLEN: u16 = 14;
    pub const TABLE: u16 = 15;
    pub const FWMASK: u16 = 16;
    pub const PROTOCOL: u16 = 21;
}

/// An address of four or sixteen bytes.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// The bytes of an address.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

impl Family {
    /// `AF_INET` or `AF_INET6`.
    pub const fn number(self) -> u8 {
        match self {
            Family::V4 => 2,
            Family::V6 => 10,
        }
    }

    /// The family of this number, if it is IP.
    pub fn numbered(number: u8) -> Option<Self> {
        [Family::V4, Family::V6].into_iter().find(|family| family.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_families_are_as_the_kernel_has_them() {
        for text in ["192.0.2.1", "2001:db8::1"] {
            let one: IpAddr = text.parse().expect("an address");
            assert_eq!(address(&octets(one)), Some(one));
        }
        assert_eq!(address(&[1, 2, 3]), None);
        assert_eq!([2, 10, 28].map(Family::numbered), [Some(Family::V4), Some(Family::V6), None]);
    }
}
