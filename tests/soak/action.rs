//! What can happen to a host and its daemon, drawn from a seed: the sequence is a function of the seed
//! and of nothing that the machine answers.

use crate::random::Random;
use std::fmt;

/// Links that the configuration may name, and the third byte of their addresses.
const LINKS: [(&str, u32); 2] = [("eth1", 1), ("eth2", 2)];
/// Actions of a season. In the first tenth of each processes are killed and managers restarted, in the
/// rest nothing is, so that whoever grows lives long enough for it to show.
const SEASON: u64 = 2_000;

/// One action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Lines for `ip -force -batch`; many fail, for instance a deletion of what is not there.
    Ip(String),
    /// A rule of somebody else's is added, or deleted: (priority, words).
    ForeignRule { add: bool, rule: (u32, u32) },
    /// So many routes through eth0 come and go, as fast as the kernel takes them.
    Flood(u32),
    /// The same while the worker is stopped: more than its buffer holds.
    Overrun,
    /// Another program deletes what is netevd's.
    Wipe,
    /// A good configuration, with these links managed, is read.
    Reload { managed: Vec<&'static str>, variant: u32, by_api: bool },
    /// A faulty one is to be refused.
    BadReload { variant: u32, by_api: bool },
    /// The audit log is moved away, and SIGHUP says so.
    Rotate,
    /// The audit log's disk is full until the next rest.
    FillDisk,
    /// From now on until the next rest scripts hang, fork, print or fail.
    Scripts(&'static str),
    /// A client of the API.
    Client(Client),
    /// SIGKILL for one of the daemon's processes; the service manager starts it again.
    Kill(&'static str),
    /// SIGTERM and a new start.
    Restart,
    /// A service of the distribution is restarted: the bus, or networkd.
    Manager(&'static str),
}

/// How a client of the API behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// Reads all documents and the metrics.
    Scrapes,
    /// Follows events until the next rest, and reads what comes.
    Streams,
    /// Follows events until the next rest, and reads nothing.
    Stalls,
    /// Sends half a request and waits.
    Hesitates,
    /// Asks and goes without an answer.
    Vanishes,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Ip(lines) => write!(f, "ip {}", lines.trim_end().replace('\n', "; ip ")),
            other => write!(f, "{other:?}"),
        }
    }
}

/// The next action, the `number`-th of all (from 0).
pub(crate) fn draw(random: &mut Random, number: u64, with_managers: bool) -> Action {
    let is_rough = number % SEASON < SEASON / 10;
    if is_rough && random.once_in(12) {
        return match random.below(if with_managers { 6 } else { 4 }) {
            0 => Action::Kill("netevd-worker"),
            1 => Action::Kill("netevd-priv"),
            2 => Action::Restart,
            3 => Action::Wipe,
            4 => Action::Manager("dbus"),
            _ => Action::Manager("networkd"),
        };
    }
    match random.below(100) {
        0..=64 => Action::Ip(change(random)),
        65..=68 => {
            let rule = (100 + random.below(6), random.below(4));
            Action::ForeignRule { add: !random.once_in(3), rule }
        }
        69..=71 => Action::Flood(500 + random.below(3_000)),
        72 if random.once_in(4) => Action::Overrun,
        72 | 73 if random.once_in(4) => Action::Wipe,
        72..=74 => {
            let managed: [&[&'static str]; 3] = [&["eth1", "eth2"], &["eth1"], &["eth1", "eth2"]];
            let managed = random.of(&managed).to_vec();
            Action::Reload { managed, variant: random.below(4), by_api: random.once_in(2) }
        }
        75 | 76 => Action::BadReload { variant: random.below(3), by_api: random.once_in(2) },
        77 => Action::Rotate,
        78 => Action::FillDisk,
        79..=82 => Action::Scripts(random.of(&["hang", "stubborn", "fork", "loud", "fail"])),
        _ => Action::Client(random.of(&[
            Client::Scrapes,
            Client::Scrapes,
            Client::Streams,
            Client::Stalls,
            Client::Hesitates,
            Client::Vanishes,
        ])),
    }
}

/// A change by an administrator, a DHCP client, a router, or a cable.
fn change(random: &mut Random) -> String {
    let (link, third) = random.of(&LINKS);
    let n = 2 + random.below(6);
    match random.below(30) {
        0..=3 => format!("addr add 10.0.{third}.{n}/24 dev {link}"),
        4 => format!("addr add 10.8.{third}.{n}/32 dev {link}"),
        5 | 6 => format!("addr del 10.0.{third}.{n}/24 dev {link}"),
        7 => format!("addr del 10.8.{third}.{n}/32 dev {link}"),
        8 | 9 => format!("addr add 2001:db8:{third}::{n}/64 dev {link} nodad"),
        10 => format!("addr del 2001:db8:{third}::{n}/64 dev {link}"),
        11 => format!(
            "link set {} {}",
            random.of(&["eth0", "eth1", "eth2", "docker0"]),
            random.of(&["up", "down"])
        ),
        12 | 13 => format!("link set {link} up\nlink set eth0 up\nlink set docker0 up"),
        14 => format!("link set {link} down\nlink set {link} up\n").repeat(1 + n as usize),
        15 | 16 => {
            let (verb, gateway) = (random.of(&["add", "replace"]), random.of(&[1, 251, 252]));
            // The kernel keeps a route whose gateway's subnet went, and refuses the same one in another table.
            format!(
                "route add 10.0.{third}.0/24 dev {link} scope link metric 900\nroute {verb} default via 10.0.{third}.{gateway} dev {link} metric {}",
                random.of(&[200, 201])
            )
        }
        17 => format!("route del default dev {link} metric {}", random.of(&[200, 201])),
        18 => {
            let (verb, gateway) = (random.of(&["add", "replace"]), random.of(&["fe80::1", "fe80::2"]));
            format!("route {verb} default via {gateway} dev {link} metric 300")
        }
        19 => {
            let verb = random.of(&["add", "del"]);
            format!("route {verb} default via 10.0.{third}.253 dev {link} table 500{third} metric 50")
        }
        20 | 21 => {
            let (verb, protocol) =
                (random.of(&["add", "replace"]), random.of(&["static", "boot", "dhcp", "bird"]));
            format!(
                "route {verb} 10.244.{n}.0/24 dev docker0 protocol {protocol} metric {}",
                random.of(&[0, 10])
            )
        }
        22 => format!("route del 10.244.{n}.0/24"),
        23 => format!("link set {link} mtu {}", 1280 + 10 * n),
        24 => format!("link set {link} {}", random.of(&["master br9", "nomaster", "nomaster"])),
        25 => {
            ["down", "name eth9"].map(|what| format!("link set eth2 {what}\n")).concat()
                + &["up", "down", "name eth2"].map(|what| format!("link set eth9 {what}\n")).concat()
                + "link set eth2 up"
        }
        26 => "link del eth2\nlink add name eth2 type veth peer name eth2p netns isp\nlink set eth2 up"
            .to_owned(),
        27 => {
            format!("link add name tap{n} type bridge\naddr add 10.6.{n}.1/24 dev tap{n}\nlink set tap{n} up")
        }
        28 => format!("link del tap{n}"),
        _ => format!("route {} 2001:db8:d{n}::/64 dev docker0", random.of(&["add", "del"])),
    }
}
