//! Which manager of the network is followed.

use super::EventKind;

/// `system.backend`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// `systemd-networkd`
    Networkd,
    /// `NetworkManager`
    NetworkManager,
    /// `dhclient`
    Dhclient,
    /// No manager: containers, minimal hosts.
    Kernel,
    /// The first of networkd, NetworkManager and dhclient that is there, else the kernel alone.
    Auto,
}

impl Backend {
    /// Those that can be in force: `auto` comes to be one of them.
    pub const IN_FORCE: [Backend; 4] =
        [Backend::Networkd, Backend::NetworkManager, Backend::Dhclient, Backend::Kernel];

    /// As it is written in the configuration, and as scripts see it in `BACKEND`.
    pub const fn name(self) -> &'static str {
        match self {
            Backend::Networkd => "systemd-networkd",
            Backend::NetworkManager => "NetworkManager",
            Backend::Dhclient => "dhclient",
            Backend::Kernel => "kernel",
            Backend::Auto => "auto",
        }
    }

    /// Whether events of this kind come under this backend; under `auto` whether they may.
    pub const fn tells(self, kind: EventKind) -> bool {
        match self {
            Backend::Networkd => kind.from_networkd(),
            Backend::NetworkManager => kind.from_networkmanager(),
            Backend::Dhclient => kind.from_kernel(),
            Backend::Kernel => kind.from_kernel() && !matches!(kind, EventKind::Dns | EventKind::Lease),
            Backend::Auto => true,
        }
    }
}
