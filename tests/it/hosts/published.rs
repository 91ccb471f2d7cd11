//! Published container ports on the second uplink: moby#35251, moby#17212, lxd#1102. A container's answer is looked
//! up with the container's address; a mark on the connection brings it to eth1's table.

use super::site::Site;
use crate::oracle::Policy;
use crate::support::Output;

const FAR: [&str; 1] = ["far 203.0.113.9 -> 198.51.100.2"];

/// DNAT as docker makes it, and the mark by hand.
const PUBLISH: &str = "sysctl -qw net.ipv4.ip_forward=1
    nft 'add table ip t; add chain ip t published { type nat hook prerouting priority -100; }
    add rule ip t published tcp dport 8080 dnat to 172.17.0.2:4242'\n";
const MARK: &str = "nft 'add chain ip t marked { type filter hook prerouting priority -150; }
    add rule ip t marked iifname eth1 ct state new ct mark set 7
    add rule ip t marked iifname docker0 meta mark set ct mark'\n";

/// Asks a published port from far away; the container's server says whom it sees.
fn ask(site: &Site, address: &str) -> Output {
    let script = format!("exec 3<>/dev/tcp/{address}/8080 && timeout 2 cat <&3");
    site.host.run(&["nsenter", "--net=/run/netns/far", "timeout", "2", "bash", "-c", &script])
}

#[test]
fn hosts_a_published_port_returns_by_a_marked_rule() {
    let Some(site) = Site::with_eth1("hosts_a_published_port_returns_by_a_marked_rule") else { return };
    site.docker();
    site.sh(PUBLISH);
    let managed = site.managed(&Policy::of(&["eth1"]), &[]);
    let answers = |address: &str| {
        let output = ask(&site, address);
        output.status == 0 && output.stdout.starts_with("10.255.")
    };
    let patient = |address: &str| {
        let explain = || format!("{:?}\n{}", ask(&site, address), site.host.sh("ip rule; nft list ruleset"));
        crate::support::wait_within(
            super::site::PATIENCE,
            &format!("{address}:8080 answers"),
            explain,
            || answers(address),
        );
    };
    patient("192.0.2.2");
    assert!(!answers("198.51.100.2"), "the container's answers leave through eth0 without a mark");
    // A marked rule of the administrator's into eth1's table is no conflict, now and after a restart.
    managed.step(&format!("{MARK} ip rule add fwmark 7 lookup 207 pref 31999"));
    patient("198.51.100.2");
    managed.step("ip addr add 198.51.100.9/24 dev eth1");
    managed.answered(&["far 203.0.113.9 -> 198.51.100.9"]);
    assert_eq!(managed.daemon.stop().status, 0);
    let daemon = site.host.start_daemon();
    site.kernel.await_exact(&site.host, &managed.policy, "after a restart");
    patient("198.51.100.2");
    managed.reach.assert_answered(&site.host, &FAR);

    // Strict filtering wants the mark on the way in as well, and the kernel to look at it.
    site.sh("sysctl -qw net.ipv4.conf.eth1.rp_filter=2");
    patient("198.51.100.2");
    site.sh("sysctl -qw net.ipv4.conf.eth1.rp_filter=1 net.ipv4.conf.eth1.src_valid_mark=1
         nft 'add rule ip t marked iifname eth1 meta mark set ct mark'");
    patient("198.51.100.2");
    // Another program's bit beside ours: the mask leaves it out.
    site.sh("ip rule del pref 31999; ip rule add fwmark 7/0xff lookup 207 pref 31999
         nft 'add rule ip t marked iifname docker0 meta mark set meta mark or 0x4000'");
    patient("198.51.100.2");
    assert_eq!(daemon.stop().status, 0);
}
