//! What scripts are given with networkd.

use super::machine;
use crate::support::wait_for;
use serde_json::Value;

#[test]
fn networkd_gives_scripts_its_states_and_values() {
    let Some(host) = machine("networkd_gives_scripts_its_states_and_values") else { return };
    for event in ["routable", "configured", "manager"] {
        host.recorder(event, "10-note", "");
    }
    let _daemon = host.start_daemon();
    let routable = host.await_run("routable", "up0");
    for (name, value) in [
        ("BACKEND", "systemd-networkd"),
        ("STATE", "routable"),
        ("STARTUP", "1"),
        ("DNS", "192.0.2.1"),
        ("DOMAINS", "up0.example"),
        ("GATEWAY", "192.0.2.1"),
        ("OperationalState", "routable"),
        ("AdministrativeState", "configured"),
        ("IFACE", "up0"),
    ] {
        assert_eq!(routable.env(name), value, "{name}");
    }
    // As existing scripts ask: jq -r .Driver, .MTU, .DNS[0], .Address[0].IP ...
    let json: Value = serde_json::from_str(routable.env("JSON")).expect("JSON is JSON");
    assert_eq!(json["Name"], "up0");
    assert_eq!(json["MTU"], 1500);
    assert_eq!(json["Driver"], "veth");
    assert_eq!(json["Type"], "ether");
    assert_eq!(json["OperationalState"], "routable");
    assert_eq!(json["SetupState"], "configured");
    assert_eq!(json["AddressState"], "routable");
    assert_eq!(json["OnlineState"], "online");
    assert_eq!(json["NetworkFile"], "/etc/systemd/network/10-up0.network");
    assert_eq!(json["DNS"][0], "192.0.2.1");
    assert_eq!(json["Domains"][0], "up0.example");
    let address = json["Address"].as_array().expect("a list").iter().find(|a| a["IP"] == "192.0.2.2");
    assert_eq!(address.expect("the address")["Mask"], 24, "{json:#}");

    let other = host.await_run("configured", "up1");
    assert_eq!(other.env("DNS"), "198.51.100.1 2001:db8:1::1");
    assert_eq!(other.env("DOMAINS"), "up1.example");
    let manager = host.await_records("the host", |r| r.iter().any(|r| r.env("EVENT") == "manager"));
    let manager = manager.iter().find(|r| r.env("EVENT") == "manager").expect("just seen");
    assert_eq!(manager.env("STATE"), "routable");
}

#[test]
fn networkd_gives_scripts_of_networkd_dispatcher_what_they_read() {
    let test = "networkd_gives_scripts_of_networkd_dispatcher_what_they_read";
    let Some(host) = machine(test) else { return };
    for event in ["routable", "initialized"] {
        host.recorder(event, "10-note", "");
    }
    let _daemon = host.start_daemon();
    let routable = host.await_run("routable", "up0");
    assert_eq!(routable.0["env"]["ESSID"], "", "set, and empty");
    let json: Value = serde_json::from_str(routable.env("json")).expect("json is JSON");
    assert_eq!((&json["Type"], &json["State"]), (&"ether".into(), &"routable (configured)".into()));
    assert_eq!(
        (&json["OperationalState"], &json["AdministrativeState"]),
        (&"routable".into(), &"configured".into())
    );
    assert_eq!((&json["Address"][0], &json["Gateway"][0]), (&"192.0.2.2".into(), &"192.0.2.1".into()));
    assert_eq!((&json["Driver"][0], &json["DNS"][0]), (&"veth".into(), &"192.0.2.1".into()));
    // As networkctl says them.
    let status = host.sh("networkctl status --no-pager up0");
    for name in ["Network File", "Hardware Address", "Search Domains"] {
        assert!(status.contains(&format!("{name}: ")), "{status}");
        assert!(json[name][0].is_string(), "{name}: {json:#}");
    }
    super::unmanaged_link(&host);
    let initialized = host.await_run("initialized", "tst0");
    // It was pending before, which networkd does not signal for each link.
    assert!(["", "pending"].contains(&initialized.env("OLD_STATE")), "{initialized:?}");
    assert_eq!(
        (initialized.env("STATE"), initialized.env("AdministrativeState")),
        ("initialized", "initialized")
    );
}

#[test]
fn networkd_new_name_servers_are_known_without_a_change_of_state() {
    let test = "networkd_new_name_servers_are_known_without_a_change_of_state";
    let Some(host) = machine(test) else { return };
    host.recorder("mtu", "10-note", "");
    let _daemon = host.start_daemon();
    host.sh("busctl call org.freedesktop.network1 /org/freedesktop/network1 \
        org.freedesktop.network1.Manager SetLinkDNS 'ia(iay)' $(cat /sys/class/net/up0/ifindex) 1 2 4 192 0 2 53");
    let file = format!("/run/systemd/netif/links/{}", host.ifindex("up0"));
    wait_for("networkd has it", || host.read(&file), || host.read(&file).contains("192.0.2.53"));
    let mut mtu = 1400;
    wait_for(
        "a script that has it as well",
        || host.log(),
        || {
            mtu -= 1;
            host.ip(&format!("link set up0 mtu {mtu}"));
            host.records().iter().any(|record| record.env("DNS") == "192.0.2.53")
        },
    );
}
