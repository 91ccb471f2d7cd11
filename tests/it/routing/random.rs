//! 3,000 random changes over two seeds; whenever the machine is at rest, netevd's objects are
//! the oracle's, and nothing foreign has changed.

use super::oracle::Snapshot;
use crate::support::{Host, wait_for};

const MANAGED: [&str; 2] = ["eth1", "eth2"];
const CHANGES: u32 = 1500;

/// Numerical Recipes' linear congruential generator: the same changes for the same seed.
struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The low bits have short periods.
        (self.0 >> 8) % limit
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(u32::try_from(choices.len()).expect("few"))).expect("small")]
    }
}

/// One line for `ip -batch`; many fail, for instance a deletion of what is not there.
fn change(random: &mut Random) -> String {
    let (link, third) = random.of(&[("eth1", 1), ("eth2", 2)]);
    let n = 2 + random.below(4);
    match random.below(24) {
        0..=2 => format!("addr add 10.0.{third}.{n}/24 dev {link}"),
        3 => format!("addr add 10.9.{third}.{n}/25 dev {link}"),
        4 => format!("addr add 10.8.{third}.{n}/32 dev {link}"),
        5 => format!("addr del 10.0.{third}.{n}/24 dev {link}"),
        6 => format!("addr del 10.9.{third}.{n}/25 dev {link}"),
        7 => format!("addr del 10.8.{third}.{n}/32 dev {link}"),
        8 | 9 => format!("addr add 2001:db8:{third}::{n}/64 dev {link} nodad"),
        10 => format!("addr del 2001:db8:{third}::{n}/64 dev {link}"),
        11 => format!(
            "link set {} {}",
            random.of(&["eth0", "eth1", "eth2", "docker0"]),
            random.of(&["up", "down"])
        ),
        12 => format!("link set {link} up"),
        13 | 14 => {
            let verb = random.of(&["add", "replace"]);
            let (gateway, metric) = (random.of(&[1, 251, 252]), random.of(&[200, 201]));
            format!("route {verb} default via 10.0.{third}.{gateway} dev {link} metric {metric}")
        }
        15 => format!("route del default dev {link} metric {}", random.of(&[200, 201])),
        16 => {
            let gateway = random.of(&["fe80::1", "fe80::2"]);
            format!("-6 route {} default via {gateway} dev {link} metric 300", random.of(&["add", "replace"]))
        }
        17 => format!("-6 route del default dev {link} metric 300"),
        18 => {
            let verb = random.of(&["add", "del"]);
            format!("route {verb} default via 10.0.{third}.253 dev {link} table 500{third} metric 50")
        }
        19 => {
            let (verb, protocol) =
                (random.of(&["add", "replace"]), random.of(&["static", "boot", "dhcp", "bird"]));
            let metric = random.of(&[0, 10, 20]);
            format!("route {verb} 10.244.{n}.0/24 dev docker0 protocol {protocol} metric {metric}")
        }
        20 => format!("route add 10.245.{n}.0/24 via 172.17.0.{n} dev docker0 protocol static"),
        21 => format!("route del 10.24{}.{n}.0/24", random.of(&[4, 5])),
        22 => match random.below(4) {
            0 => format!("link set {link} master br9"),
            1 | 2 => format!("link set {link} nomaster"),
            _ => "link del eth2\nlink add name eth2 index 8 type veth peer name eth2p netns isp\n\
                  link set eth2 up"
                .to_owned(),
        },
        _ => format!("-6 route {} 2001:db8:d{n}::/64 dev docker0", random.of(&["add", "del"])),
    }
}

fn storm(host: &Host, seed: u32) {
    host.isp();
    for (link, index) in [("eth0", 6), ("eth1", 7), ("eth2", 8)] {
        host.veth(link, index);
    }
    host.sh(
        "ip link add name docker0 index 20 type bridge; ip addr add 172.17.0.1/16 dev docker0
         ip addr add 2001:db8:d::1/64 dev docker0 nodad; ip link set docker0 up
         ip link add name br9 index 21 type bridge; ip link set br9 up
         ip link add name keep index 22 type bridge; ip addr add 10.99.0.1/24 dev keep; ip link set keep up
         ip addr add 10.0.0.2/24 dev eth0; ip route add default via 10.0.0.1 dev eth0 metric 100
         ip rule add priority 100 from 10.0.1.0/24 lookup 4711; ip -6 rule add priority 100 to 2001:db8:7::/64 lookup 4711
         ip rule add priority 32001 from 10.0.1.2 lookup 4711; ip rule add priority 32004 to 10.0.1.2 lookup main
         ip route add unreachable default table 4711 metric 9; ip route add 10.98.0.0/16 dev keep table 4711",
    );
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth1, eth2] }\n");
    let steady = |line: &String| line.starts_with("rule") || line.contains("\"table\":\"4711\"");
    let foreign: Vec<String> = host.foreign().into_iter().filter(steady).collect();
    assert!(foreign.len() >= 10, "{foreign:#?}");
    let daemon = host.start_daemon();

    let mut random = Random(seed);
    let mut made = 0;
    let mut sizes = Vec::new();
    while made < CHANGES {
        let count = 1 + random.below(20);
        let mut lines: Vec<String> = (0..count).map(|_| change(&mut random)).collect();
        // Twice only: a third wipe within a minute is answered by backing off, by design.
        if [500, 1000].iter().any(|at| (made..made + count).contains(at)) {
            lines.push("rule flush protocol 110\nroute flush table 207\nroute flush table 208".to_owned());
        }
        made += count;
        let batch = lines.join("\n") + "\n";
        host.ip_batch(&batch, true);
        let mut size = 0;
        let explain = || {
            let (expected, ours) = (Snapshot::take(host).expected(&MANAGED), host.ours());
            let missing: Vec<_> = expected.difference(&ours).collect();
            let surplus: Vec<_> = ours.difference(&expected).collect();
            let state = host.sh("ip addr; ip route; ip -6 route");
            format!(
                "seed {seed}, after {made} changes, the last of them:\n{batch}missing {missing:#?}\nsurplus {surplus:#?}\n{state}"
            )
        };
        wait_for("netevd's objects are the oracle's", explain, || {
            let (expected, ours) = (Snapshot::take(host).expected(&MANAGED), host.ours());
            size = ours.len();
            expected == ours
        });
        sizes.push(size);
        let now: Vec<String> = host.foreign().into_iter().filter(steady).collect();
        assert_eq!(
            now, foreign,
            "foreign objects are unchanged after {made} changes of seed {seed}:\n{batch}"
        );
    }
    let (most, empty) =
        (sizes.iter().max().copied().unwrap_or(0), sizes.iter().filter(|size| **size == 0).count());
    assert!(most > 15 && empty < sizes.len() / 2, "the changes led somewhere: {sizes:?}");
    assert_eq!(daemon.stop().status, 0);
}

#[test]
fn routing_13_random_changes_against_an_oracle_first_seed() {
    let Some(host) = Host::new("routing_13_random_changes_against_an_oracle_first_seed") else { return };
    storm(&host, 20_261_123);
}

#[test]
fn routing_13_random_changes_against_an_oracle_second_seed() {
    let Some(host) = Host::new("routing_13_random_changes_against_an_oracle_second_seed") else { return };
    storm(&host, 8_675_309);
}
