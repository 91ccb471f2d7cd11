//! Who waits for whom, and what a queue that is behind may leave out.

use super::machine;
use crate::support::{Host, Record, wait_for};
use std::collections::BTreeMap;

/// A script that waits until the file /out/go is there.
const WAITS: &str = "#!/bin/sh\ntouch /out/waiting\nuntil [ -e /out/go ]; do sleep 0.02; done\n";

fn await_file(host: &Host, path: &str) {
    wait_for(path, || host.log(), || host.path(path).exists());
}

#[test]
fn scripts_a_slow_script_on_one_link_delays_no_other() {
    let Some(host) = machine("scripts_a_slow_script_on_one_link_delays_no_other") else { return };
    host.recorder("configured", "10-slow", "sleep=5000");
    host.recorder("address-added", "10-quick", "");
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth0");
    host.await_run("configured", "eth0");
    // While eth0's script sleeps for five seconds:
    host.ip("addr add 198.51.100.2/24 dev eth1");
    host.await_run("address-added", "eth1");
    let both = host.await_run("configured", "eth1");
    assert!(both.started() > 0);
    assert!(host.ends("10-slow").is_empty(), "eth0's script still sleeps");
}

#[test]
fn scripts_run_in_order_on_their_own_link() {
    let Some(host) = machine("scripts_run_in_order_on_their_own_link") else { return };
    host.recorder("address-added", "10-note", "sleep=30");
    host.recorder("address-removed", "10-note", "sleep=10");
    let _daemon = host.start_daemon();
    let mut batch = String::new();
    let mut expected = Vec::new();
    for n in 2..22 {
        batch += &format!("addr add 10.0.0.{n}/32 dev eth1\naddr del 10.0.0.{n}/32 dev eth1\n");
        expected.push(("address-added".to_owned(), format!("10.0.0.{n}")));
        expected.push(("address-removed".to_owned(), format!("10.0.0.{n}")));
    }
    host.ip_batch(&batch, false);
    let records = host.await_records("all of them", |records| records.len() >= expected.len());
    let seen: Vec<_> =
        records.iter().map(|r| (r.env("EVENT").to_owned(), r.env("ADDRESS").to_owned())).collect();
    assert_eq!(seen, expected);
    let numbers: Vec<u64> = records.iter().map(|r| r.env("EVENT_ID").parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    // One after the other, never side by side: each started after the one before had ended.
    let ends = host.ends("10-note");
    for (end, next) in ends.iter().zip(records.iter().skip(1)) {
        assert!(*end <= next.started());
    }
}

#[test]
fn scripts_level_events_coalesce_and_say_how_many() {
    let Some(host) = machine("scripts_level_events_coalesce_and_say_how_many") else { return };
    host.script("address-added", "10-wait", WAITS);
    host.recorder("mtu", "10-note", "");
    host.recorder("carrier", "10-note", "");
    host.recorder("no-carrier", "10-note", "");
    let _daemon = host.start_daemon();
    let at_start = host.await_records("the carrier at start", |records| records.len() >= 2).len();
    host.ip("addr add 10.0.0.2/32 dev eth1");
    await_file(&host, "/out/waiting");
    // Behind the waiting script: 40 changes of the MTU, and the link down and up five times.
    let mtus: String = (1..=40).map(|n| format!("link set eth1 mtu {}\n", 1400 + n)).collect();
    host.ip_batch(&mtus, false);
    host.ip_batch(&"link set eth1 down\nlink set eth1 up\n".repeat(5), false);
    // Another link's script says when all that has been read.
    host.ip("link set eth0 mtu 1300");
    host.await_run("mtu", "eth0");
    host.sh("touch /out/go");

    let of = |event: &str, records: &[Record]| -> Vec<Record> {
        records[at_start..].iter().filter(|r| r.what() == (event, "eth1")).cloned().collect()
    };
    host.await_records("the newest state", |records| {
        of("carrier", records).last().is_some() && !of("mtu", records).is_empty()
    });
    let records = host.records();
    let mtu = of("mtu", &records);
    let skipped: u64 = mtu.iter().map(|r| r.env("SKIPPED").parse::<u64>().unwrap()).sum();
    let ran = u64::try_from(mtu.len()).unwrap();
    assert_eq!(ran + skipped, 40, "each change ran or was counted");
    assert!(ran < 5, "and most were counted: {ran}");
    assert_eq!(mtu.last().unwrap().env("MTU"), "1440");
    let document = mtu.last().unwrap().document();
    assert_eq!(
        document["mtu"],
        serde_json::json!({ "old": 1500, "new": 1440 }),
        "the oldest old value is kept"
    );

    let down = of("no-carrier", &records);
    let up = of("carrier", &records);
    let last = up.last().unwrap();
    assert!(down.len() + up.len() < 10, "{} down, {} up", down.len(), up.len());
    assert_eq!(last.env("STATE"), "carrier", "the newest state is the last to run");
    assert!(
        last.env("SKIPPED").parse::<u64>().unwrap()
            + down.iter().map(|r| r.env("SKIPPED").parse::<u64>().unwrap()).sum::<u64>()
            > 0
    );
}

#[test]
fn scripts_edge_events_are_never_dropped() {
    let Some(host) = machine("scripts_edge_events_are_never_dropped") else { return };
    host.script("configured", "10-wait", WAITS);
    host.recorder("address-added", "10-note", "");
    host.recorder("address-removed", "10-note", "");
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    await_file(&host, "/out/waiting");
    let lines = |verb: &str| -> String {
        (0..150).map(|n| format!("addr {verb} 10.0.0.{n}/32 dev eth1\n")).collect()
    };
    host.ip_batch(&lines("add"), false);
    host.ip_batch(&lines("del"), false);
    host.sh("touch /out/go");
    let count = |records: &[Record], event: &str| {
        let mut seen: Vec<_> = records
            .iter()
            .filter(|r| r.env("EVENT") == event && r.env("ADDRESS").starts_with("10."))
            .map(|r| r.env("ADDRESS"))
            .collect();
        seen.dedup();
        seen.len()
    };
    let records = host.await_records("150 additions and 150 removals", |records| {
        count(records, "address-added") == 150 && count(records, "address-removed") == 150
    });
    assert!(records.iter().all(|record| record.env("SKIPPED") == "0"));
}

#[test]
fn scripts_route_changes_are_gathered_and_none_is_lost() {
    let Some(host) = machine("scripts_route_changes_are_gathered_and_none_is_lost") else { return };
    host.script("configured", "10-wait", WAITS);
    host.recorder("routes", "10-note", "");
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    await_file(&host, "/out/waiting");
    let lines: String =
        (0..250).map(|n| format!("route add 10.1.{n}.0/24 via 192.0.2.1 dev eth1\n")).collect();
    host.ip_batch(&lines, false);
    host.sh("touch /out/go");
    let told = |records: &[Record]| -> Vec<String> {
        let routes =
            records.iter().flat_map(|r| r.document()["routes"].as_array().cloned().unwrap_or_default());
        let names = routes.map(|route| route["destination"].as_str().unwrap_or_default().to_owned());
        names.filter(|destination| destination.starts_with("10.1.")).collect()
    };
    let records = host.await_records("250 additions", |records| told(records).len() >= 250);
    let expected: Vec<String> = (0..250).map(|n| format!("10.1.{n}.0/24")).collect();
    assert_eq!(told(&records), expected, "in order, each once");
    assert!(records.len() < 20, "in {} runs", records.len());
}

/// A device under `name` gets a marker from link-added.d, and loses it by link-removed.d, which is slow.
const MARKS: [(&str, &str); 2] = [
    ("link-added", "#!/bin/sh\necho \"added $LINKINDEX\" >>/out/lives; touch /out/marker.$LINK\n"),
    (
        "link-removed",
        "#!/bin/sh\nsleep 0.05; rm -f /out/marker.$LINK; echo \"removed $LINKINDEX\" >>/out/lives\n",
    ),
];

/// The lines that the scripts wrote so far.
fn lives(host: &Host) -> Vec<String> {
    let text = std::fs::read_to_string(host.path("/out/lives")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn scripts_a_link_made_again_under_its_name_follows_the_old_one() {
    let test = "scripts_a_link_made_again_under_its_name_follows_the_old_one";
    let Some(host) = machine(test) else { return };
    host.config("system: { backend: kernel }\nmonitoring: { interfaces: [\"wg*\"] }\n");
    for (event, text) in MARKS {
        host.script(event, "10-mark", text);
    }
    let _daemon = host.start_daemon();
    host.ip("link add wg0 index 100 type bridge");
    await_file(&host, "/out/marker.wg0");
    let mut expected = vec!["added 100".to_owned()];
    for index in 101..=120 {
        host.ip_batch(&format!("link del wg0\nlink add wg0 index {index} type bridge\n"), false);
        expected.extend([format!("removed {}", index - 1), format!("added {index}")]);
        wait_for("both scripts", || host.log(), || lives(&host).len() == expected.len());
        await_file(&host, "/out/marker.wg0");
    }
    assert_eq!(lives(&host), expected);

    // Renamed away and back: each new name is another link to scripts, and the order is the same.
    host.ip_batch("link set wg0 name aside\nlink set aside name wg0\n", false);
    expected.extend(["removed 120", "added 120"].map(str::to_owned));
    wait_for("both scripts", || host.log(), || lives(&host).len() == expected.len());
    assert_eq!(lives(&host), expected);
    await_file(&host, "/out/marker.wg0");
    host.ip("link del wg0");
    wait_for("no marker", || host.log(), || !host.path("/out/marker.wg0").exists());
}

/// Numbers that look random, the same each time (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }
}

/// Links as the test makes them: index, and whether it is up.
#[derive(Default)]
struct Lives {
    there: BTreeMap<usize, (u32, bool)>,
    index: u32,
    /// Beginnings and ends of each name, as scripts should tell them.
    expected: [Vec<String>; 3],
}

impl Lives {
    /// A line for ip(8): what chance wants next.
    fn next(&mut self, numbers: &mut Numbers) -> String {
        let (name, other, what) = (numbers.below(3), numbers.below(3), numbers.below(4));
        let Some((index, up)) = self.there.get(&name).copied() else {
            self.index += 1;
            let index = 100 + self.index;
            self.there.insert(name, (index, false));
            self.expected[name].push(format!("link-added {index}"));
            return format!(
                "link add wg{name} index {index} type veth peer name peer{index}\nlink set peer{index} up\n"
            );
        };
        match what {
            0 => {
                self.there.remove(&name);
                self.expected[name].push(format!("link-removed {index}"));
                format!("link del wg{name}\n")
            }
            // Kernels before 6.2 rename no link that is up.
            1 if !up && !self.there.contains_key(&other) => {
                self.there.remove(&name);
                self.there.insert(other, (index, false));
                self.expected[name].push(format!("link-removed {index}"));
                self.expected[other].push(format!("link-added {index}"));
                format!("link set wg{name} name wg{other}\n")
            }
            _ => {
                self.there.insert(name, (index, !up));
                format!("link set wg{name} {}\n", if up { "down" } else { "up" })
            }
        }
    }
}

#[test]
fn scripts_the_last_one_of_each_name_agrees_with_what_is() {
    let test = "scripts_the_last_one_of_each_name_agrees_with_what_is";
    let Some(host) = machine(test) else { return };
    host.config("system: { backend: kernel }\nmonitoring: { interfaces: [\"wg*\"] }\n");
    // Slow, and not all equally.
    let tells = "#!/bin/sh\nsleep 0.0$(($$ % 5))\necho $EVENT $LINKINDEX >>/out/ran.$LINK\n";
    for event in ["link-added", "link-removed", "carrier", "no-carrier"] {
        host.script(event, "10-tell", tells);
    }
    let daemon = host.start_daemon();
    for seed in 1..=3 {
        let (mut numbers, mut lives) = (Numbers(seed), Lives::default());
        host.sh("rm -f /out/ran.*");
        for _ in 0..40 {
            let lines: String = (0..=numbers.below(5)).map(|_| lives.next(&mut numbers)).collect();
            host.ip_batch(&lines, false);
        }
        let ran = |name: usize| -> Vec<String> {
            let text = std::fs::read_to_string(host.path(&format!("/out/ran.wg{name}"))).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        let edges = |name: usize| ran(name).into_iter().filter(|line| line.starts_with("link-")).collect();
        let states = |name: usize| ran(name).into_iter().filter(|line| !line.starts_with("link-"));
        // What the link is: told last, after its beginning.
        let is_told = |name: usize| {
            let last = lives
                .there
                .get(&name)
                .map(|(index, up)| format!("{} {index}", if *up { "carrier" } else { "no-carrier" }));
            last.is_none_or(|last| states(name).next_back() == Some(last))
        };
        let told = || (0..3).map(ran).collect::<Vec<_>>();
        let explain = || format!("seed {seed}: {:#?}\n{:#?}\n{}", lives.expected, told(), host.log());
        for name in 0..3 {
            let all = || -> Vec<String> { edges(name) };
            wait_for("each beginning and end, and the last state", explain, || {
                all().len() >= lives.expected[name].len() && is_told(name)
            });
            assert_eq!(all(), lives.expected[name], "{}", explain());
        }
        for name in lives.there.keys() {
            host.ip(&format!("link del wg{name}"));
            let count = lives.expected[*name].len() + 1;
            let all = || -> Vec<String> { edges(*name) };
            wait_for("the end", explain, || all().len() == count);
        }
    }
    assert_eq!(daemon.stop().status, 0);
}

#[test]
fn scripts_a_link_gets_its_turn_before_the_second_scripts_of_others() {
    let test = "scripts_a_link_gets_its_turn_before_the_second_scripts_of_others";
    let Some(host) = machine(test) else { return };
    host.config(
        "system: { backend: kernel }\nmonitoring: { interfaces: [\"s*\", \"eth*\"] }\nscripts: { max_parallel: 3 }\n",
    );
    // Each event has four scripts that wait for their file.
    let waits = "#!/bin/sh\necho $LINK ${0##*/} >>/out/order\n\
                 until [ -e /out/all ] || [ -e /out/go.$LINK.${0##*/} ]; do sleep 0.02; done\n";
    for name in ["10", "20", "30", "40"] {
        host.script("link-added", name, waits);
    }
    let _daemon = host.start_daemon();
    let order = || -> Vec<String> {
        let text = std::fs::read_to_string(host.path("/out/order")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    // eth0 and eth1 at the start, s1 after them: three places are taken.
    host.ip("link add s1 type bridge");
    wait_for("three scripts", || host.log(), || order().len() == 3);
    host.ip_batch("link add s2 type bridge\nlink add s3 type bridge\n", false);
    let problem = "links wait for one of the 3 processes that scripts.max_parallel permits";
    let status = || host.sh("/opt/netevd/netevd status 2>&1 || true");
    wait_for("the problem", status, || status().contains(problem));
    assert!(status().contains(&format!("2 {problem}")), "{}", status());
    // One place after the other gets free: links that have had no script go first.
    let next = |over: &str, expected: &str| {
        let before = order().len();
        host.sh(&format!("touch /out/go.{over}"));
        wait_for(expected, || host.log(), || order().len() > before);
        assert_eq!(order()[before], expected, "{:?}", order());
    };
    next("eth0.10", "s2 10");
    next("eth1.10", "s3 10");
    // Two links wait for their second script; one that was idle goes before them.
    host.ip("link add s4 type bridge");
    wait_for("the event", || host.log(), || host.log().contains("no-carrier link=\"s4\""));
    next("s1.10", "s4 10");
    next("s2.10", "eth0 20");
    host.sh("touch /out/all");
    wait_for("all of them", || host.log(), || order().len() == 24);
    wait_for("no problem", status, || !status().contains(problem));
    wait_for("the line", || host.log(), || host.log().contains("links waited for one of the 3 processes"));
}
