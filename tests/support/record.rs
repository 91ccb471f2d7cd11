//! What scripts were given, as the test agent's `record` role noted it.

use super::host::Host;
use super::wait::wait_for;
use serde_json::Value;

/// One run of a recording script.
#[derive(Clone, Debug)]
pub(crate) struct Record(pub(crate) Value);

impl Record {
    /// The script's absolute path.
    pub(crate) fn script(&self) -> &str {
        self.0["script"].as_str().expect("a script is named")
    }

    /// The script's file name.
    pub(crate) fn name(&self) -> &str {
        self.script().rsplit('/').next().unwrap_or_default()
    }

    /// An environment variable; empty if it is not set.
    pub(crate) fn env(&self, name: &str) -> &str {
        self.0["env"][name].as_str().unwrap_or_default()
    }

    /// `EVENT` and `LINK`.
    pub(crate) fn what(&self) -> (&str, &str) {
        (self.env("EVENT"), self.env("LINK"))
    }

    /// The document on standard input.
    pub(crate) fn document(&self) -> Value {
        let text = self.0["stdin"].as_str().expect("standard input is noted");
        serde_json::from_str(text).unwrap_or_else(|e| panic!("standard input is no JSON: {e}\n{text}"))
    }

    /// When it started, CLOCK_MONOTONIC in nanoseconds.
    pub(crate) fn started(&self) -> i64 {
        self.0["started"].as_i64().expect("a time")
    }
}

impl Host {
    /// A script in `/etc/netevd/EVENT.d` that records what it is given; `options` may be
    /// `sleep=MILLISECONDS` or `exit=CODE`.
    pub(crate) fn recorder(&self, event: &str, name: &str, options: &str) {
        self.script(event, name, &recorder(options));
    }

    /// All runs so far, in the order of their first instruction.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.record_lines().into_iter().filter(|line| line.get("script").is_some()).map(Record).collect()
    }

    /// When the sleeping runs of the script of this name ended.
    pub(crate) fn ends(&self, name: &str) -> Vec<i64> {
        let ended = |line: &Value| line["ended"].as_str().is_some_and(|path| path.ends_with(name));
        self.record_lines().iter().filter(|line| ended(line)).filter_map(|line| line["at"].as_i64()).collect()
    }

    /// Waits until the runs so far satisfy `condition`, and returns them.
    pub(crate) fn await_records(&self, what: &str, condition: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        let explain = || {
            let seen: Vec<_> =
                self.records().iter().map(|r| format!("{:?} {}", r.what(), r.script())).collect();
            format!("runs so far: {seen:#?}\n{}", self.log())
        };
        wait_for(what, explain, || condition(&self.records()));
        self.records()
    }

    /// Waits for a run for this event and link, and returns the first.
    pub(crate) fn await_run(&self, event: &str, link: &str) -> Record {
        let is = |r: &Record| r.what() == (event, link);
        let all = self.await_records(&format!("{event} of {link}"), |records| records.iter().any(is));
        all.into_iter().find(is).expect("just seen")
    }

    fn record_lines(&self) -> Vec<Value> {
        // The last line may still be on its way.
        self.read("/out/records").lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// The text of a recording script.
pub(crate) fn recorder(options: &str) -> String {
    format!("#!/opt/netevd/netevd-test-agent record {options}\n")
}
