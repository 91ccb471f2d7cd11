//! Links to the other side: the namespace `isp` inside a [`Host`], and what netevd is to make
//! of an uplink.

use super::host::Host;

impl Host {
    /// Makes the namespace of the other side. Neither side makes link-local IPv6 addresses by
    /// itself, so that every address there is was put there by the test.
    pub(crate) fn isp(&self) {
        self.sh("sysctl -qw net.ipv6.conf.default.addr_gen_mode=1
             ip netns add isp
             nsenter --net=/run/netns/isp sh -c 'ip link set lo up
                sysctl -qw net.ipv6.conf.default.addr_gen_mode=1 net.ipv4.ip_forward=1 \
                    net.ipv6.conf.all.forwarding=1'");
    }

    /// A link `name` with this index, up, and its other end `NAMEp` in `isp`, up.
    pub(crate) fn veth(&self, name: &str, index: u32) {
        self.sh(&format!(
            "ip link add name {name} index {index} type veth peer name {name}p netns isp
             nsenter --net=/run/netns/isp ip link set {name}p up
             ip link set {name} up"
        ));
    }

    /// Runs a shell command on the other side, which has to succeed.
    pub(crate) fn peer(&self, script: &str) -> String {
        let output = self.run(&["nsenter", "--net=/run/netns/isp", "sh", "-ec", script]);
        assert_eq!(output.status, 0, "{script}\n{}{}", output.stdout, output.stderr);
        output.stdout
    }

    /// The machine of most tests: eth0 (index 6, 192.0.2.2/24, default by .1) and eth1 (index 7,
    /// 198.51.100.2/24, default by .1 with a worse metric), with eth1 in `policy_rules`.
    pub(crate) fn two_uplinks(&self) {
        self.isp();
        self.veth("eth0", 6);
        self.veth("eth1", 7);
        self.peer("ip addr add 192.0.2.1/24 dev eth0p; ip addr add 198.51.100.1/24 dev eth1p");
        self.sh("ip addr add 192.0.2.2/24 dev eth0
             ip addr add 198.51.100.2/24 dev eth1
             ip route add default via 192.0.2.1 dev eth0 metric 100
             ip route add default via 198.51.100.1 dev eth1 metric 200");
        self.config(ETH1_MANAGED);
    }
}

/// The kernel backend, with eth1 under policy routing.
pub(crate) const ETH1_MANAGED: &str = "\
system: { backend: kernel }
routing:
  policy_rules: [eth1]
";

/// The rules of an address.
pub(crate) fn rules(address: &str, table: u32) -> Vec<String> {
    vec![format!("32002: from {address} lookup {table}"), format!("32003: to {address} lookup {table}")]
}

/// eth1's objects on a machine of [`Host::two_uplinks`].
pub(crate) fn eth1_complete() -> Vec<String> {
    let mut lines = rules("198.51.100.2", 207);
    lines.push("table 207: default via 198.51.100.1 dev eth1 metric 200".to_owned());
    lines.push("table 207: 198.51.100.0/24 dev eth1".to_owned());
    lines
}
