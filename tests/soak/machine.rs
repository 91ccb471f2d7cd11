//! The machine: links, scripts, configuration; and the daemon in it, which is started again whenever it
//! ends, as a service manager would.

use crate::support::{Daemon, Host, wait_for, wait_within};
use std::time::Duration;

/// A guard against hangs: a start with everything that the last one has left.
const PATIENCE: Duration = Duration::from_secs(60);
/// The audit log's disk.
const AUDIT: &str = "/var/log/netevd";
/// Events that run the script below.
const EVENTS: [&str; 12] = [
    "address-added",
    "address-removed",
    "link-added",
    "link-removed",
    "carrier",
    "no-carrier",
    "degraded",
    "configured",
    "routable",
    "gateway",
    "mtu",
    "routes",
];
/// What it does is said by files. `stubborn` needs KILL, for its child as well.
const SCRIPT: &str = "\
#!/bin/sh
[ -e /out/flag/hang ] && exec sleep 600
[ -e /out/flag/stubborn ] && { trap '' TERM; sleep 600; sleep 600; }
[ -e /out/flag/fork ] && { sleep 1 & }
[ -e /out/flag/loud ] && head -c 20000 /dev/zero | tr '\\0' x | fold -w 60
[ -e /out/flag/fail ] && exit 3
exit 0
";

/// The machine with its daemon.
pub(crate) struct Machine<'h> {
    pub(crate) host: &'h Host,
    pub(crate) managers: bool,
    daemon: Option<Daemon<'h>>,
    /// How often it was started.
    pub(crate) starts: u32,
    /// What the configuration names in `policy_rules`.
    pub(crate) managed: Vec<&'static str>,
    config: String,
}

/// A machine with the distribution's bus and networkd, where there can be one.
pub(crate) fn make() -> Option<(Host, bool)> {
    let has_networkd = std::path::Path::new("/usr/lib/systemd/systemd-networkd").exists();
    let host = Host::new("soak")?;
    if !host.has_users() || !has_networkd {
        host.isp();
        return Some((host, false));
    }
    drop(host);
    Some((Host::with_managers("soak", &["networkd"])?, true))
}

