//! Random changes of a host with three uplinks, a bridge and a tunnel, of every kind that decides what a table holds.

/// Numerical Recipes' linear congruential generator: the same changes for the same seed.
pub(super) struct Random(pub(super) u32);

impl Random {
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The low bits have short periods.
        (self.0 >> 8) % limit
    }

    pub(super) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(u32::try_from(choices.len()).expect("few"))).expect("small")]
    }
}

/// Lines for `ip`, `ip -6` and a shell; many fail, for instance a deletion of what is not there.
#[derive(Default)]
pub(super) struct Batch {
    /// Gateways may lose the subnet that they are in.
    pub(super) is_loose: bool,
    pub(super) v4: Vec<String>,
    pub(super) v6: Vec<String>,
    pub(super) shell: Vec<String>,
}

impl Batch {
    /// One process for each kind; the order within a kind is kept.
    pub(super) fn script(&self) -> String {
        let part = |command: &str, lines: &[String]| {
            if lines.is_empty() {
                return String::new();
            }
            format!("{command} <<'X' 2>/dev/null || true\n{}\nX\n", lines.join("\n"))
        };
        part("ip -force -batch -", &self.v4)
            + &part("ip -6 -force -batch -", &self.v6)
            + &part("sh", &self.shell)
    }

    /// One change.
    pub(super) fn add(&mut self, random: &mut Random) {
        match random.below(20) {
            0..=2 => self.address(random),
            3 => self.link(random),
            4 | 5 => self.default(random),
            6 | 7 => self.default_v6(random),
            8 | 9 => self.route(random),
            10 | 11 => self.route_v6(random),
            12 => self.deviceless(random),
            13 => self.nested(random),
            14 => self.default_like(random),
            15 => self.object(random),
            16 => self.object_route(random),
            17 => self.foreign_rule(random),
            18 => self.special(random),
            _ => self.advertisement(random),
        }
    }

    fn address(&mut self, random: &mut Random) {
        let (link, third) = random.of(&[("eth1", 1), ("eth2", 2)]);
        let n = 2 + random.below(4);
        let verb = random.of(&["add", "add", "del"]);
        let mut v4 = |line: String| self.v4.push(line);
        match random.below(10) {
            0..=2 => v4(format!("addr {verb} 10.0.{third}.{n}/24 dev {link}")),
            3 => v4(format!("addr {verb} 10.9.{third}.{n}/25 dev {link} noprefixroute")),
            4 => v4(format!("addr {verb} 10.8.{third}.{n}/32 dev {link}")),
            5 => v4(format!("addr {verb} 10.6.{third}.{n} peer 10.6.{third}.{}/32 dev {link}", n + 100)),
            6 => {
                // From one link to another, or on both.
                let (from, to) =
                    random.of(&[("eth1", "eth2"), ("eth2", "eth1"), ("eth1", "docker0"), ("eth2", "eth0")]);
                if random.below(3) > 0 {
                    v4(format!("addr del 10.7.0.{n}/32 dev {from}"));
                }
                v4(format!("addr add 10.7.0.{n}/32 dev {to}"));
            }
            7 => {
                let link = random.of(&["eth1", "eth2", "docker0"]);
                v4(format!("addr {} 10.7.0.{n}/32 dev {link}", random.of(&["add", "del", "del"])));
            }
            8 => self.v6.push(format!("addr {verb} 2001:db8:{third}::{n}/64 dev {link} nodad")),
            _ => self
                .v6
                .push(format!("addr {verb} 2001:db8:7::{n}/128 dev {} nodad", random.of(&["eth1", "eth2"]))),
        }
    }

    fn link(&mut self, random: &mut Random) {
        let (link, third) = random.of(&[("eth1", 1), ("eth2", 2)]);
        match random.below(8) {
            0 => {
                let (link, state) = (random.of(&["eth0", "docker0", "tun0"]), random.of(&["up", "up", "down"]));
                self.v4.push(format!("link set {link} {state}"));
                if (link, state) == ("eth0", "up") {
                    self.gateways("eth0", 0);
                }
            }
            1 => self.v4.push(format!("link set {link} down")),
            2..=4 => {
                // Legs of routes with several are alive again.
                self.v4.push(format!("link set {link} up"));
                self.gateways(link, third);
            }
            5 => self.v4.push(format!("link set {link} master br9")),
            6 => self.v4.push(format!("link set {link} nomaster")),
            _ => self.v4.push(
                "link del eth2\nlink add name eth2 index 8 type veth peer name eth2p netns isp\nlink set eth2 up"
                    .to_owned(),
            ),
        }
    }

