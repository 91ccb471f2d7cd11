//! Names of the numbers that rtnetlink uses, as ip(8) prints them.

use crate::model::address_flag;
use std::borrow::Cow;

fn named(name: Option<&'static str>, number: u32) -> Cow<'static, str> {
    name.map_or_else(|| Cow::Owned(number.to_string()), Cow::Borrowed)
}

/// `ipv4` or `ipv6`.
pub fn family(is_ipv4: bool) -> &'static str {
    if is_ipv4 { "ipv4" } else { "ipv6" }
}

/// `rtm_protocol`, with their names: include/uapi/linux/rtnetlink.h, /etc/iproute2/rt_protos.
pub const ROUTE_PROTOCOLS: [(u8, &str); 24] = [
    (0, "unspec"),
    (1, "redirect"),
    (2, "kernel"),
    (3, "boot"),
    (4, "static"),
    (8, "gated"),
    (9, "ra"),
    (10, "mrt"),
    (11, "zebra"),
    (12, "bird"),
    (13, "dnrouted"),
    (14, "xorp"),
    (15, "ntk"),
    (16, "dhcp"),
    (18, "keepalived"),
    (42, "babel"),
    (84, "ovn"),
    (99, "openr"),
    (110, "netevd"),
    (186, "bgp"),
    (187, "isis"),
    (188, "ospf"),
    (189, "rip"),
    (192, "eigrp"),
];

/// `rtm_protocol`; without a name the number.
pub fn route_protocol(protocol: u8) -> Cow<'static, str> {
    let name = ROUTE_PROTOCOLS.iter().find(|(number, _)| *number == protocol).map(|(_, name)| *name);
    named(name, protocol.into())
}

/// `ipproto`: /etc/protocols; else the number.
pub fn ip_protocol(protocol: u8) -> Cow<'static, str> {
    let name = match protocol {
        1 => "icmp",
        2 => "igmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "ipv6-icmp",
        89 => "ospf",
        112 => "vrrp",
        132 => "sctp",
        136 => "udplite",
        _ => return named(None, protocol.into()),
    };
    Cow::Borrowed(name)
}

/// `rtm_flags`, `rtnh_flags`, in the order in which ip-route(8) prints them.
pub fn route_flags(flags: u32) -> Vec<&'static str> {
    const NAMES: [(u32, &str); 10] = [
        (0x1, "dead"),
        (0x4, "onlink"),
        (0x2, "pervasive"),
        (0x8, "offload"),
        (0x40, "trap"),
        (0x10, "linkdown"),
        (0x20, "unresolved"),
        (0x4000, "rt_offload"),
        (0x8000, "rt_trap"),
        (0x2000_0000, "rt_offload_failed"),
    ];
    NAMES.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect()
}

/// `RTAX_*`, as ip-route(8) names them; else the number.
pub fn route_metric(kind: u16) -> Cow<'static, str> {
    let name = match kind {
        2 => "mtu",
        3 => "window",
        4 => "rtt",
        5 => "rttvar",
        6 => "ssthresh",
        7 => "cwnd",
        8 => "advmss",
        9 => "reordering",
        10 => "hoplimit",
        11 => "initcwnd",
        12 => "features",
        13 => "rto_min",
        14 => "initrwnd",
        15 => "quickack",
        16 => "congctl",
        17 => "fastopen_no_cookie",
        _ => return named(None, kind.into()),
    };
    Cow::Borrowed(name)
}

/// `LWTUNNEL_ENCAP_*`; else the number.
pub fn encapsulation(kind: u16) -> Cow<'static, str> {
    let name = match kind {
        1 => "mpls",
        2 => "ip",
        3 => "ila",
        4 => "ip6",
        5 => "seg6",
        6 => "bpf",
        7 => "seg6local",
        8 => "rpl",
        9 => "ioam6",
        10 => "xfrm",
        _ => return named(None, kind.into()),
    };
    Cow::Borrowed(name)
}

/// `RTA_PREF` (RFC 4191).
pub fn route_preference(preference: u8) -> Cow<'static, str> {
    match preference {
        0 => Cow::Borrowed("medium"),
        1 => Cow::Borrowed("high"),
        3 => Cow::Borrowed("low"),
        other => named(None, other.into()),
    }
}

