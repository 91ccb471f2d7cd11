//! A DHCP lease for scripts: `DHCP_*` variables, and the objects `lease` and `old_lease` of the
//! document, of which `DHCP_LEASE` is the same in one line.
//!
//! `DHCP_ADDRESS DHCP_GATEWAY DHCP_DNS DHCP_DOMAIN DHCP_HOSTNAME DHCP_SUBNET_MASK DHCP_NTP DHCP_LEASE`, and
//! the same with `OLD_` in front, but for the last, in the event that tells of a change or an end. They are of
//! the IPv4 lease where there is one, else of the IPv6 lease; `DHCP_DNS` and `DHCP_DOMAIN` have both.
//!
//! Names come from a server on the network: what is no name by RFC 1123 is left empty and named in
//! `NETEVD_REJECTED`.

use super::validate::{Part, Rejected, is_host_name};
use crate::model::{Lease, LinkLeases};
use crate::timestamp::rfc3339;
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr};

/// A link's leases with names checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CheckedLeases {
    leases: LinkLeases,
    bad_domain: bool,
    bad_host_name: bool,
}

#[derive(Serialize)]
pub(super) struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv4: Option<OneLease<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv6: Option<OneLease<'a>>,
}

#[derive(Serialize)]
struct OneLease<'a> {
    address: IpAddr,
    prefixlen: Option<u8>,
    routers: &'a [IpAddr],
    routes: Vec<StaticRoute>,
    dns: &'a [IpAddr],
    domain: Option<&'a str>,
    search: Vec<&'a str>,
    hostname: Option<&'a str>,
    server: Option<IpAddr>,
    mtu: Option<u32>,
    ntp: &'a [IpAddr],
    expires: Option<String>,
}

#[derive(Serialize)]
struct StaticRoute {
    destination: String,
    gateway: Option<IpAddr>,
}

impl CheckedLeases {
    /// Checks every name of both leases.
    pub(super) fn new(leases: &LinkLeases) -> Self {
        let both = || [&leases.v4, &leases.v6].into_iter().flatten();
        let bad = |name: &String| !is_host_name(name);
        Self {
            bad_domain: both().any(|lease| lease.domain.iter().chain(&lease.search).any(bad)),
            bad_host_name: both().any(|lease| lease.host_name.as_ref().is_some_and(bad)),
            leases: leases.clone(),
        }
    }

    /// Whether there is any lease.
    pub(super) fn is_empty(&self) -> bool {
        self.leases == LinkLeases::default()
    }

    /// What was left out.
    pub(super) fn rejected(&self, part: Part) -> impl Iterator<Item = Rejected> {
        let (domain, host_name) = match part {
            Part::Event => (
                Rejected { field: "at_event.lease.domain", variable: Some("DHCP_DOMAIN") },
                Rejected { field: "at_event.lease.hostname", variable: Some("DHCP_HOSTNAME") },
            ),
            Part::Present => (
                Rejected { field: "link.lease.domain", variable: None },
                Rejected { field: "link.lease.hostname", variable: None },
            ),
        };
        [(self.bad_domain, domain), (self.bad_host_name, host_name)]
            .into_iter()
            .filter_map(|(is_bad, rejected)| is_bad.then_some(rejected))
    }

    /// The one that the variables are of.
    fn main(&self) -> Option<&Lease> {
        self.leases.v4.as_deref().or(self.leases.v6.as_deref())
    }

    /// Name servers of both, each once.
    pub(super) fn dns(&self) -> Vec<IpAddr> {
        self.leases.resolver().0
    }

    /// Time servers of both, each once.
    pub(super) fn ntp(&self) -> Vec<String> {
        self.leases.ntp()
    }

    /// `domain-name`, then search domains, of both, each once; none when one is malformed.
    pub(super) fn domains(&self) -> Vec<String> {
        if self.bad_domain { Vec::new() } else { self.leases.resolver().1 }
    }

    /// `DHCP_ADDRESS`, `DHCP_GATEWAY`, `DHCP_HOSTNAME`, `DHCP_SUBNET_MASK`; empty where unknown.
    pub(super) fn scalars(&self) -> [String; 4] {
        let Some(lease) = self.main() else { return Default::default() };
        let text = |ip: Option<&IpAddr>| ip.map(ToString::to_string).unwrap_or_default();
        let host_name = lease.host_name.clone().filter(|_| !self.bad_host_name);
        let mask = match (lease.address, lease.prefix_length) {
            (IpAddr::V4(_), Some(length)) => {
                let hosts = u32::MAX.checked_shr(length.into()).unwrap_or(0);
                Ipv4Addr::from_bits(!hosts).to_string()
            }
            (IpAddr::V6(_), Some(length)) => length.to_string(),
            (_, None) => String::new(),
        };
        let gateway = text(lease.gateway().as_ref());
        [lease.address.to_string(), gateway, host_name.unwrap_or_default(), mask]
    }

    /// The object of the document.
    pub(super) fn document(&self) -> Document<'_> {
        Document {
            ipv4: self.leases.v4.as_deref().map(|lease| self.one(lease)),
            ipv6: self.leases.v6.as_deref().map(|lease| self.one(lease)),
        }
    }

    fn one<'a>(&self, lease: &'a Lease) -> OneLease<'a> {
        let route = |(destination, length, gateway): &(IpAddr, u8, IpAddr)| StaticRoute {
            destination: if *length == 0 { "default".to_owned() } else { format!("{destination}/{length}") },
            gateway: Some(*gateway).filter(|gateway| !gateway.is_unspecified()),
        };
        OneLease {
            address: lease.address,
            prefixlen: lease.prefix_length,
            routers: &lease.routers,
            routes: lease.routes.iter().map(route).collect(),
            dns: &lease.dns,
            domain: lease.domain.as_deref().filter(|_| !self.bad_domain),
            search: lease.search.iter().map(String::as_str).filter(|_| !self.bad_domain).collect(),
            hostname: lease.host_name.as_deref().filter(|_| !self.bad_host_name),
            server: lease.server,
            mtu: lease.mtu,
            ntp: &lease.ntp,
            expires: lease.expires.map(rfc3339),
        }
    }
}
