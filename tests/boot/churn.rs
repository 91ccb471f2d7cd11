//! Either side is killed, restarted or stopped at any moment, while addresses and routes change.
//!
//! After each round all is as if nothing had happened: the same rules and routes, each side one
//! process with as many descriptors as before, one connection, nothing left over, every event told
//! once. Moments and actions come from a seed, which a failure names; NETEVD_SEED gives another.

use crate::machine::Machine;
use crate::on_each_suite;
use crate::wait::wait_for;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const ROUNDS: u32 = 24;
const SOCKET: &str = "/run/netevd-priv/channel.sock";

/// What is done to the services; $W and $H are the main processes.
const ACTIONS: [&str; 9] = [
    "kill -KILL $W",
    "kill -KILL $H",
    "kill -KILL $W $H",
    "kill -KILL $W; systemctl restart netevd-priv",
    "systemctl restart netevd",
    "systemctl restart netevd-priv",
    "systemctl restart netevd.socket; systemctl start netevd",
    // A stop in the middle of a start, and of a restart after a death.
    "systemctl restart --no-block netevd; sleep 0.0$PAUSE; systemctl stop netevd; systemctl start netevd",
    "kill -KILL $H; sleep 0.0$PAUSE; systemctl stop netevd; systemctl start netevd",
];

/// Told once for each address, and again for none that was there already.
const NOTE: &str = "#!/bin/sh\necho \"$LINK $ADDRESS\" >>/out/told\n";

/// Numbers from a seed (splitmix64).
struct Seed(u64);

impl Seed {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (number ^ (number >> 31)) % end
    }
}

#[test]
fn whatever_is_killed_and_whenever_nothing_is_left_of_it() {
    let given = std::env::var("NETEVD_SEED").ok().and_then(|text| text.parse().ok());
    let start = given.unwrap_or(20_261_124);
    on_each_suite(&[("/etc/netevd/address-added.d/10-note", NOTE, 0o755)], |machine| {
        let mut seed = Seed(start);
        machine.sh("sysctl -qw net.ipv4.conf.up1.promote_secondaries=1");
        let calm = settle(machine, "at first", &BTreeSet::from(["192.0.2.34".to_owned()]));
        let mut marks = String::new();
        for round in 0..ROUNDS {
            // Every action comes up, in turn with the seed's choice.
            let chosen = if round < 9 { u64::from(round) } else { seed.below(9) };
            let action = ACTIONS[usize::try_from(chosen).expect("small")];
            let what = format!("seed {start}, round {round}: {action}");
            let stay = one_round(machine, &mut seed, action);
            let now = settle(machine, &what, &stay);
            assert_eq!(now, calm, "{what}: something leaked\n{}", machine.journal());
            // What happens from now on is told, once.
            let mark = format!("203.0.113.{}", round + 1);
            machine.sh(&format!("ip addr add {mark}/32 dev up0"));
            let _ = writeln!(marks, "up0 {mark}");
            machine.await_text(&what, "cat /out/told", |told| told.contains(&format!("up0 {mark}\n")));
            // A stop forgets, and what is there is told again.
            machine.sh(&format!("ip addr del {mark}/32 dev up0"));
        }
        let told = machine.sh("grep '^up0 203' /out/told");
        assert_eq!(told, marks, "seed {start}: each mark is told once, in order");
        // Nothing but what a daemon that never knew of it all puts there.
        let ours = machine.ours();
        machine.sh("systemctl stop netevd; netevd flush; systemctl start netevd");
        machine.await_text("the same again", crate::RULES, |fresh| fresh == ours);
    });
}

/// Changes addresses and routes of up1 and does `action` meanwhile. The addresses that stay.
fn one_round(machine: &Machine, seed: &mut Seed, action: &str) -> BTreeSet<String> {
    let mut stay = BTreeSet::from(["192.0.2.34".to_owned()]);
    let mut changes = String::new();
    for number in 40..48 {
        let address = format!("192.0.2.{number}");
        let last = if seed.below(2) == 0 { "del" } else { "replace" };
        let other = if last == "del" { "replace" } else { "del" };
        let _ = writeln!(
            changes,
            "ip addr {other} {address}/27 dev up1 2>/dev/null; ip route replace 198.51.100.{number} via \
             192.0.2.33 dev up1; ip addr {last} {address}/27 dev up1 2>/dev/null"
        );
        if last == "replace" {
            stay.insert(address);
        }
    }
    let moment = seed.below(60);
    let pause = seed.below(10);
    machine.sh(&format!(
        "W=$(systemctl show --value --property MainPID netevd)
         H=$(systemctl show --value --property MainPID netevd-priv)
         PAUSE={pause}
         # Ten starts in half a minute are a fault; here they are the test.
         systemctl reset-failed netevd netevd-priv netevd.socket
         (
         {changes}
         ) &
         sleep 0.{moment:03}
         {action}
         wait"
    ));
    stay
}

/// Waits until rules stand for exactly these addresses and both sides are at rest; what must not
/// grow.
fn settle(machine: &Machine, what: &str, stay: &BTreeSet<String>) -> String {
    let explain = || format!("{}\n{}\n{}", machine.ours(), leftovers(machine), machine.journal());
    wait_for(what, explain, || {
        let status = machine.run("systemctl show --value --property StatusText netevd").text;
        addresses(&machine.ours()) == (stay.clone(), stay.clone())
            && crate::is_whole(&machine.ours())
            && status.contains("policy routing on")
            && machine.property("netevd", "ActiveState") == "active"
            && machine.property("netevd-priv", "ActiveState") == "active"
            && leftovers(machine).starts_with("netevd 1 netevd-priv 1 zombies 0 connections 1 ")
    });
    leftovers(machine)
}

/// The addresses of the rules `from` and of those `to`.
fn addresses(ours: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let after = |word: &str| {
        let rules = ours.lines().filter(|line| line.contains(" lookup "));
        let words = rules.map(|line| line.split_whitespace().skip_while(|w| *w != word).nth(1));
        words.flatten().filter(|address| *address != "all").map(str::to_owned).collect()
    };
    (after("from"), after("to"))
}

/// Processes of each side's user, zombies, connections, descriptors of each, and what lies about.
fn leftovers(machine: &Machine) -> String {
    let count = format!(
        "for u in netevd netevd-priv; do echo $u $(pgrep -c -u $u); done
         echo zombies $(ps -eo stat= | grep -c ^Z)
         echo connections $(ss -Hxn state established 'src = {SOCKET}' | wc -l)
         for u in netevd netevd-priv; do
             P=$(systemctl show --value --property MainPID $u)
             echo $(ls /proc/$P/fd | wc -l) descriptors $(ls /proc/$P/task | wc -l) threads
         done
         echo $(ls -d /tmp/systemd-private-*-netevd* /var/tmp/systemd-private-*-netevd* | wc -l) directories
         ls /run/netevd /run/netevd-priv"
    );
    machine.run(&count).text.split_whitespace().collect::<Vec<_>>().join(" ")
}
