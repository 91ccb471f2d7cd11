//! A lease as scripts and services need it: two leases are equal when nothing but times differs.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// One unexpired lease of one interface and family (dhclient.leases(5)). Names are as the server
/// gave them; validation is with whoever passes them on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lease {
    /// `fixed-address`, or the first `iaaddr`.
    pub address: IpAddr,
    /// `subnet-mask` as a length; IPv6 leases have 128.
    pub prefix_length: Option<u8>,
    /// `routers`, in order.
    pub routers: Vec<IpAddr>,
    /// `rfc3442-classless-static-routes` (also under its Microsoft name): destination, length, and
    /// gateway (unspecified: on-link).
    pub routes: Vec<(IpAddr, u8, IpAddr)>,
    /// `domain-name-servers`, `dhcp6.name-servers`.
    pub dns: Vec<IpAddr>,
    /// `domain-name`, first word.
    pub domain: Option<String>,
    /// `domain-search`, `dhcp6.domain-search`; further words of `domain-name` are here too.
    pub search: Vec<String>,
    /// `host-name`, `dhcp6.fqdn`.
    pub host_name: Option<String>,
    /// `dhcp-server-identifier`.
    pub server: Option<IpAddr>,
    /// `interface-mtu`.
    pub mtu: Option<u32>,
    /// `ntp-servers`.
    pub ntp: Vec<IpAddr>,
    /// When it ends; `None` is never.
    pub expires: Option<SystemTime>,
}

/// The leases of one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkLeases {
    /// By DHCPv4.
    pub v4: Option<Arc<Lease>>,
    /// By DHCPv6.
    pub v6: Option<Arc<Lease>>,
}

impl Lease {
    /// The default gateway. Where there are classless routes, `routers` does not count (RFC 3442,
    /// page 5).
    pub fn gateway(&self) -> Option<IpAddr> {
        if self.routes.is_empty() {
            return self.routers.first().copied();
        }
        let default = self.routes.iter().find(|(_, length, _)| *length == 0);
        default.map(|(_, _, gateway)| *gateway).filter(|gateway| !gateway.is_unspecified())
    }

    /// True before its end.
    pub(crate) fn holds_at(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|end| now < end)
    }
}

impl PartialEq for Lease {
    /// All but the times: a renewal that changes nothing else is no news.
    fn eq(&self, other: &Self) -> bool {
        let Self { address, prefix_length, routers, routes, dns, domain, search, host_name, .. } = self;
        let Self { server, mtu, ntp, expires: _, .. } = self;
        *address == other.address
            && *prefix_length == other.prefix_length
            && *routers == other.routers
            && *routes == other.routes
            && *dns == other.dns
            && *domain == other.domain
            && *search == other.search
            && *host_name == other.host_name
            && *server == other.server
            && *mtu == other.mtu
            && *ntp == other.ntp
    }
}

impl Eq for Lease {}
