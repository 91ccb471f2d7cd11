//! The pictures of the dashboard that the documentation shows: `docs/dashboard.md` says how they are
//! made. No test of anything.

use super::PAGE;
use crate::support::{Browser, Host};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A host with two uplinks and two networks behind it.
const CONFIG: &str = "system: { backend: kernel }
monitoring: { interfaces: [\"eth*\", \"lan*\", \"office\"] }
routing: { policy_rules: [eth0, eth1] }
filters:
  - match: { interface: \"lan*\", event: mtu }
    action: ignore
api: { enabled: true }
";
/// So many changes of the load until the curves are full of shape.
const LOADS: [(u32, u32); 12] = [
    (300, 900),
    (1200, 200),
    (2600, 700),
    (5000, 300),
    (3400, 1500),
    (900, 2600),
    (1600, 400),
    (4200, 1100),
    (6200, 3000),
    (2200, 800),
    (700, 1900),
    (3800, 500),
];

#[test]
#[ignore = "writes pictures into NETEVD_PICTURES"]
fn page_picture_for_the_documentation() {
    let test = "page_picture_for_the_documentation";
    let directory = std::env::var("NETEVD_PICTURES").expect("NETEVD_PICTURES names a directory");
    let directory = Path::new(&directory);
    let Some(host) = Host::new(test) else { return };
    let Some(browser) = host.browser(test) else { return };
    host.two_uplinks();
    host.config(CONFIG);
    host.veth("eth2", 8);
    host.sh("ip link set eth2 down
         ip addr add 2001:db8:1::2/64 dev eth0 nodad
         ip -6 route add default via 2001:db8:1::1 dev eth0 metric 100
         ip link add office type bridge; ip addr add 10.20.0.1/24 dev office
         ip link add name lan0 type veth peer name lan0p netns isp; ip link set lan0 master office
         nsenter --net=/run/netns/isp ip link set lan0p up
         ip link set lan0 up; ip link set office up
         ip link add guests type bridge");
    host.peer("ip addr add 10.20.0.7/24 dev lan0p");
    for (event, name, body) in [
        ("routable", "10-firewall", "sleep 0.2"),
        ("routable", "30-dynamic-dns", "echo 'update of host.example.net refused: bad key' >&2; exit 3"),
        ("routable", "50-time", "sleep 0.05"),
        ("no-carrier", "10-tell-somebody", "sleep 0.1"),
        ("address-added", "20-announce", "sleep 1.5"),
        ("manager", "10-status-light", "exit 0"),
    ] {
        host.script(event, name, &format!("#!/bin/sh\n{body}\n"));
    }
    let _daemon = host.start_daemon();
    browser.look(1280, 900, "light");
    browser.open(PAGE);
    browser.await_text("#contact", "Live");
    for (step, (there, back)) in LOADS.into_iter().enumerate() {
        let load =
            |address: &str, size: u32| format!("ping -q -i 0.01 -w 7 -s {size} {address} >/dev/null 2>&1 &");
        host.peer(&load("192.0.2.2", there));
        host.sh(&load("198.51.100.1", back));
        host.peer(&load("10.20.0.1", (there + back) / 3));
        match step {
            4 => host.sh("ip link set eth1 down"),
            5 => host.sh("ip link set eth1 up; ip route add default via 198.51.100.1 dev eth1 metric 200"),
            7 => host.sh("ip link set lan0 mtu 1400"),
            9 => host.sh("for i in 3 4 5 6; do ip addr add 192.0.2.$i/24 dev eth0; sleep 0.4; done"),
            _ => String::new(),
        };
        std::thread::sleep(Duration::from_secs(7));
    }
    for scheme in ["light", "dark"] {
        browser.look(1280, 900, scheme);
        shoot(&browser, &directory.join(format!("dashboard-{scheme}.png")), false);
        shoot(&browser, &directory.join(format!("dashboard-{scheme}-whole.png")), true);
    }
    browser.look(360, 800, "light");
    shoot(&browser, &directory.join("dashboard-narrow-whole.png"), true);
    browser.eval("[...document.querySelectorAll('.link .row, .event .row')].filter((_, i) => i % 6 === 0).forEach(row => row.click())");
    browser.look(1280, 900, "light");
    std::thread::sleep(Duration::from_secs(1));
    shoot(&browser, &directory.join("dashboard-open-whole.png"), true);
}

/// Writes what the window shows, or the whole page.
fn shoot(browser: &Browser, file: &Path, whole: bool) {
    // Two frames: whatever was to be drawn is drawn.
    browser
        .eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => 0)");
    let picture =
        browser.call("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": whole }));
    let text = picture["data"].as_str().expect("base64").to_owned();
    let output = std::fs::File::create(file).expect("a file");
    let mut decoder =
        Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(output).spawn().expect("base64 starts");
    decoder.stdin.take().expect("piped").write_all(text.as_bytes()).expect("base64 reads");
    assert!(decoder.wait().expect("base64 ends").success());
}
