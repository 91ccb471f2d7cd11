//! What one device has, asked of NetworkManager: the device, then its connection and addresses at
//! the same time. Two round trips, a millisecond.

use super::values::{self, Config, Properties};
use super::{NAME, PATH, dhcp};
use crate::backend::bus::{CallError, Calls};
use crate::model::{Lease, ManagerFacts};
use protocol::Ifindex;

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A device at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// Its link; some devices have none, or none now: modems, Bluetooth, Wi-Fi peers.
    pub(super) ifindex: Option<Ifindex>,
    /// Its state and the reason for it.
    pub(super) state: Option<(u32, u32)>,
    /// Its IP4Config and IP6Config, by their objects.
    pub(super) configs: [Option<(String, Config)>; 2],
    /// Its leases, by the objects of DHCP4Config and DHCP6Config.
    pub(super) dhcps: [Option<(String, Option<Lease>)>; 2],
    /// Its type and its connection; what comes from the configs is not in it.
    pub(super) facts: ManagerFacts,
}

/// What there is at the beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Beginning {
    /// Objects of the devices.
    pub(super) devices: Vec<String>,
    /// Its states.
    pub(super) host: Host,
}

/// The host's two states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    /// `NMState`.
    pub(super) state: Option<u32>,
    /// `NMConnectivityState`.
    pub(super) connectivity: Option<u32>,
    /// `Startup`: devices are still being taken over.
    pub(super) is_starting: Option<bool>,
}

/// Where questions go: always the same process.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Not the connection that signals come by.
    pub(super) calls: Calls,
    /// The unique name of the verified owner.
    pub(super) owner: String,
}

impl Source {
    /// Which devices there are, and the host's state.
    pub(super) async fn beginning(&self) -> Result<Beginning, CallError> {
        let devices = self.calls.call(&self.owner, PATH, NAME, "GetDevices", &());
        let (devices, host) = tokio::join!(devices, self.host());
        let (devices, host) = (devices?, host?);
        let devices: Vec<zbus::OwnedObjectPath> = devices.body().deserialize().unwrap_or_default();
        Ok(Beginning { devices: devices.into_iter().map(|path| path.to_string()).collect(), host })
    }

    /// The host's states, both of one moment.
    pub(super) async fn host(&self) -> Result<Host, CallError> {
        let host = self.all(PATH, NAME).await?;
        Ok(Host {
            state: host.number("State"),
            connectivity: host.number("Connectivity"),
            is_starting: host.flag("Startup"),
        })
    }

    /// One device. A connection or an address object that went meanwhile is as if there were none.
    pub(super) async fn device(&self, path: &str) -> Result<Reading, CallError> {
        let device = values::device(&self.all(path, "org.freedesktop.NetworkManager.Device").await?);
        let [ip4, ip6] = device.configs;
        let [dhcp4, dhcp6] = device.dhcps;
        let (connection, ip4, ip6, dhcp4, dhcp6) = tokio::join!(
            self.some(device.connection.as_deref(), "org.freedesktop.NetworkManager.Connection.Active"),
            self.config(ip4, "org.freedesktop.NetworkManager.IP4Config"),
            self.config(ip6, "org.freedesktop.NetworkManager.IP6Config"),
            self.lease(dhcp4, "org.freedesktop.NetworkManager.DHCP4Config"),
            self.lease(dhcp6, "org.freedesktop.NetworkManager.DHCP6Config"),
        );
        let mut facts = ManagerFacts { device_type: device.device_type, ..ManagerFacts::default() };
        values::connection(&connection, &mut facts);
        let index = |name: &String| nix::net::if_::if_nametoindex(name.as_str()).ok();
        Ok(Reading {
            ifindex: device.names.iter().find_map(index).and_then(|index| Ifindex::try_from(index).ok()),
            state: device.state.map(|state| (state, device.reason.unwrap_or_default())),
            configs: [ip4, ip6],
            dhcps: [dhcp4, dhcp6],
            facts,
        })
    }

    async fn config(&self, path: Option<String>, interface: &str) -> Option<(String, Config)> {
        let path = path?;
        let config = Config::read(&self.some(Some(&path), interface).await);
        Some((path, config))
    }

    async fn lease(&self, path: Option<String>, interface: &str) -> Option<(String, Option<Lease>)> {
        let path = path?;
        let lease = dhcp::lease(&self.some(Some(&path), interface).await).flatten();
        Some((path, lease))
    }

    async fn some(&self, path: Option<&str>, interface: &str) -> Properties {
        match path {
            Some(path) => self.all(path, interface).await.unwrap_or_default(),
            None => Properties::default(),
        }
    }

    async fn all(&self, path: &str, interface: &str) -> Result<Properties, CallError> {
        let answer = self.calls.call(&self.owner, path, PROPERTIES, "GetAll", &interface).await?;
        Ok(Properties::answered(&answer))
    }
}
