//! What a manager knows of a link.

use super::LinkLeases;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a manager knows of a link beyond its state. Strings are as the manager gave them;
/// validation is with whoever passes them on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagerFacts {
    /// Name servers, in order.
    pub dns: Vec<IpAddr>,
    /// Search domains, in order, without routing-only ones.
    pub domains: Vec<String>,
    /// Time servers: addresses or names.
    pub ntp: Vec<String>,
    /// The IPv4 gateway that the manager has for this link.
    pub gateway: Option<Ipv4Addr>,
    /// The IPv6 gateway.
    pub gateway6: Option<Ipv6Addr>,
    /// The leases that its own client has.
    pub leases: LinkLeases,
    /// NetworkManager: ethernet, wifi, bridge …
    pub device_type: Option<&'static str>,
    /// NetworkManager: the active connection's `Id`.
    pub connection_id: Option<String>,
    /// NetworkManager: the active connection's `Uuid`.
    pub connection_uuid: Option<String>,
    /// networkd: words and names for `JSON`, by the key that scripts know: `AddressState`,
    /// `CarrierState`, `IPv4AddressState`, `IPv6AddressState`, `OnlineState`, `Driver`, `Model`,
    /// `Vendor`, `ProductID`, `Path`, `Type`, `NetworkFile`, `LinkFile`; for `ESSID` alone `SSID`.
    pub details: BTreeMap<&'static str, String>,
}
