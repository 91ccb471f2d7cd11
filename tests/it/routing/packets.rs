//! Real packets, with strict reverse path filtering: each answer leaves through the interface that
//! the question came in on.

use crate::support::{Host, rules, wait_for};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

/// The agent's list of echo packets that cross a host's links.
struct Sniffer(Child, BufReader<ChildStdout>);

impl Sniffer {
    fn start(host: &Host) -> Sniffer {
        let mut command = host.command(&["/opt/netevd/netevd-test-agent", "sniff"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the agent starts");
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "sniffing\n");
        Sniffer(child, output)
    }

    fn finish(mut self) -> Vec<String> {
        drop(self.0.stdin.take());
        let mut text = String::new();
        self.1.read_to_string(&mut text).unwrap();
        self.0.wait().unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// Three questions from a namespace; true when all three were answered.
pub(super) fn ping(host: &Host, namespace: &str, source: &str, destination: &str) -> bool {
    let netns = format!("--net=/run/netns/{namespace}");
    let command =
        ["nsenter", &netns, "ping", "-q", "-c", "3", "-i", "0.2", "-W", "1", "-I", source, destination];
    host.run(&command).stdout.contains(" 3 received")
}

/// Pings, and asserts that three answers left by `link` and none by another.
pub(super) fn answered_by(host: &Host, link: &str, namespace: &str, source: &str, destination: &str) {
    let sniffer = Sniffer::start(host);
    assert!(ping(host, namespace, source, destination), "3 of 3 from {source} to {destination}");
    let packets = sniffer.finish();
    let answers: Vec<_> = packets.iter().filter(|line| line.contains(" out reply ")).collect();
    let expected = format!("{link} out reply {destination} {source}");
    assert!(answers.iter().filter(|line| **line == &expected).count() >= 3, "{packets:#?}");
    let others = ["eth0", "eth1", "docker0"].into_iter().filter(|other| *other != link);
    for other in others {
        assert!(!answers.iter().any(|line| line.starts_with(other)), "{packets:#?}");
    }
}

fn strict(host: &Host) {
    host.sh("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 \
             net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
    host.peer("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0");
}

/// docker0 with one container at 172.17.0.9.
fn container(host: &Host) {
    host.sh("ip netns add box; ip link add name docker0 index 20 type bridge
         ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up
         ip link add name port index 21 type veth peer name inside netns box
         ip link set port master docker0; ip link set port up
         nsenter --net=/run/netns/box sh -ec '
            ip addr add 172.17.0.9/16 dev inside; ip link set inside up
            ip route add default via 172.17.0.1'");
}

#[test]
fn routing_two_interfaces_in_one_subnet_answer_by_the_right_one() {
    let name = "routing_two_interfaces_in_one_subnet_answer_by_the_right_one";
    let Some(host) = Host::new(name) else { return };
    host.isp();
    strict(&host);
    host.peer(
        "ip link add name lan type bridge; ip addr add 192.0.2.1/24 dev lan; ip link set lan up
               ip addr add 203.0.113.9/32 dev lo",
    );
    for (link, index) in [("eth0", 6), ("eth1", 7)] {
        host.veth(link, index);
        host.peer(&format!("ip link set {link}p master lan"));
    }
    container(&host);
    host.sh("ip addr add 192.0.2.2/24 dev eth0; ip addr add 192.0.2.3/24 dev eth1
             ip route add default via 192.0.2.1 dev eth0 metric 100
             ip route add default via 192.0.2.1 dev eth1 metric 200");
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth1] }\n");
    assert!(!ping(&host, "isp", "203.0.113.9", "192.0.2.3"), "without netevd the kernel drops the questions");

    let _daemon = host.start_daemon();
    let mut expected = rules("192.0.2.3", 207);
    expected.extend(
        ["default via 192.0.2.1 dev eth1 metric 200", "192.0.2.0/24 dev eth1", "172.17.0.0/16 dev docker0"]
            .map(|route| format!("table 207: {route}")),
    );
    host.await_ours("eth1 is complete", &expected);
    answered_by(&host, "eth1", "isp", "203.0.113.9", "192.0.2.3");
    answered_by(&host, "eth1", "isp", "192.0.2.1", "192.0.2.3");
    answered_by(&host, "eth0", "isp", "203.0.113.9", "192.0.2.2");
    answered_by(&host, "eth0", "isp", "192.0.2.1", "192.0.2.2");
    answered_by(&host, "docker0", "box", "172.17.0.9", "192.0.2.3");
}

/// A host with eth0 10.0.1.5 and eth1 10.0.2.5, each with a gateway, and a container.
fn two_subnets(host: &Host) {
    host.isp();
    strict(host);
    host.veth("eth0", 6);
    host.veth("eth1", 7);
    container(host);
    host.peer(
        "ip addr add 10.0.1.1/24 dev eth0p; ip addr add 10.0.1.77/24 dev eth0p
               ip addr add 10.0.2.1/24 dev eth1p",
    );
    host.sh("ip addr add 10.0.1.5/24 dev eth0; ip addr add 10.0.2.5/24 dev eth1
             ip route add default via 10.0.1.1 dev eth0 metric 100
             ip route add default via 10.0.2.1 dev eth1 metric 200");
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth1] }\n");
}

fn two_subnets_complete() -> Vec<String> {
    let mut expected = rules("10.0.2.5", 207);
    expected.extend(
        ["default via 10.0.2.1 dev eth1 metric 200", "10.0.2.0/24 dev eth1", "172.17.0.0/16 dev docker0"]
            .map(|route| format!("table 207: {route}")),
    );
    expected
}

#[test]
fn routing_a_client_in_the_other_uplinks_subnet_and_a_container() {
    let name = "routing_a_client_in_the_other_uplinks_subnet_and_a_container";
    let Some(host) = Host::new(name) else { return };
    two_subnets(&host);
    assert!(!ping(&host, "isp", "10.0.1.77", "10.0.2.5"), "without netevd the kernel drops the questions");
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &two_subnets_complete());
    answered_by(&host, "eth1", "isp", "10.0.1.77", "10.0.2.5");
    answered_by(&host, "docker0", "box", "172.17.0.9", "10.0.2.5");
}

#[test]
fn routing_pods_routes_are_followed() {
    let Some(host) = Host::new("routing_pods_routes_are_followed") else { return };
    two_subnets(&host);
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &two_subnets_complete());

    host.ip("route add 10.244.1.0/24 via 172.17.0.9 dev docker0 protocol static");
    host.ip("route add 10.244.2.0/24 via 172.17.0.9 dev docker0 protocol bird");
    host.ip("route add blackhole 10.244.4.0/24");
    // Leaves through another uplink: eth1's gateway is asked.
    host.ip("route add 10.244.3.0/24 via 10.0.1.77 dev eth0");
    let mut expected = two_subnets_complete();
    expected.extend(
        [
            "10.244.2.0/24 via 172.17.0.9 dev docker0",
            "blackhole 10.244.4.0/24",
            "10.244.1.0/24 via 172.17.0.9 dev docker0",
        ]
        .map(|route| format!("table 207: {route}")),
    );
    host.await_ours("the pods' routes are copied", &expected);

    host.ip("route change 10.244.1.0/24 via 172.17.0.10 dev docker0 protocol static");
    *expected.last_mut().unwrap() = "table 207: 10.244.1.0/24 via 172.17.0.10 dev docker0".to_owned();
    host.await_ours("its new way is copied", &expected);

    host.ip("route del 10.244.1.0/24; ip route del 10.244.2.0/24; ip route del blackhole 10.244.4.0/24");
    host.await_ours("they went", &two_subnets_complete());
    host.ip("link del docker0");
    wait_for(
        "docker0's own network went",
        || host.log(),
        || !host.ours().iter().any(|line| line.contains("docker0")),
    );
}