/// `RTA_TABLE`: the kernel's three by name, else the number.
pub fn route_table(table: u32) -> Cow<'static, str> {
    let name = match table {
        253 => Some("default"),
        254 => Some("main"),
        255 => Some("local"),
        _ => None,
    };
    named(name, table)
}

/// `rtm_type`: include/uapi/linux/rtnetlink.h; else the number.
pub fn route_type(kind: u8) -> Cow<'static, str> {
    let name = match kind {
        1 => Some("unicast"),
        2 => Some("local"),
        3 => Some("broadcast"),
        4 => Some("anycast"),
        5 => Some("multicast"),
        6 => Some("blackhole"),
        7 => Some("unreachable"),
        8 => Some("prohibit"),
        9 => Some("throw"),
        10 => Some("nat"),
        _ => None,
    };
    named(name, kind.into())
}

/// `ifa_scope`, `rtm_scope`: /etc/iproute2/rt_scopes; else the number.
pub fn scope(scope: u8) -> Cow<'static, str> {
    let name = match scope {
        0 => Some("global"),
        200 => Some("site"),
        253 => Some("link"),
        254 => Some("host"),
        255 => Some("nowhere"),
        _ => None,
    };
    named(name, scope.into())
}

/// `ifi_flags`, as in netdevice(7) without `IFF_`.
pub fn link_flags(flags: u32) -> Vec<&'static str> {
    const NAMES: [(u32, &str); 19] = [
        (0x1, "UP"),
        (0x2, "BROADCAST"),
        (0x4, "DEBUG"),
        (0x8, "LOOPBACK"),
        (0x10, "POINTOPOINT"),
        (0x20, "NOTRAILERS"),
        (0x40, "RUNNING"),
        (0x80, "NOARP"),
        (0x100, "PROMISC"),
        (0x200, "ALLMULTI"),
        (0x400, "MASTER"),
        (0x800, "SLAVE"),
        (0x1000, "MULTICAST"),
        (0x2000, "PORTSEL"),
        (0x4000, "AUTOMEDIA"),
        (0x8000, "DYNAMIC"),
        (0x1_0000, "LOWER_UP"),
        (0x2_0000, "DORMANT"),
        (0x4_0000, "ECHO"),
    ];
    NAMES.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect()
}

/// `IFA_FLAGS` as ip-address(8) prints them. Bit 0 is `secondary` for IPv4, `temporary` for IPv6.
pub fn address_flags(flags: u32, is_ipv4: bool) -> Vec<&'static str> {
    let names = [
        (address_flag::SECONDARY, if is_ipv4 { "secondary" } else { "temporary" }),
        (address_flag::NODAD, "nodad"),
        (address_flag::OPTIMISTIC, "optimistic"),
        (address_flag::DADFAILED, "dadfailed"),
        (address_flag::HOMEADDRESS, "home"),
        (address_flag::DEPRECATED, "deprecated"),
        (address_flag::TENTATIVE, "tentative"),
        (address_flag::PERMANENT, "permanent"),
        (address_flag::MANAGETEMPADDR, "mngtmpaddr"),
        (address_flag::NOPREFIXROUTE, "noprefixroute"),
        (address_flag::MCAUTOJOIN, "autojoin"),
        (address_flag::STABLE_PRIVACY, "stable-privacy"),
    ];
    names.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_have_names() {
        assert_eq!((route_protocol(4), route_protocol(250)), ("static".into(), "250".into()));
        assert_eq!((route_table(254), route_table(202)), ("main".into(), "202".into()));
        assert_eq!((scope(253), scope(7)), ("link".into(), "7".into()));
        assert_eq!((route_type(7), route_type(99)), ("unreachable".into(), "99".into()));
    }

    #[test]
    fn flags_are_listed_by_bit() {
        assert_eq!(link_flags(0x1_1043), ["UP", "BROADCAST", "RUNNING", "MULTICAST", "LOWER_UP"]);
        assert_eq!(address_flags(0x81, true), ["secondary", "permanent"]);
        assert_eq!(address_flags(0x41, false), ["temporary", "tentative"]);
    }
}
