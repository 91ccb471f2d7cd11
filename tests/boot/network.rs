//! The machine's network: up0 and up1 with addresses and gateways, and how up1's policy routing is seen.

/// By networkd, which leaves foreign rules alone.
pub(crate) const NETWORK: [(&str, &str, u32); 3] = [
    (
        "/etc/systemd/network/10-up0.network",
        "[Match]\nName=up0\n[Network]\nAddress=192.0.2.2/27\nGateway=192.0.2.1\n",
        0o644,
    ),
    (
        "/etc/systemd/network/10-up1.network",
        "[Match]\nName=up1\n[Network]\nAddress=192.0.2.34/27\n\
         [Route]\nGateway=192.0.2.33\nMetric=200\n",
        0o644,
    ),
    (
        "/etc/systemd/networkd.conf.d/netevd.conf",
        include_str!("../../systemd/examples/networkd-netevd.conf"),
        0o644,
    ),
];

pub(crate) const UP1_MANAGED: &str = "system: { backend: kernel }\nrouting: { policy_rules: [up1] }\n";

/// Prints what [`is_whole`] judges.
pub(crate) const RULES: &str = "(ip -N rule show; ip -N route show table all) | grep 'proto 110' | sort";

/// up1's rules and its default stand.
pub(crate) fn is_whole(ours: &str) -> bool {
    ["from 192.0.2.34 ", "to 192.0.2.34 ", "default via 192.0.2.33 dev up1"].iter().all(|o| ours.contains(o))
}