    /// The kernel keeps a route whose gateway's subnet went, and refuses the same one in another table; so there is
    /// a route to the gateways for as long as the link is up, unless the changes are loose.
    fn gateways(&mut self, link: &str, third: u32) {
        if self.is_loose {
            return;
        }
        self.v4.push(format!("route add 10.0.{third}.0/24 dev {link} scope link metric 900"));
    }

    fn default(&mut self, random: &mut Random) {
        let (link, third) = random.of(&[("eth0", 0), ("eth1", 1), ("eth1", 1), ("eth2", 2), ("eth2", 2)]);
        self.gateways(link, third);
        self.gateways("eth1", 1);
        let verb = random.of(&["add", "replace", "append", "prepend"]);
        let gateway = format!("10.0.{third}.{}", random.of(&[1, 251, 252]));
        let metric = random.of(&[200, 201]);
        let more = random.of(&[
            "",
            "",
            "",
            "",
            "",
            "mtu lock 1300 advmss 1260",
            "initcwnd 30 quickack 1",
            "tos 0x10",
            "realm 5",
        ]);
        self.v4.push(match random.below(12) {
            0..=4 => format!("route {verb} default via {gateway} dev {link} metric {metric} {more}"),
            5 => format!("route {verb} default via 10.99.{third}.1 dev {link} onlink metric {metric}"),
            6 => format!("route {verb} default via inet6 fe80::1 dev {link} metric 202"),
            7 => format!("route {verb} default metric 203 nexthop via 10.0.1.1 dev eth1 weight 3 nexthop via {gateway} dev {link}"),
            8 => format!("route {verb} default via 10.0.{third}.253 dev {link} table 500{third} metric 50"),
            9 => format!("route del default dev {link} table 500{third}"),
            10 => format!("route del default dev {link} metric {}", random.of(&[200, 201, 202, 203])),
            _ => format!("route del default dev {link}"),
        });
    }

    fn default_v6(&mut self, random: &mut Random) {
        let (link, third) = random.of(&[("eth0", 0), ("eth1", 1), ("eth1", 1), ("eth2", 2), ("eth2", 2)]);
        let verb = random.of(&["add", "replace", "append"]);
        let gateway = random.of(&["fe80::1", "fe80::2"]);
        let more = random.of(&["", "", "pref high", "pref low", "mtu 1400"]);
        self.v6.push(match random.below(9) {
            0..=3 => format!("route {verb} default via {gateway} dev {link} metric 300 {more}"),
            4 => format!("route {verb} default metric 310 nexthop via fe80::1 dev eth1 nexthop via {gateway} dev {link}"),
            5 => format!("route {verb} default from 2001:db8:{third}::/64 via {gateway} dev {link} metric 320"),
            6 => format!("route {verb} default via {gateway} dev {link} table 500{third} metric 50"),
            _ => format!("route del default dev {link} metric {}", random.of(&[300, 300, 310, 320])),
        });
    }

    fn route(&mut self, random: &mut Random) {
        let n = random.below(5);
        let verb = random.of(&["add", "replace", "append", "del", "del"]);
        let protocol = random.of(&["static", "boot", "dhcp", "bird", "80", "ra"]);
        let metric = random.of(&[0, 10, 20]);
        let more = random.of(&["", "", "", "mtu lock 1400", "initcwnd 20", "realm 7", "tos 0x08"]);
        let (link, third) = random.of(&[("eth0", 0), ("eth1", 1), ("eth2", 2)]);
        self.gateways(link, third);
        let line = match random.below(10) {
            0 | 1 => format!("10.244.{n}.0/24 dev docker0 protocol {protocol} metric {metric} {more}"),
            2 => format!("10.245.{n}.0/24 via 172.17.0.{} dev docker0 protocol {protocol} {more}", n + 2),
            3 | 4 => format!(
                "10.50.{n}.0/24 via 10.0.{third}.254 dev {link} protocol {protocol} metric {metric} {more}"
            ),
            5 => format!("10.51.{n}.0/24 via 10.98.{third}.1 dev {link} onlink protocol {protocol}"),
            6 => format!(
                "10.52.{n}.0/24 nexthop via 10.0.{third}.254 dev {link} weight {} nexthop via 172.17.0.9 dev docker0",
                n + 1
            ),
            7 => format!("10.53.{n}.0/24 via inet6 fe80::3 dev {link}"),
            8 => format!("10.54.{n}.0/24 dev tun0 metric {metric}"),
            _ => format!("10.55.{n}.0/24 dev {link} scope {}", random.of(&["link", "host"])),
        };
        self.v4.push(format!("route {verb} {line}"));
    }

