//! Who is answered by whom, before netevd and with it (the agent's `matrix`).

use crate::support::Host;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// Seconds until an answer has to have come, on a machine that is busy with everything else.
const PATIENCE: u32 = 30;

pub(super) struct Reach {
    agent: Child,
    pipes: RefCell<(Option<ChildStdin>, BufReader<ChildStdout>)>,
    /// By pair, the source that the answering side saw.
    answered: BTreeMap<String, String>,
    /// By `DESTINATION from SOURCE`, the kernel's decision.
    lookups: BTreeMap<String, String>,
    destinations: String,
}

impl Reach {
    /// Waits until the expected pairs are answered, without which a case proves nothing, and notes all that are.
    pub(super) fn new(host: &Host, namespaces: &[String], expected: &[String]) -> Reach {
        let mut words = vec!["/opt/netevd/netevd-test-agent", "matrix"];
        words.extend(namespaces.iter().map(String::as_str));
        let mut command = host.command(&words);
        let mut agent =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the agent starts");
        let mut output = BufReader::new(agent.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the agent lives");
        assert_eq!(line, "serving\n");
        let pipes = RefCell::new((agent.stdin.take(), output));
        let (answered, lookups) = (BTreeMap::new(), BTreeMap::new());
        let mut reach = Reach { agent, pipes, answered, lookups, destinations: String::new() };
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        reach.assert_answered(host, &expected);
        reach.answered = reach.ask("before");
        let total = reach.answered.len();
        assert!(total >= 20, "providers and neighbours are answered at least: {:#?}", reach.answered);
        reach
    }

    /// Notes how the kernel decides for each address of the host to these, and to everybody who was answered.
    pub(super) fn note_lookups(&mut self, elsewhere: &[&str]) {
        let mut destinations: Vec<String> = elsewhere.iter().map(|text| (*text).to_owned()).collect();
        destinations.extend(["203.0.113.9".to_owned(), "2001:db8:9::9".to_owned()]);
        for pair in self.answered.keys().filter(|pair| pair.starts_with("host") && pair.ends_with(" ping")) {
            let destination = pair.trim_end_matches(" ping").rsplit(' ').next().expect("a destination");
            if !destination.contains('%') && !destinations.iter().any(|known| known == destination) {
                destinations.push(destination.to_owned());
            }
        }
        self.destinations = destinations.join(",");
        self.lookups = self.ask(&format!("lookups {}", self.destinations));
    }

    /// Forgets what the host chose a source and an uplink for by itself.
    pub(super) fn forget_unbound(&mut self) {
        self.answered.retain(|pair, _| !pair.starts_with("host -> "));
    }

    /// Forgets everything; what is to be answered is said one by one.
    pub(super) fn forget_all(&mut self) {
        self.answered.clear();
    }

    /// With `fallback: unreachable` what no uplink of the source leads to may be unreachable.
    pub(super) fn assert_kept(&self, host: &Host, falls_back: bool) {
        if self.answered.is_empty() {
            return;
        }
        let pairs: Vec<&str> = self.answered.keys().map(String::as_str).collect();
        let now = self.ask(&format!("again {PATIENCE} {}", pairs.join(",")));
        let lost: Vec<_> = self.answered.keys().filter(|pair| !now.contains_key(*pair)).collect();
        assert!(lost.is_empty(), "no longer answered: {lost:#?}\n{}", state(host));
        let other = |(pair, source): &(&String, &String)| now.get(*pair) != Some(*source);
        let others: Vec<_> = self.answered.iter().filter(other).collect();
        assert!(others.is_empty(), "from another source than before: {others:#?}\n{now:#?}");
        self.assert_lookups(host, falls_back);
    }

    /// Look-ups differ by the uplink alone: another one than that of the source before, the source's own now.
    fn assert_lookups(&self, host: &Host, falls_back: bool) {
        if self.lookups.is_empty() {
            return;
        }
        let now = self.ask(&format!("lookups {}", self.destinations));
        let links = host.ip_json("addr");
        let owner = |address: &str, device: &str| {
            links.as_array().expect("a list").iter().any(|link| {
                let own = link["addr_info"].as_array().into_iter().flatten();
                link["ifname"] == device && own.into_iter().any(|entry| entry["local"] == address)
            })
        };
        let device = |decision: &str| {
            decision.split_once("dev ").map(|(_, rest)| rest.split(' ').next().unwrap_or_default().to_owned())
        };
        let mut wrong = Vec::new();
        for (question, before) in &self.lookups {
            let after = &now[question];
            let by_owner = question
                .split_once(" from ")
                .is_some_and(|(_, source)| device(after).is_some_and(|device| owner(source, &device)));
            // 101: ENETUNREACH, main has nothing.
            let was_elsewhere = before == "error 101"
                || device(before).is_some_and(|device| UPLINKS.contains(&device.as_str()));
            // 113: EHOSTUNREACH.
            let by_fallback = falls_back && question.contains(" from ") && after == "error 113";
            if before != after && !(was_elsewhere && (by_owner || by_fallback)) {
                wrong.push(format!("{question}: {before}, now {after}"));
            }
        }
        assert!(wrong.is_empty(), "more than the uplink has changed: {wrong:#?}\n{}", state(host));
    }

    pub(super) fn assert_answered(&self, host: &Host, pairs: &[&str]) {
        if pairs.is_empty() {
            return;
        }
        let now = self.ask(&format!("again {PATIENCE} {}", pairs.join(",")));
        let expected: Vec<String> =
            pairs.iter().flat_map(|pair| [format!("{pair} ping"), format!("{pair} tcp")]).collect();
        let lost: Vec<_> = expected.iter().filter(|pair| !now.contains_key(*pair)).collect();
        assert!(lost.is_empty(), "not answered: {lost:#?}\n{}", state(host));
    }

    /// None of these is answered, by ping or by TCP, while a packet has time to go around ten times.
    pub(super) fn assert_unanswered(&self, pairs: &[&str]) {
        let now = self.ask(&format!("again 1 {}", pairs.join(",")));
        assert!(now.is_empty(), "answered: {now:#?}");
    }

    fn ask(&self, line: &str) -> BTreeMap<String, String> {
        let (input, output) = &mut *self.pipes.borrow_mut();
        writeln!(input.as_mut().expect("piped"), "{line}").expect("the agent lives");
        let mut text = String::new();
        output.read_line(&mut text).expect("the agent lives");
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{line:.80}: {e}: {text}"));
        let fields = answer.as_object().expect("an object").iter();
        fields.map(|(key, value)| (key.clone(), value.as_str().expect("a text").to_owned())).collect()
    }
}

/// Links by which something leaves the hosts of these tests.
const UPLINKS: [&str; 6] = ["eth0", "eth1", "eth2", "tun0", "wg0", "docker0"];

fn state(host: &Host) -> String {
    host.sh(
        "ip rule; ip -6 rule; for f in -4 -6; do ip $f route show table all | grep -v 'fe80::/64\\|ff00' | head -n 300; done",
    ) + &host.log()
}

impl Drop for Reach {
    fn drop(&mut self) {
        // It ends with its input: a signal would reach nsenter alone.
        drop(self.pipes.get_mut().0.take());
        let _ = self.agent.wait();
    }
}
