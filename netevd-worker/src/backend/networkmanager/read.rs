//! What one device has, asked of NetworkManager: the device, then its connection and addresses at
//! the same time. Two round trips, a millisecond.

use super::values::{self, Config, Properties};
use super::{NAME, PATH};
use crate::backend::ManagerFacts;
use crate::backend::bus::{CallError, Calls};
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
    /// Its type and its connection; what comes from the configs is not in it.
    pub(super) facts: ManagerFacts,
}

/// The host at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Beginning {
    /// Objects of the devices.
    pub(super) devices: Vec<String>,
    /// `NMState`.
    pub(super) state: Option<u32>,
    /// `NMConnectivityState`.
    pub(super) connectivity: Option<u32>,
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
        let (devices, host) = tokio::join!(devices, self.all(PATH, NAME));
        let (devices, host) = (devices?, host?);
        let devices: Vec<zbus::OwnedObjectPath> = devices.body().deserialize().unwrap_or_default();
        Ok(Beginning {
            devices: devices.into_iter().map(|path| path.to_string()).collect(),
            state: host.number("State"),
            connectivity: host.number("Connectivity"),
        })
    }

    /// One device. A connection or an address object that went meanwhile is as if there were none.
    pub(super) async fn device(&self, path: &str) -> Result<Reading, CallError> {
        let device = values::device(&self.all(path, "org.freedesktop.NetworkManager.Device").await?);
        let [ip4, ip6] = device.configs;
        let (connection, ip4, ip6) = tokio::join!(
            self.some(device.connection.as_deref(), "org.freedesktop.NetworkManager.Connection.Active"),
            self.config(ip4, "org.freedesktop.NetworkManager.IP4Config"),
            self.config(ip6, "org.freedesktop.NetworkManager.IP6Config"),
        );
        let mut facts = ManagerFacts { device_type: device.device_type, ..ManagerFacts::default() };
        values::connection(&connection, &mut facts);
        let index = |name: &String| nix::net::if_::if_nametoindex(name.as_str()).ok();
        Ok(Reading {
            ifindex: device.names.iter().find_map(index).and_then(|index| Ifindex::try_from(index).ok()),
            state: device.state.map(|state| (state, device.reason.unwrap_or_default())),
            configs: [ip4, ip6],
            facts,
        })
    }

    async fn config(&self, path: Option<String>, interface: &str) -> Option<(String, Config)> {
        let path = path?;
        let config = Config::read(&self.some(Some(&path), interface).await);
        Some((path, config))
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
