//! The distribution's own network services in a [`Host`]: `managers.sh` starts them, this reaches
//! for them. Which uplinks come with which service is in the header of `managers.sh`.

use super::host::Host;
use super::wait::wait_for;
use std::fs;

const SCRIPT: &str = "/usr/local/lib/managers.sh";

/// One of the services: `networkd resolved hostnamed polkit nm dhclient`, or `dbus` and `dnsmasq`,
/// which are always there.
pub(crate) struct Manager<'h> {
    host: &'h Host,
    name: &'static str,
}

impl Host {
    /// A new machine with these services, which answer by their names on the bus. What they do to
    /// their links comes after that: [`Host::await_uplinks`]. `None` where the test is skipped: a
    /// user namespace has one user, and the services want theirs.
    pub(crate) fn with_managers(test: &str, features: &[&str]) -> Option<Host> {
        let host = Host::with_users(test)?;
        host.isp();
        host.write(SCRIPT, include_str!("managers.sh"), 0o755);
        host.managers_sh(&format!("up {}", features.join(" ")));
        Some(host)
    }

    /// The service of this name.
    pub(crate) fn manager(&self, name: &'static str) -> Manager<'_> {
        Manager { host: self, name }
    }

    /// Waits until every uplink of the machine's services has what its service gives it: an
    /// address, of each family where there are two, and the service's word that it is done.
    pub(crate) fn await_uplinks(&self) {
        let is_there = |link: &str| self.path(&format!("/sys/class/net/{link}")).exists();
        if is_there("up1") {
            let has = |family| {
                !self.ip_json(&format!("{family} addr show dev up1 scope global"))[0]["addr_info"].is_null()
            };
            wait_for("an address by router advertisement", || self.ip("addr"), || has("-6"));
            wait_for("an address by DHCP", || self.ip("addr"), || has("-4"));
            // The kernel has an address before networkd's files have what came with it; and with either of the
            // two networkd calls the link configured.
            let file = format!("/run/systemd/netif/links/{}", self.ifindex("up1"));
            wait_for(
                "both name servers of up1",
                || self.read(&file),
                || {
                    let text = self.read(&file);
                    let line = text.lines().find_map(|line| line.strip_prefix("DNS=")).unwrap_or_default();
                    ["198.51.100.1", "2001:db8:1::1"]
                        .iter()
                        .all(|server| line.split(' ').any(|word| word == *server))
                },
            );
        }
        for link in ["up0", "up1"].into_iter().filter(|link| is_there(link)) {
            self.await_networkd(link, "routable", "configured");
        }
        for link in ["nm0", "nm1"].into_iter().filter(|link| is_there(link)) {
            self.await_nm(link, "connected");
        }
        if is_there("up2") {
            let has = || self.read("/var/lib/dhcp/dhclient.up2.leases").contains("fixed-address");
            wait_for("a lease on up2", || self.ip("addr"), has);
        }
    }

    /// Waits until networkd has a link in these states.
    pub(crate) fn await_networkd(&self, link: &str, operational: &str, administrative: &str) {
        let file = format!("/run/systemd/netif/links/{}", self.ifindex(link));
        wait_for(
            &format!("networkd has {link} {operational}, {administrative}"),
            || self.read(&file),
            || {
                let text = self.read(&file);
                text.contains(&format!("OPER_STATE={operational}\n"))
                    && text.contains(&format!("ADMIN_STATE={administrative}\n"))
            },
        );
    }

    /// Waits until NetworkManager has a device in this state, in nmcli's words.
    pub(crate) fn await_nm(&self, link: &str, state: &str) {
        let states = || self.run(&["nmcli", "-t", "-f", "DEVICE,STATE", "device"]).stdout;
        let line = format!("{link}:{state}");
        wait_for(&format!("NetworkManager says {line}"), states, || states().lines().any(|l| l == line));
    }

    /// From now on dnsmasq hands out these addresses on a link, and refuses others: who renews a
    /// lease of another gets a new one.
    pub(crate) fn hand_out(&self, link: &str, first: &str, last: &str) {
        self.managers_sh(&format!("range {link} {first} {last}"));
    }

    /// From now on clients renew after `t1` seconds and look for another server after `t2`;
    /// dnsmasq ignores less than 3.
    pub(crate) fn lease_times(&self, t1: u32, t2: u32) {
        let text = format!("dhcp-option=option:T1,{t1}\ndhcp-option=option:T2,{t2}\n");
        self.write("/run/managers/dnsmasq.times", &text, 0o644);
        self.manager("dnsmasq").restart();
    }

    /// Runs a command as another user of the machine, without capabilities.
    pub(crate) fn run_as(&self, user: &str, script: &str) -> super::host::Output {
        let drop = r#"exec setpriv --reuid "$0" --regid "$(id -g "$0")" --clear-groups \
            --inh-caps=-all --bounding-set=-all sh -ec "$1""#;
        self.run(&["sh", "-ec", drop, user, script])
    }

    /// What the services said lately, each under its name; empty on a machine without them.
    pub(crate) fn manager_logs(&self) -> String {
        let Ok(logs) = fs::read_dir(self.path("/out/managers")) else { return String::new() };
        let mut names: Vec<_> = logs.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        let mut text = String::new();
        for name in names {
            let name = name.to_string_lossy();
            let log = self.read(&format!("/out/managers/{name}"));
            let lines: Vec<_> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(40)..];
            text.push_str(&format!("--- {name}\n{}\n", last.join("\n")));
        }
        text
    }

    fn managers_sh(&self, words: &str) {
        let output = self.run(&["sh", "-c", &format!("exec {SCRIPT} {words}")]);
        assert_eq!(output.status, 0, "managers.sh {words}\n{}\n{}", output.stderr, self.manager_logs());
    }
}

impl Manager<'_> {
    /// Starts it and waits for its name on the bus.
    pub(crate) fn start(&self) {
        self.host.managers_sh(&format!("start {}", self.name));
    }

    /// Ends it with SIGTERM and waits until it is gone.
    pub(crate) fn stop(&self) {
        self.host.managers_sh(&format!("stop {}", self.name));
    }

    /// Stops and starts it. After `dbus` the others run on without a bus until they are restarted.
    pub(crate) fn restart(&self) {
        self.host.managers_sh(&format!("restart {}", self.name));
    }

    /// Its process id inside the machine, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        let pid = self.host.read(&format!("/run/managers/{}.pid", self.name)).trim().parse().ok()?;
        let status = self.host.read(&format!("/proc/{pid}/status"));
        (!status.is_empty() && !status.contains("State:\tZ")).then_some(pid)
    }

    /// Sends a signal to it alone.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().unwrap_or_else(|| panic!("{} does not run", self.name));
        self.host.sh(&format!("kill -{signal} {pid}"));
    }

    /// What it said since the machine started.
    pub(crate) fn log(&self) -> String {
        self.host.read(&format!("/out/managers/{}.log", self.name))
    }
}
