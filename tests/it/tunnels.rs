//! Links with one other end and without carrier detection, under every backend: each reaches its states, and the
//! README's `units:` example asks for its unit. tests/vm does the same with WireGuard and a real systemd.

use crate::support::{Host, wait_for};
use serde_json::Value;
use std::process::{Child, Stdio};

const UNITS: &str = "units:\n  - { on: routable, link: \"wg*\", start: \"vpn-routes@%i.service\" }\n";

/// A tun device: point to point, no ARP, operstate `unknown`. It goes with this value.
struct Tunnel(Child);

impl Tunnel {
    fn new(host: &Host, name: &str) -> Self {
        host.sh("test -e /dev/net/tun || { mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200; }");
        let mut command = host.command(&["/opt/netevd/netevd-test-agent", "tunnel", name]);
        let child = command.stdin(Stdio::piped()).spawn().expect("nsenter (util-linux) is installed");
        let is_there = || host.path(&format!("/sys/class/net/{name}")).exists();
        wait_for("the tun device", String::new, is_there);
        Self(child)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The machine of a backend, whose managers have done their work.
fn machine(test: &str, backend: &str) -> Option<Host> {
    let features: &[&str] = match backend {
        "systemd-networkd" => &["networkd"],
        "NetworkManager" => &["nm"],
        "dhclient" => &["dhclient"],
        _ => return Host::with_users(test),
    };
    let host = Host::with_managers(test, features)?;
    host.await_uplinks();
    Some(host)
}

/// What was asked of systemd for an event of this link.
fn units(host: &Host, link: &str) -> Vec<String> {
    let text = host.sh(&format!("/opt/netevd/netevd events --interface {link} --format json"));
    let events: Value = serde_json::from_str(&text).expect("JSON");
    let events = events["events"].as_array().expect("events");
    let units = events.iter().flat_map(|event| event["units"].as_array().expect("units"));
    units
        .map(|unit| format!("{} {}", unit["verb"].as_str().unwrap(), unit["unit"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_tunnel_starts_its_unit_with_each_backend() {
    for backend in ["kernel", "systemd-networkd", "NetworkManager", "dhclient"] {
        let Some(host) = machine("a_tunnel_starts_its_unit_with_each_backend", backend) else { return };
        host.config(&format!("system: {{ backend: {backend} }}\n{UNITS}"));
        for event in ["off", "no-carrier", "carrier", "routable", "gateway", "manager"] {
            host.recorder(event, "10-note", "");
        }
        let daemon = host.start_daemon();
        // Made as wg-quick makes one: an address without a subnet, then up, then routes. No default.
        let tunnel = Tunnel::new(&host, "wg0");
        host.sh("ip addr add 10.9.0.2/32 dev wg0; ip link set wg0 up");
        let link = &host.ip_json("-d link show wg0")[0];
        assert!(link["flags"].to_string().contains("POINTOPOINT"), "{link}");
        let run = host.await_run("routable", "wg0");
        assert_eq!((run.env("BACKEND"), run.env("ADDRESSES")), (backend, "10.9.0.2/32"));
        assert_eq!(run.env("GATEWAY"), "", "it has none and needs none");
        wait_for("its unit", || daemon.log(), || units(&host, "wg0") == ["start vpn-routes@wg0.service"]);
        if backend == "kernel" {
            let offline =
                |r: &crate::support::Record| r.what() == ("manager", "") && r.env("STATE") == "offline";
            assert!(host.records().iter().any(offline), "a tunnel alone does not reach the world");
            assert!(!host.records().iter().any(|r| r.env("STATE") == "online"));
        }

        // The tunnel becomes the uplink, and is one no longer.
        host.sh("ip route add default dev wg0 metric 5");
        let gateway = host.await_run("gateway", "wg0");
        let told = ["ACTION", "FAMILY", "GATEWAY", "OLD_GATEWAY"].map(|name| gateway.env(name).to_owned());
        assert_eq!(told, ["added", "ipv4", "", ""]);
        host.sh("ip link set wg0 down");
        host.await_records("no carrier", |records| {
            records.iter().any(|r| r.env("LINK") == "wg0" && ["no-carrier", "off"].contains(&r.env("EVENT")))
        });
        host.await_records("the gateway is lost", |records| {
            records.iter().any(|r| r.what() == ("gateway", "wg0") && r.env("ACTION") == "removed")
        });
        drop(tunnel);
    }
}

#[test]
fn a_tunnel_without_its_program_has_no_carrier() {
    let Some(host) = machine("a_tunnel_without_its_program_has_no_carrier", "kernel") else { return };
    host.config("system: { backend: kernel }\n");
    for event in ["no-carrier", "routable"] {
        host.recorder(event, "10-note", "");
    }
    let _daemon = host.start_daemon();
    host.sh(
        "mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200; ip tuntap add wg0 mode tun
        ip addr add 10.9.0.2/32 dev wg0; ip link set wg0 up; ip route add 10.8.0.0/16 dev wg0",
    );
    host.await_run("no-carrier", "wg0");
    host.isp();
    host.veth("end", 90);
    host.await_run("no-carrier", "end");
    assert!(!host.records().iter().any(|r| r.what() == ("routable", "wg0")));
}