    fn route_v6(&mut self, random: &mut Random) {
        let n = random.below(4);
        let verb = random.of(&["add", "replace", "append", "del"]);
        let (link, third) = random.of(&[("eth0", 0), ("eth1", 1), ("eth2", 2)]);
        let line = match random.below(8) {
            0 => format!("2001:db8:d{n}::/64 dev docker0"),
            1 => format!(
                "2001:db8:e{n}::/64 via fd17::{} dev docker0 protocol {}",
                n + 2,
                random.of(&["static", "bird", "80"])
            ),
            2 | 3 => format!(
                "2001:db8:5{n}::/48 via fe80::{} dev {link} metric 500 {}",
                n + 4,
                random.of(&["", "mtu 1400", "pref high"])
            ),
            4 => format!(
                "2001:db8:6{n}::/48 metric 510 nexthop via fe80::9 dev {link} nexthop via fd17::9 dev docker0"
            ),
            5 => format!("2001:db8:7{n}::/48 from 2001:db8:{third}::/64 via fe80::9 dev {link}"),
            6 => format!("2001:db8:8{n}::/48 dev tun0"),
            _ => format!("2001:db8:9{n}::/64 dev {link} metric 256"),
        };
        self.v6.push(format!("route {verb} {line}"));
    }

    fn deviceless(&mut self, random: &mut Random) {
        let kind = random.of(&["blackhole", "unreachable", "prohibit", "throw"]);
        let verb = random.of(&["add", "replace", "del", "del"]);
        let n = random.below(3);
        match random.below(5) {
            0 | 1 => self.v4.push(format!("route {verb} {kind} 10.60.{n}.0/24")),
            2 => self.v4.push(format!("route {verb} {kind} default metric {}", random.of(&[900, 901]))),
            3 => self.v6.push(format!("route {verb} {kind} 2001:db8:60{n}::/48")),
            _ => self.v6.push(format!("route {verb} {kind} default metric {}", random.of(&[900, 901]))),
        }
    }

    /// Nets of other uplinks inside something that leads nowhere, or to a bridge.
    fn nested(&mut self, random: &mut Random) {
        let n = random.below(4);
        let verb = random.of(&["add", "add", "del"]);
        let (link, third) = random.of(&[("eth0", 0), ("eth1", 1), ("eth2", 2)]);
        self.gateways(link, third);
        match random.below(6) {
            0 => self
                .v4
                .push(format!("route {verb} {} 10.192.0.0/10", random.of(&["blackhole", "unreachable"]))),
            1 => self.v4.push(format!("route {verb} 10.200.0.0/14 via 172.17.0.3 dev docker0")),
            2 => self.v4.push(format!("route {verb} 10.200.{n}.0/24 via 10.0.{third}.254 dev {link}")),
            3 => self.v4.push(format!("route {verb} 10.208.{n}.0/24 via 10.0.{third}.254 dev {link}")),
            4 => self.v6.push(format!("route {verb} blackhole 2001:db8:a00::/40")),
            _ => self.v6.push(format!("route {verb} 2001:db8:a0{n}::/48 via fe80::7 dev {link}")),
        }
    }

    fn default_like(&mut self, random: &mut Random) {
        let verb = random.of(&["add", "del", "del"]);
        let link = random.of(&["tun0", "tun0", "tun0", "eth2"]);
        match random.below(5) {
            0 | 1 => self.v4.push(format!(
                "route {verb} {} dev {link}",
                random.of(&["0.0.0.0/1", "128.0.0.0/1", "64.0.0.0/3"])
            )),
            2 => self.v4.push(format!("route {verb} default dev tun0 metric 50")),
            3 => self
                .v6
                .push(format!("route {verb} {} dev {link}", random.of(&["2000::/3", "::/1", "8000::/1"]))),
            _ => self.v6.push(format!("route {verb} default dev tun0 metric 50")),
        }
    }

