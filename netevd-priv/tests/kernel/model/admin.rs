//! What an administrator, a manager or a VPN does to the same kernel meanwhile: by ip(8), one
//! process for a whole session.

use crate::random::Random;
use crate::world::World;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, ChildStdin, Stdio};

/// `ip -batch`, fed line by line.
pub(crate) struct Console {
    child: Child,
    input: ChildStdin,
    errors: BufReader<ChildStderr>,
}

impl Console {
    pub(crate) fn new(world: &World) -> Self {
        let mut command = world.command("ip");
        command
            .args(["-force", "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("nsenter(1)");
        let input = child.stdin.take().expect("piped");
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, input, errors }
    }

    /// Runs these commands, one a line. One that fails is one that there was no occasion for.
    pub(crate) fn run(&mut self, world: &World, commands: &str) {
        // It says nothing of a success; so the last is one that fails, and names itself. A nexthop
        // by an interface that is not there ends it, batch or not.
        for command in commands.lines() {
            if !self.does(command) {
                *self = Self::new(world);
            }
        }
    }

    fn does(&mut self, command: &str) -> bool {
        if writeln!(self.input, "{command}\nlink show dev enough").is_err() {
            return false;
        }
        let mut line = String::new();
        while !line.contains("\"enough\" does not exist") {
            line.clear();
            if self.errors.read_line(&mut line).expect("UTF-8") == 0 {
                return false;
            }
        }
        true
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// eth1 to eth3 are listed, as long as they are called so; the rest is the host's.
pub(crate) const SCENE: &str = "
    link add eth0 index 40 type veth peer name p0 index 140
    link add eth1 index 41 type veth peer name p1 index 141
    link add docker0 index 42 type veth peer name p2 index 142
    link add eth2 index 43 type veth peer name p3 index 143
    link add eth3 index 44 type veth peer name p4 index 144
    link add br0 index 50 type bridge
    link set eth0 addrgenmode none
    link set eth1 addrgenmode none
    link set eth2 addrgenmode none
    link set eth3 addrgenmode none
    link set docker0 addrgenmode none
    link set br0 addrgenmode none
    link set p0 addrgenmode none
    link set p1 addrgenmode none
    link set p2 addrgenmode none
    link set p3 addrgenmode none
    link set p0 up
    link set p1 up
    link set p2 up
    link set p3 up
    link set eth0 up
    link set eth1 up
    link set eth2 up
    link set eth3 up
    link set docker0 up
    link set br0 up
";

/// What comes and goes as an address does: `add` or `del` for the `~`. Mostly there. Protocols by
/// number: in a batch ip(8) mistakes a name for the number that it read last.
const COMMON: [&str; 34] = [
    "addr ~ 10.0.2.5/24 dev eth1",
    "addr ~ 10.0.2.6/24 dev eth1",
    "addr ~ 10.0.4.5/32 dev eth1",
    "addr ~ 10.0.5.5 peer 10.0.5.6/32 dev eth1",
    "addr ~ 10.0.3.5/24 dev eth2",
    "addr ~ 10.0.1.5/24 dev eth0",
    "addr ~ 10.0.2.77/24 dev eth0",
    "addr ~ 172.17.0.1/16 dev docker0",
    "addr ~ 2001:db8:2::5/64 dev eth1 nodad",
    "addr ~ 2001:db8:2::6/128 dev eth1 nodad",
    "addr ~ 2001:db8:3::5/64 dev eth2 nodad",
    // Without a carrier its duplicate check never ends.
    "addr ~ 2001:db8:4::5/64 dev eth3",
    "addr ~ 2001:db8:17::1/64 dev docker0 nodad",
    "addr ~ fe80::41/64 dev eth1 nodad",
    "addr ~ fe80::40/64 dev eth0 nodad",
    "route ~ default via 10.0.1.1 dev eth0",
    "route ~ default via 10.0.2.1 dev eth1 metric 200",
    "route ~ default via 10.0.3.1 dev eth2 metric 300",
    "route ~ 10.66.0.0/16 via 10.0.2.2 dev eth1",
    "route ~ 10.68.0.0/16 via 10.0.2.3 dev eth1 table 7",
    "route ~ 10.69.0.0/16 nexthop via 10.0.1.1 dev eth0 nexthop via 10.0.2.4 dev eth1",
    "-6 route ~ default via fe80::1 dev eth1 metric 200",
    "-6 route ~ 2001:db8:66::/64 via fe80::2 dev eth1",
    "-6 route ~ 2001:db8:67::/64 via 2001:db8:2::1 dev eth1",
    "-6 route ~ default via 2001:db8:3::1 dev eth2 metric 300",
    "route ~ 10.88.0.0/16 via 172.17.0.9 dev docker0",
    "route ~ 10.89.0.0/16 dev docker0 proto 4 metric 5",
    "route ~ 10.89.0.0/16 via 172.17.0.7 dev docker0 metric 9",
    "route ~ 10.90.0.0/16 via 192.0.2.77 dev docker0 onlink",
    "route ~ 10.91.0.0/16 via inet6 2001:db8:17::9 dev docker0",
    "-6 route ~ 2001:db8:88::/64 via 2001:db8:17::9 dev docker0",
    "route ~ 10.70.0.0/16 proto 12 dev docker0",
    "route ~ unreachable 10.71.0.0/16",
    "route ~ 10.72.0.0/16 nexthop via 172.17.0.8 nexthop via 172.17.0.9",
];

/// What is in the way of something: mostly not there.
const RARE: [&str; 26] = [
    "addr ~ 169.254.7.7/16 dev eth1",
    "addr ~ 10.0.6.77/24 dev eth1 scope link",
    "addr ~ 1.2.3.4/0 dev eth1",
    "route ~ default dev eth2 metric 900",
    "-6 route ~ default dev eth2 metric 900",
    "route ~ default dev docker0 metric 777",
    "-6 route ~ 2000::/3 dev docker0 metric 99",
    "route ~ unreachable 10.0.2.2/32",
    "route ~ 10.0.2.3/32 via 10.0.2.1 dev eth1",
    "route ~ 10.88.0.0/16 dev lo metric 3",
    "rule ~ fwmark 7 lookup 241 priority 90",
    "-6 rule ~ fwmark 7 lookup 243 priority 90",
    "rule ~ from 9.9.9.9 lookup 7 priority 32002",
    "rule ~ from 9.9.9.9 blackhole priority 32003",
    "-6 rule ~ from 2001:db8::9 lookup 7 priority 32003",
    "rule ~ from 10.0.2.5 lookup 241 priority 32002 protocol 4",
    "route ~ unreachable 9.9.9.0/24 table 241",
    "route ~ 9.9.9.0/24 dev docker0 table 243",
    "-6 route ~ unreachable 2001:db8:9::/64 table 241",
    "rule ~ lookup local priority 100",
    "link set eth2 ~master",
    "link ~ eth3",
    "local ~",
    "local ~",
    "local ~",
    "name ~ eth1",
];

/// What carries our number and is not what a helper of today would make. SyncEnd's to remove.
const STALE: [&str; 12] = [
    "rule ~ from 10.0.2.9 lookup 241 priority 32002 protocol 110",
    "rule ~ from 10.0.2.5 lookup 1241 priority 5002 protocol 110",
    "rule ~ fwmark 5 blackhole priority 4000 protocol 110",
    "-6 rule ~ to 2001:db8:2::9 lookup 241 priority 32003 protocol 110",
    "route ~ default via 10.0.2.1 dev eth1 table 1241 proto 110",
    "route ~ default via 10.0.2.9 dev eth1 table 241 proto 110",
    "route ~ default via 10.0.2.9 dev eth1 metric 7 table 241 proto 110",
    "route ~ 10.55.0.0/16 dev docker0 table 241 proto 110",
    "route ~ 10.56.0.0/16 table 241 proto 110 nexthop via 172.17.0.8 nexthop via 172.17.0.9",
    "-6 route ~ 2001:db8:55::/64 dev docker0 table 241 proto 110",
    "route ~ unreachable default table 243 proto 110 metric 4294967295",
    "route ~ blackhole default table 241 proto 110 metric 4294967295",
];

/// What happens at once: links that go down and up, managers that clean up.
const SUDDEN: [&str; 14] = [
    "link set eth0 down",
    "link set eth0 up",
    "link set eth1 down",
    "link set eth1 up",
    "link set eth1 up",
    "link set eth2 down\nlink set eth2 up",
    "link set docker0 down",
    "link set docker0 up",
    "rule del priority 32002",
    "rule del priority 32003",
    "-6 rule del priority 32002",
    "route flush table 241",
    "-6 route flush table 241",
    "route flush table 243",
];

/// One thing that happens. A `110` in it says that it makes something of ours.
pub(crate) fn happening(random: &mut Random) -> String {
    let (line, there) = match random.below(20) {
        0..=9 => (random.of(&COMMON), random.below(4) > 0),
        10..=11 => (random.of(&RARE), random.below(8) == 0),
        12..=13 => (random.of(&RARE), false),
        14..=15 => (random.of(&STALE), random.below(2) == 0),
        16 => (random.of(&SUDDEN), true),
        // A manager that puts everything right.
        _ => {
            let up = "link set eth0 up\nlink set eth1 up\nlink set eth2 up\nlink set docker0 up\n".to_owned();
            return up + &COMMON.join("\n").replace('~', "add");
        }
    };
    match (line, there) {
        ("link set eth2 ~master", true) => "link set eth2 master br0".to_owned(),
        ("link set eth2 ~master", false) => "link set eth2 nomaster".to_owned(),
        ("link ~ eth3", true) => "link del eth3".to_owned(),
        ("link ~ eth3", false) => "link add eth3 index 44 type veth peer name p4 index 144
            link set eth3 addrgenmode none\nlink set eth3 up"
            .to_owned(),
        ("local ~", true) => "rule add lookup local priority 32500\nrule del priority 0".to_owned(),
        ("local ~", false) => "rule add lookup local priority 0\nrule del priority 32500".to_owned(),
        ("name ~ eth1", true) => "link set eth1 down\nlink set eth1 name hid1\nlink set hid1 up".to_owned(),
        ("name ~ eth1", false) => "link set hid1 down\nlink set hid1 name eth1\nlink set eth1 up".to_owned(),
        (line, there) => line.replace('~', if there { "add" } else { "del" }),
    }
}