impl<'h> Machine<'h> {
    pub(crate) fn new(host: &'h Host, managers: bool) -> Self {
        if managers {
            host.await_uplinks();
            // What a host needs on which both change routing; that it is missing is another test's.
            host.write(
                "/etc/systemd/networkd.conf.d/foreign.conf",
                "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n",
                0o644,
            );
            host.manager("networkd").restart();
            host.await_uplinks();
        }
        // 200 + 53 and 200 + 54 are the kernel's own tables default and main.
        for (link, index) in [("eth0", 52), ("eth1", 53), ("eth2", 54)] {
            host.veth(link, index);
        }
        host.sh("ip link add name docker0 index 60 type bridge; ip addr add 172.17.0.1/16 dev docker0
             ip addr add 2001:db8:d::1/64 dev docker0 nodad; ip link set docker0 up
             ip link add name br9 index 61 type bridge; ip link set br9 up
             ip link add name keep index 62 type bridge; ip addr add 10.99.0.1/24 dev keep; ip link set keep up
             ip addr add 10.0.0.2/24 dev eth0; ip route add default via 10.0.0.1 dev eth0 metric 100
             ip rule add priority 50 from 10.0.1.0/24 lookup 4711
             ip -6 rule add priority 50 to 2001:db8:7::/64 lookup 4711
             ip route add unreachable default table 4711 metric 9; ip route add 10.98.0.0/16 dev keep table 4711");
        let owner = if host.has_users() { "uid=970,gid=970," } else { "" };
        host.sh(&format!(
            "mkdir -p {AUDIT} /out/flag; mount -t tmpfs -o {owner}mode=0750,size=2m none {AUDIT}"
        ));
        EVENTS.iter().for_each(|event| host.script(event, "10-soak", SCRIPT));
        let mut machine = Machine {
            host,
            managers,
            daemon: None,
            starts: 0,
            managed: vec!["eth1", "eth2"],
            config: String::new(),
        };
        machine.configure(&["eth1", "eth2"], 0);
        machine
    }

    /// Writes a good configuration, and does not tell.
    pub(crate) fn configure(&mut self, managed: &[&'static str], variant: u32) {
        let backend = if self.managers { "systemd-networkd" } else { "kernel" };
        self.managed = managed.to_vec();
        self.config = format!(
            "system: {{ backend: {backend} }}\n\
             routing: {{ policy_rules: [{}] }}\n\
             scripts: {{ timeout: 1s, max_parallel: {} }}\n\
             metrics: {{ enabled: true }}\n\
             api: {{ enabled: true }}\n\
             audit: {{ enabled: true, path: {AUDIT}/audit.log, retention_days: {} }}\n",
            managed.join(", "),
            4 + variant,
            30 + variant,
        );
        self.host.config(&self.config);
    }

    /// A faulty configuration; the good one is put back by [`Machine::fix`].
    pub(crate) fn spoil(&self, variant: u32) {
        let faulty = match variant {
            0 => "nonsense: 1\n".to_owned(),
            1 => self.config.replace("policy_rules: [", "policy_rules: [\"[\", "),
            _ => self.config.replace("timeout: 1s", "timeout: -1s"),
        };
        self.host.config(&faulty);
    }

    pub(crate) fn fix(&self) {
        self.host.config(&self.config);
    }

    pub(crate) fn daemon(&self) -> &Daemon<'h> {
        self.daemon.as_ref().expect("it is started again whenever it ends")
    }

    /// Asks for a reload, by the API or by SIGHUP. Who gets no answer, as while processes start again, knows
    /// that nobody has heard. What comes of it is seen at rest.
    pub(crate) fn reload(&self, by_api: bool) {
        let ask = || self.host.try_ask("POST", "/api/v1/reload");
        if !by_api || ask().is_none_or(|answer| answer.status == 503) {
            self.daemon().signal("HUP");
        }
    }

    /// SIGKILL for a child of the launcher; the launcher ends the other, and is started again. Where a
    /// reload is just replacing that child, there is another one instead.
    pub(crate) fn kill(&mut self, program: &str) {
        let daemon = self.daemon.take().expect("it runs");
        let mut pid = None;
        wait_for(
            program,
            || daemon.log(),
            || {
                pid = daemon.child(program);
                pid.is_some()
            },
        );
        let pid = pid.expect("just seen");
        self.host.sh(&format!("kill -KILL {pid} || true"));
        let launcher = format!("/proc/{}/stat", daemon.pid);
        let is_over = || {
            let stat = self.host.read(&launcher);
            stat.is_empty() || stat.contains(") Z ")
        };
        let is_replaced = || daemon.child(program).is_some_and(|other| other != pid);
        wait_within(PATIENCE, "an end or another child", || daemon.log(), || is_over() || is_replaced());
        if !is_over() && is_replaced() {
            self.daemon = Some(daemon);
            return;
        }
        let ended = daemon.ended();
        assert_eq!(ended.status, 1, "{program} was killed\n{}", ended.log);
        if program == "netevd-worker" {
            // Nobody is left who knows its scripts. A service manager ends them with the control group.
            self.host.run(&["pkill", "-KILL", "-u", "netevd,root", "-x", "10-soak|sleep"]);
        }
        self.start();
    }

    pub(crate) fn restart(&mut self) {
        let ended = self.daemon.take().expect("it runs").stop();
        assert_eq!(ended.status, 0, "{}", ended.log);
        self.start();
    }

    /// Starts the daemon.
    pub(crate) fn start(&mut self) {
        // What the last one said is of no use any more, and the machine's disk is small.
        self.host.sh("rm -f /out/netevd.*.log");
        let daemon = self.host.launch();
        wait_within(PATIENCE, "the daemon is ready", || daemon.log(), || daemon.log().contains(" ready: "));
        self.daemon = Some(daemon);
        self.starts += 1;
    }

    /// The worker, stopped while this happens.
    pub(crate) fn while_stopped(&self, happen: impl FnOnce()) {
        let Some(worker) = self.daemon().child("netevd-worker") else { return };
        self.host.sh(&format!("kill -STOP {worker}"));
        happen();
        self.host.sh(&format!("kill -CONT {worker}"));
    }

    /// Scripts behave again, and the disk has room.
    pub(crate) fn calm(&self) {
        self.host.sh(&format!("rm -f /out/flag/* {AUDIT}/filler"));
    }

    pub(crate) fn fill_disk(&self) {
        self.host.run(&["sh", "-c", &format!("cat /dev/zero >{AUDIT}/filler")]);
    }

    pub(crate) fn rotate(&self) {
        self.host.sh(&format!("rm -f {AUDIT}/audit.log.1; mv {AUDIT}/audit.log {AUDIT}/audit.log.1 || true"));
        self.daemon().signal("HUP");
    }
}
