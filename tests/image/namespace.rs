//! A network namespace with two uplinks, and a configuration for netevd in it.

use crate::repository;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// Prints as whom scripts run, where the container's log has it.
const SCRIPT: &str = "#!/bin/sh\necho \"script: $LINK is $STATE, uid $(id -u)\"\n";

/// eth0 (index 6) and net1 (index 7), which examples/container.yaml has under policy routing.
pub(crate) struct Namespace {
    name: String,
    directory: PathBuf,
}

impl Namespace {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("netevd-{name}-{}", std::process::id());
        let directory = repository("target/tmp").join(&name);
        fs::create_dir_all(directory.join("routable.d")).expect("a directory");
        let namespace = Self { name, directory };
        let example = fs::read_to_string(repository("examples/container.yaml")).expect("the example");
        namespace.configure(&example);
        let script = namespace.directory.join("routable.d/10-say");
        fs::write(&script, SCRIPT).expect("written");
        fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("mode");
        ip(&["netns", "add", &namespace.name]);
        for (link, index, address) in [("eth0", "6", "198.51.100.3/24"), ("net1", "7", "192.0.2.3/24")] {
            let peer = format!("peer{index}");
            namespace
                .ip(&["link", "add", "name", link, "index", index, "type", "veth", "peer", "name", &peer]);
            namespace.ip(&["link", "set", &peer, "up"]);
            namespace.ip(&["link", "set", link, "up"]);
            namespace.ip(&["address", "add", address, "dev", link]);
        }
        namespace.ip(&["route", "add", "default", "via", "198.51.100.1", "dev", "eth0", "metric", "100"]);
        namespace.ip(&["route", "add", "default", "via", "192.0.2.1", "dev", "net1", "metric", "200"]);
        namespace
    }

    /// Writes netevd.yaml.
    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.directory.join("netevd.yaml"), text).expect("written");
    }

    /// Options that put a container in here.
    pub(crate) fn options(&self) -> [String; 2] {
        let volume = format!("--volume={}:/etc/netevd:ro", self.directory.display());
        [format!("--network=ns:/run/netns/{}", self.name), volume]
    }

    /// ip(8) in here, with numbers for names.
    pub(crate) fn ip(&self, arguments: &[&str]) -> String {
        ip(&[&["-N", "-n", &self.name], arguments].concat())
    }

    /// netevd's rules and routes, a line each.
    pub(crate) fn ours(&self) -> Vec<String> {
        let rules = self.ip(&["rule", "show"]);
        let routes = self.ip(&["route", "show", "table", "all", "proto", "110"]);
        let rules = rules.lines().filter(|line| line.ends_with("proto 110"));
        rules
            .chain(routes.lines())
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }
}

/// What netevd makes of net1.
pub(crate) const OF_NET1: [&str; 4] = [
    "32002: from 192.0.2.3 lookup 207 proto 110",
    "32003: from all to 192.0.2.3 lookup 207 proto 110",
    "default via 192.0.2.1 dev net1 table 207 metric 200",
    "192.0.2.0/24 dev net1 table 207 scope 253",
];

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().expect("ip(8)");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