    /// Nexthop objects and groups of them.
    fn object(&mut self, random: &mut Random) {
        let id = 30 + random.below(3);
        let verb = random.of(&["add", "replace", "replace", "del"]);
        let (link, third) = random.of(&[("eth1", 1), ("eth2", 2), ("docker0", 17)]);
        if third != 17 {
            self.gateways(link, third);
        }
        match random.below(6) {
            0..=2 if third == 17 => {
                self.v4.push(format!("nexthop {verb} id {id} via 172.17.0.7 dev docker0"))
            }
            0..=2 => self
                .v4
                .push(format!("nexthop {verb} id {id} via 10.0.{third}.{} dev {link}", random.of(&[1, 254]))),
            3 => {
                self.v4.push(format!("nexthop {verb} id 40 group {}", random.of(&["30", "30/31", "31/32,3"])))
            }
            _ => self.v6.push(format!(
                "nexthop {verb} id {} via fe80::{} dev {link}",
                id + 20,
                random.of(&[1, 2])
            )),
        }
    }

    fn object_route(&mut self, random: &mut Random) {
        let n = random.below(3);
        let verb = random.of(&["add", "replace", "append", "del"]);
        let id = random.of(&[30, 31, 32, 40]);
        match random.below(5) {
            0 => self.v4.push(format!("route {verb} default nhid {id} metric 204")),
            1 | 2 => self.v4.push(format!("route {verb} 10.56.{n}.0/24 nhid {id} protocol bgp")),
            3 => self.v6.push(format!("route {verb} default nhid {} metric 330", 50 + random.below(3))),
            _ => self.v6.push(format!("route {verb} 2001:db8:b{n}::/48 nhid {}", 50 + random.below(3))),
        }
    }

    /// Rules of others, with and without a mark: into tables of their own, into ours, at our priorities.
    fn foreign_rule(&mut self, random: &mut Random) {
        let verb = random.of(&["add", "del"]);
        let (third, table) = random.of(&[(1, 207), (2, 208)]);
        let line = match random.below(9) {
            0 => format!("from 10.0.{third}.0/24 lookup 500{third} priority 20000"),
            1 => format!("from 10.8.{third}.2 lookup 500{third} priority 20001"),
            2 => format!("fwmark 7 lookup {table} priority 31999"),
            3 => format!("fwmark 0x8/0xf lookup 500{third} priority 90"),
            4 => "from 10.77.0.0/24 lookup 4710 priority 32002".to_owned(),
            5 => format!("iif docker0 lookup 500{third} priority 91"),
            6 => "lookup 5000 priority 32100".to_owned(),
            7 => {
                // VRFs move it, and so does Cilium.
                let first = random.of(&[0, 1, 1]);
                self.v4.push("rule add lookup local priority 32765".to_owned());
                self.v4.push(format!("rule {} lookup local priority 0", ["del", "add"][first]));
                return;
            }
            _ => {
                self.v6
                    .push(format!("rule {verb} from 2001:db8:{third}::/64 lookup 500{third} priority 20000"));
                return;
            }
        };
        self.v4.push(format!("rule {verb} {line}"));
    }

    /// Encapsulations, and what is multicast.
    fn special(&mut self, random: &mut Random) {
        let n = random.below(3);
        let verb = random.of(&["add", "replace", "del"]);
        let link = random.of(&["eth0", "eth1", "docker0"]);
        match random.below(4) {
            0 => self
                .v4
                .push(format!("route {verb} 10.67.{n}.0/24 encap ip id {} dst 172.17.0.9 dev {link}", n + 1)),
            1 => self.v6.push(format!(
                "route {verb} 2001:db8:f{n}::/48 encap seg6 mode encap segs fd17::{} dev {link}",
                n + 1
            )),
            2 => self.v4.push(format!("route {verb} multicast 232.{n}.0.0/16 dev {link}")),
            _ => self.v4.push(format!("route {verb} 239.{n}.0.0/16 dev {link}")),
        }
    }

    /// A router's word: default, prefix, route, or that it goes.
    fn advertisement(&mut self, random: &mut Random) {
        let (link, third) = random.of(&[("eth1", 1), ("eth2", 2)]);
        let pref = random.of(&["low", "medium", "high"]);
        let what = match random.below(5) {
            0 => "lifetime=0".to_owned(),
            1 => format!("prefix=2001:db8:1{third}::/64"),
            2 => format!("prefix=2001:db8:2{third}::/64 flags={}", random.of(&["L", "A"])),
            3 => format!("lifetime=0 route=2001:db8:3{third}::/48"),
            _ => String::new(),
        };
        let source = random.of(&["fe80::1", "fe80::2"]);
        self.shell.push(format!(
            "nsenter --net=/run/netns/isp /opt/netevd/netevd-test-agent advertise {link}p {source} pref={pref} {what}"
        ));
    }
}
