//! From a new lease in dhclient's file to the first instruction of a script. The leases are
//! written here as dhclient writes them, appended to a file that stays open and is synchronised;
//! a server that hands out another address each time would measure the server.

use crate::bus::now;
use crate::compiled::copy_compiled;
use crate::events::times;
use crate::figures::Figures;
use crate::goal::Goal;
use crate::report::{Report, Row};
use crate::support::{Host, wait_for};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

const SAMPLES: usize = 120;
/// Not counted: caches and page tables are cold.
const WARM_UP: usize = 5;
const LINK: &str = "eth5";
const FILE: &str = "/var/lib/dhcp/dhclient.eth5.leases";
/// After a script, for everything to come to rest.
const PAUSE: Duration = Duration::from_millis(10);

/// A new lease is read when its file was quiet for 25 ms, and waits up to 20 ms more for its address
/// and its router's route.
pub(crate) fn run(report: &mut Report) {
    let rows = [
        ("lease_to_script", "lease file to script, no address", false),
        ("lease_to_script_address", "lease file to script, address follows", true),
    ];
    for (key, what, follows) in rows {
        let figures = Figures::new(measure(follows));
        report.row(Row::new(key, what, "us", figures).goal(Goal::Most(60_000.0)));
    }
}

/// A new address in each sample. With `follows` it is put on the link right after, and the route
/// by the lease's router, as dhclient's script does; without they never come. Nanoseconds from the
/// end of the write.
fn measure(follows: bool) -> Vec<i64> {
    let host = crate::machine("bench: leases");
    host.veth(LINK, 55);
    host.write("/out/probe", "", 0o666);
    copy_compiled(&host, "probe", "/etc/netevd/routable.d/10-probe");
    host.config(&format!(
        "system: {{ backend: dhclient, startup_events: false }}\n\
         monitoring: {{ interfaces: [{LINK}] }}\n"
    ));
    host.write(FILE, "", 0o644);
    let mut file = OpenOptions::new().append(true).open(host.path(FILE)).unwrap();
    let mut addresses = Addresses::start(&host);
    let daemon = host.start_daemon();
    daemon.await_log(&["dhclient:", "lease files at"]);
    let mut asked = Vec::new();
    for number in 0..WARM_UP + SAMPLES {
        let address = format!("203.0.113.{}", 2 + number % 250);
        asked.push(write(&mut file, &address));
        if follows {
            addresses.say(&address);
        }
        let lines = || host.read("/out/probe").lines().count();
        wait_for("the script ran", || host.log(), || lines() >= asked.len());
        if follows {
            addresses.say("flush");
        }
        std::thread::sleep(PAUSE);
    }
    times(&host, asked).split_off(WARM_UP)
}

/// Appends a lease. The time after it, CLOCK_MONOTONIC.
fn write(file: &mut File, address: &str) -> i64 {
    let text = format!(
        "lease {{\n  interface \"{LINK}\";\n  fixed-address {address};\n  option subnet-mask 255.255.255.0;\n  \
         option routers 203.0.113.1;\n  option dhcp-lease-time 3600;\n  option dhcp-message-type 5;\n  \
         option domain-name-servers 203.0.113.1;\n  option dhcp-server-identifier 203.0.113.1;\n  \
         option domain-name \"bench.example\";\n  renew never;\n  rebind never;\n  expire never;\n}}\n"
    );
    file.write_all(text.as_bytes()).unwrap();
    file.sync_all().unwrap();
    now()
}

/// A shell in the machine that puts addresses on the link, with a default route.
struct Addresses {
    child: Child,
    stdin: ChildStdin,
}

impl Addresses {
    fn start(host: &Host) -> Addresses {
        let script = format!(
            "while read -r line; do case $line in\n\
             flush) ip addr flush dev {LINK} ;;\n\
             *) ip addr add $line/24 dev {LINK}; ip route add default via 203.0.113.1 metric 900 ;;\n\
             esac; done"
        );
        let mut command = host.command(&["sh", "-c", &script]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("sh starts");
        let stdin = child.stdin.take().unwrap();
        Addresses { child, stdin }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
