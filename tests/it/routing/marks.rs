//! Published container ports: the answer of a container is looked up with the container's address, so the
//! firewall's mark has to bring it back to the uplink that was asked (`netevd policy --nft`). By packets, with a
//! provider at each uplink that drops what is not from its own network.

use super::packets::{answered_by, ping};
use crate::support::{Host, rules};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

const CONFIG: &str = "\
system: { backend: kernel }
routing:
  policy_rules: [eth1]
  marks: { eth1: 0x650000/0xff0000 }
";

/// A TCP server in a namespace of the machine. It ends with this value.
struct Server(Child);

impl Server {
    fn start(host: &Host, namespace: Option<&str>, address: &str) -> Server {
        let netns = namespace.map(|name| format!("--net=/run/netns/{name}"));
        let mut words: Vec<&str> = netns.iter().flat_map(|netns| ["nsenter", netns]).collect();
        words.extend(["/opt/netevd/netevd-test-agent", "greet", address]);
        let mut child = host.command(&words).stdout(Stdio::piped()).spawn().expect("the agent starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "listening\n");
        Server(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the client far away is sent from there.
fn far_asks(host: &Host, server: &str) -> String {
    host.peer(&format!("/opt/netevd/netevd-test-agent meet {server}"))
}

/// A host with eth0 and eth1, each with a provider, and docker0 with one container. Port 8080 and pings of both
/// addresses are the container's, port 8081 that of a proxy on docker0's own address.
fn published(host: &Host) {
    host.isp();
    host.veth("eth0", 6);
    host.veth("eth1", 7);
    host.peer(
        "ip addr add 192.0.2.1/24 dev eth0p; ip addr add 198.51.100.1/24 dev eth1p
         ip -6 addr add 2001:db8:a::1/64 dev eth0p nodad; ip -6 addr add 2001:db8:b::1/64 dev eth1p nodad
         for link in eth0p eth1p; do ip -6 addr add fe80::1/64 dev $link nodad; done
         ip addr add 203.0.113.9/32 dev lo; ip -6 addr add 2001:db8:f::9/128 dev lo
         ip route add 192.0.2.2 dev eth0p src 203.0.113.9; ip route add 198.51.100.2 dev eth1p src 203.0.113.9
         nft -f - <<'N'
table inet providers {
    chain arriving {
        type filter hook prerouting priority raw
        iifname eth0p ip saddr 198.51.100.0/24 drop
        iifname eth1p ip saddr 192.0.2.0/24 drop
        iifname eth0p ip6 saddr 2001:db8:b::/64 drop
        iifname eth1p ip6 saddr 2001:db8:a::/64 drop
    }
}
N",
    );
    host.sh("ip netns add box; ip link add name docker0 index 20 type bridge
         ip addr add 172.17.0.1/16 dev docker0; ip -6 addr add fd00:17::1/64 dev docker0 nodad
         ip link set docker0 up
         ip link add name port index 21 type veth peer name inside netns box
         ip link set port master docker0; ip link set port up
         nsenter --net=/run/netns/box sh -ec '
            ip addr add 172.17.0.9/16 dev inside; ip -6 addr add fd00:17::9/64 dev inside nodad
            ip link set inside up
            ip route add default via 172.17.0.1; ip -6 route add default via fd00:17::1'
         for link in eth0 eth1 docker0; do ip -6 addr add fe80::2/64 dev $link nodad; done
         ip addr add 192.0.2.2/24 dev eth0; ip addr add 198.51.100.2/24 dev eth1
         ip -6 addr add 2001:db8:a::2/64 dev eth0 nodad; ip -6 addr add 2001:db8:b::2/64 dev eth1 nodad
         ip route add default via 192.0.2.1 dev eth0 metric 100
         ip route add default via 198.51.100.1 dev eth1 metric 200
         ip -6 route add default via 2001:db8:a::1 dev eth0 metric 100
         ip -6 route add default via 2001:db8:b::1 dev eth1 metric 200
         sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
         nft -f - <<'N'
table inet published {
    chain arriving {
        type nat hook prerouting priority dstnat
        iifname { eth0, eth1 } tcp dport 8080 dnat ip to 172.17.0.9:80
        iifname { eth0, eth1 } tcp dport 8081 dnat ip to 172.17.0.1:81
        iifname { eth0, eth1 } icmp type echo-request dnat ip to 172.17.0.9
        iifname { eth0, eth1 } icmpv6 type echo-request dnat ip6 to fd00:17::9
    }
}
N");
    host.config(CONFIG);
}

/// Sets `rp_filter` on both uplinks, and loads the ruleset that netevd makes then; returns what it warned of.
fn load(host: &Host, rp_filter: u8) -> String {
    host.sh(&format!(
        "for link in all eth0 eth1; do sysctl -qw net.ipv4.conf.$link.rp_filter={rp_filter}; done"
    ));
    let made = host.run(&["sh", "-ec", "/opt/netevd/netevd policy --nft >/tmp/marks; nft -f /tmp/marks"]);
    assert_eq!(made.status, 0, "{}", made.stderr);
    made.stderr
}

/// What `nft` says that is there.
fn loaded(host: &Host) -> String {
    host.sh("nft -s list ruleset")
}

#[test]
fn routing_published_ports_answer_through_the_uplink_that_was_asked() {
    let name = "routing_published_ports_answer_through_the_uplink_that_was_asked";
    let Some(host) = Host::new(name) else { return };
    published(&host);
    let _daemon = host.start_daemon();
    let _box = Server::start(&host, Some("box"), "172.17.0.9:80");
    let _proxy = Server::start(&host, None, "172.17.0.1:81");
    let _own = Server::start(&host, None, "0.0.0.0:82");
    host.await_ours("eth1 is complete", &complete());
    assert_eq!(far_asks(&host, "192.0.2.2:8080"), "hello\n");
    assert_ne!(far_asks(&host, "198.51.100.2:8080"), "hello\n", "the answer leaves through eth0");

    for rp_filter in [0, 2, 1] {
        let warned = load(&host, rp_filter);
        if rp_filter == 1 {
            assert!(warned.contains("sysctl net.ipv4.conf.eth1.src_valid_mark=1"), "{warned}");
            assert_ne!(far_asks(&host, "198.51.100.2:8080"), "hello\n", "the kernel drops the question");
            host.sh("sysctl -qw net.ipv4.conf.eth1.src_valid_mark=1");
            assert_eq!(load(&host, 1), "", "the remedy was applied");
        } else {
            assert_eq!(warned, "");
        }
        for (address, link) in [("192.0.2.2", "eth0"), ("198.51.100.2", "eth1")] {
            for port in [8080, 8081, 82] {
                let server = format!("{address}:{port}");
                assert_eq!(far_asks(&host, &server), "hello\n", "{server} with rp_filter={rp_filter}");
            }
            answered_by(&host, link, "isp", "203.0.113.9", address);
        }
    }
}

#[test]
fn routing_loading_again_changes_nothing_and_other_bits_stay() {
    let name = "routing_loading_again_changes_nothing_and_other_bits_stay";
    let Some(host) = Host::new(name) else { return };
    published(&host);
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &complete());
    // As kube-proxy does it: a bit of its own, in front of ours.
    host.sh("nft -f - <<'N'
table inet other {
    counter both { }
    chain arriving {
        type filter hook prerouting priority raw
        iifname docker0 meta mark set meta mark or 0x4000
    }
    chain leaving {
        type filter hook postrouting priority mangle
        oifname eth1 meta mark 0x654000 counter name both
    }
}
N");
    load(&host, 0);
    let once = loaded(&host);
    assert!(once.contains("table inet netevd_marks"), "{once}");
    load(&host, 0);
    assert_eq!(loaded(&host), once);
    answered_by(&host, "eth1", "isp", "203.0.113.9", "198.51.100.2");
    let counted = host.sh("nft list counter inet other both");
    assert!(counted.contains("packets 3 "), "{counted}");

    // Without marks in the configuration the table is emptied, and nothing of anybody else's.
    host.config("routing: { policy_rules: [eth1] }\n");
    load(&host, 0);
    assert_eq!(loaded(&host), once.split("table inet netevd_marks").next().unwrap());
}

#[test]
fn routing_published_addresses_of_ipv6() {
    let Some(host) = Host::new("routing_published_addresses_of_ipv6") else { return };
    published(&host);
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &complete());
    let asks = |address| ping(&host, "isp", "2001:db8:f::9", address);
    assert!(asks("2001:db8:a::2") && !asks("2001:db8:b::2"), "the answer leaves through eth0");
    load(&host, 0);
    answered_by(&host, "eth1", "isp", "2001:db8:f::9", "2001:db8:b::2");
    answered_by(&host, "eth0", "isp", "2001:db8:f::9", "2001:db8:a::2");
}

/// eth1's objects.
fn complete() -> Vec<String> {
    let mut expected = [rules("198.51.100.2", 207), rules("2001:db8:b::2", 207)].concat();
    expected.extend(["", "from ::/0 "].map(|all| format!("32002: {all}fwmark 0x650000/0xff0000 lookup 207")));
    let routes = [
        "default via 198.51.100.1 dev eth1 metric 200",
        "198.51.100.0/24 dev eth1",
        "172.17.0.0/16 dev docker0",
        "default via 2001:db8:b::1 dev eth1",
        "2001:db8:b::/64 dev eth1",
        "fe80::/64 dev eth1",
        "fd00:17::/64 dev docker0",
    ];
    expected.extend(routes.map(|route| format!("table 207: {route}")));
    expected
}
