//! NetworkManager's numbers and what they are called: closed tables, by the nick names of libnm
//! (nm-dbus-interface.h). A number that is not here selects nothing.

use crate::backend::StateName;
use crate::model::EventKind;

/// `NMDeviceState`. 0 is a state, but no event.
pub(super) fn device_state(number: u32) -> Option<StateName> {
    use EventKind as E;
    let (name, event) = match number {
        0 => ("unknown", None),
        10 => ("unmanaged", Some(E::Unmanaged)),
        20 => ("unavailable", Some(E::Unavailable)),
        30 => ("disconnected", Some(E::Disconnected)),
        40 => ("prepare", Some(E::Prepare)),
        50 => ("config", Some(E::Config)),
        60 => ("need-auth", Some(E::NeedAuth)),
        70 => ("ip-config", Some(E::IpConfig)),
        80 => ("ip-check", Some(E::IpCheck)),
        90 => ("secondaries", Some(E::Secondaries)),
        100 => ("activated", Some(E::Activated)),
        110 => ("deactivating", Some(E::Deactivating)),
        120 => ("failed", Some(E::Failed)),
        _ => return None,
    };
    Some(StateName { name, event })
}

/// `NMDeviceStateReason`; `unknown` for what a later version may have added.
pub(super) fn reason(number: u32) -> &'static str {
    nth(REASONS, number).unwrap_or("unknown")
}

/// `NMDeviceType`.
pub(super) fn device_type(number: u32) -> Option<&'static str> {
    nth(DEVICE_TYPES, number)
}

/// `NMConnectivityState`.
pub(super) fn connectivity(number: u32) -> Option<&'static str> {
    nth(&["unknown", "none", "portal", "limited", "full"], number)
}

/// `NMState`, of the whole host.
pub(super) fn host_state(number: u32) -> Option<&'static str> {
    Some(match number {
        0 => "unknown",
        10 => "asleep",
        20 => "disconnected",
        30 => "disconnecting",
        40 => "connecting",
        50 => "connected-local",
        60 => "connected-site",
        70 => "connected-global",
        _ => return None,
    })
}

fn nth(table: &[&'static str], number: u32) -> Option<&'static str> {
    table.get(usize::try_from(number).ok()?).copied()
}

/// In the order of their numbers, from 0; the last eleven since 1.46 and later.
const REASONS: &[&str] = &[
    "none",
    "unknown",
    "now-managed",
    "now-unmanaged",
    "config-failed",
    "ip-config-unavailable",
    "ip-config-expired",
    "no-secrets",
    "supplicant-disconnect",
    "supplicant-config-failed",
    "supplicant-failed",
    "supplicant-timeout",
    "ppp-start-failed",
    "ppp-disconnect",
    "ppp-failed",
    "dhcp-start-failed",
    "dhcp-error",
    "dhcp-failed",
    "shared-start-failed",
    "shared-failed",
    "autoip-start-failed",
    "autoip-error",
    "autoip-failed",
    "modem-busy",
    "modem-no-dial-tone",
    "modem-no-carrier",
    "modem-dial-timeout",
    "modem-dial-failed",
    "modem-init-failed",
    "gsm-apn-failed",
    "gsm-registration-not-searching",
    "gsm-registration-denied",
    "gsm-registration-timeout",
    "gsm-registration-failed",
    "gsm-pin-check-failed",
    "firmware-missing",
    "removed",
    "sleeping",
    "connection-removed",
    "user-requested",
    "carrier",
    "connection-assumed",
    "supplicant-available",
    "modem-not-found",
    "bt-failed",
    "gsm-sim-not-inserted",
    "gsm-sim-pin-required",
    "gsm-sim-puk-required",
    "gsm-sim-wrong",
    "infiniband-mode",
    "dependency-failed",
    "br2684-failed",
    "modem-manager-unavailable",
    "ssid-not-found",
    "secondary-connection-failed",
    "dcb-fcoe-failed",
    "teamd-control-failed",
    "modem-failed",
    "modem-available",
    "sim-pin-incorrect",
    "new-activation",
    "parent-changed",
    "parent-managed-changed",
    "ovsdb-failed",
    "ip-address-duplicate",
    "ip-method-unsupported",
    "sriov-configuration-failed",
    "peer-not-found",
    "device-handler-failed",
    "unmanaged-by-default",
    "unmanaged-external-down",
    "unmanaged-link-not-init",
    "unmanaged-quitting",
    "unmanaged-sleeping",
    "unmanaged-user-conf",
    "unmanaged-user-explicit",
    "unmanaged-user-settings",
    "unmanaged-user-udev",
    "networking-off",
];

/// In the order of their numbers, from 0; the last two since 1.46 and 1.52.
const DEVICE_TYPES: &[&str] = &[
    "unknown",
    "ethernet",
    "wifi",
    "unused1",
    "unused2",
    "bt",
    "olpc-mesh",
    "wimax",
    "modem",
    "infiniband",
    "bond",
    "vlan",
    "adsl",
    "bridge",
    "generic",
    "team",
    "tun",
    "ip-tunnel",
    "macvlan",
    "vxlan",
    "veth",
    "macsec",
    "dummy",
    "ppp",
    "ovs-interface",
    "ovs-port",
    "ovs-bridge",
    "wpan",
    "6lowpan",
    "wireguard",
    "wifi-p2p",
    "vrf",
    "loopback",
    "hsr",
    "ipvlan",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn states_of_devices_are_events_of_the_same_name() {
        let mut events = 0;
        for number in 0..=1000 {
            let Some(word) = device_state(number) else { continue };
            if let Some(event) = word.event {
                assert_eq!(event.name(), word.name);
                events += 1;
            }
        }
        assert_eq!(events, 12);
        assert_eq!(device_state(0).map(|word| word.event), Some(None));
        assert_eq!(device_state(100).and_then(|word| word.event), Some(EventKind::Activated));
        assert_eq!(device_state(30).and_then(|word| word.event), Some(EventKind::Disconnected));
    }

    #[test]
    fn tables_have_no_gap() {
        // Numbers of nm-dbus-interface.h, here and there.
        for (number, name) in [
            (0, "none"),
            (17, "dhcp-failed"),
            (39, "user-requested"),
            (40, "carrier"),
            (60, "new-activation"),
            (67, "peer-not-found"),
            (78, "networking-off"),
        ] {
            assert_eq!(reason(number), name);
        }
        assert_eq!(reason(79), "unknown");
        for (number, name) in
            [(1, "ethernet"), (8, "modem"), (20, "veth"), (29, "wireguard"), (32, "loopback")]
        {
            assert_eq!(device_type(number), Some(name));
        }
        assert_eq!(device_type(35), None);
        assert_eq!(connectivity(4), Some("full"));
        assert_eq!(connectivity(5), None);
        assert_eq!(host_state(70), Some("connected-global"));
        assert_eq!(host_state(71), None);
    }

    proptest! {
        #[test]
        fn every_number_is_survived(number: u32) {
            let _ = (device_state(number), reason(number), device_type(number), connectivity(number), host_state(number));
        }
    }
}
