//! What is known of a link or of the host at one moment: values for scripts, pure data.

use crate::model::Address;
use crate::model::{LinkExtra, LinkId, LinkLeases, ManagerFacts, Route};
use protocol::{Ifindex, InterfaceName};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Whom a link's programs ask for names and for the time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// Name servers, in order.
    pub dns: Vec<IpAddr>,
    /// Search domains, in order.
    pub domains: Vec<String>,
    /// Time servers: addresses or names.
    pub ntp: Vec<String>,
}

/// A link at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    /// `LINKINDEX`.
    pub ifindex: Ifindex,
    /// `LINK`.
    pub name: InterfaceName,
    /// `IFLA_INFO_KIND` (veth, bridge, wireguard), `None` for plain hardware.
    pub kind: Option<String>,
    /// How far packets get (`routable`): networkd's OperationalState where it is there, else the
    /// worker's own name for it.
    pub state: &'static str,
    /// How far setting up got, in the manager's words; `None` without one.
    pub administrative: Option<&'static str>,
    /// The kernel's operational state (RFC 2863: up, down, dormant, lowerlayerdown, unknown …).
    pub operstate: &'static str,
    /// `ifi_flags`, netdevice(7).
    pub flags: u32,
    /// MTU in bytes.
    pub mtu: u32,
    /// Hardware address, `aa:bb:cc:dd:ee:ff`; empty links have none.
    pub mac: Option<String>,
    /// Usable and unusable addresses, ordered as a source address for this link would be chosen.
    pub addresses: Vec<Address>,
    /// The lowest-metric IPv4 default through this link in a table that is not ours.
    pub gateway: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub gateway6: Option<Ipv6Addr>,
    /// Name servers, from a manager or lease; the kernel knows none.
    pub dns: Vec<IpAddr>,
    /// Search domains, from a manager or lease; the kernel knows none.
    pub domains: Vec<String>,
    /// What else the manager knows.
    pub manager: Option<Arc<ManagerFacts>>,
    /// dhclient's leases.
    pub leases: LinkLeases,
    /// `IFLA_MASTER`, 0 for none.
    pub controller: u32,
    /// What else the kernel said.
    pub extra: Option<Arc<LinkExtra>>,
    /// The routes through this link that the worker remembers: defaults of every foreign table and
    /// main's unicast routes; filled in for a document that shows them.
    pub routes: Vec<Route>,
}

impl LinkFacts {
    /// Time servers, of the manager or the lease.
    pub fn ntp(&self) -> Vec<String> {
        match &self.manager {
            Some(manager) => manager.ntp.clone(),
            None => self.leases.ntp(),
        }
    }
}

/// Where the dispatcher asks for a link's values when a script is about to start.
pub trait Facts {
    /// The link's values now; `None` for [`LinkId::HOST`] and for links that are gone.
    fn link(&self, id: LinkId) -> Option<Arc<LinkFacts>>;

    /// The link's name alone.
    fn name(&self, id: LinkId) -> Option<InterfaceName> {
        self.link(id).map(|link| link.name.clone())
    }
}
