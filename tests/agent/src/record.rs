//! The interpreter of test scripts: `#!/opt/netevd/netevd-test-agent record [OPTION]`.
//!
//! Appends one JSON line to `/out/records` in a single write, before anything else happens:
//! `{script, args, env, stdin, status, fds, started}`. With `sleep=MILLISECONDS` it then sleeps
//! and appends `{ended: SCRIPT, args, at}`; `exit=CODE` sets its exit status. `brief` notes of script,
//! environment and document only what storms are judged by: their lines would fill the machine.
//! Times are CLOCK_MONOTONIC in nanoseconds.

use nix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

/// Where the lines go; the test machine has made the file, writable for all.
const RECORDS: &str = "/out/records";

pub(crate) fn run(options: &[&str], arguments: &[String]) {
    let started = now();
    let fds = descriptors();
    let mut stdin = String::new();
    std::io::stdin().read_to_string(&mut stdin).expect("standard input is readable text");
    let env: Map<String, Value> = std::env::vars_os()
        .map(|(k, v)| (k.to_string_lossy().into_owned(), Value::from(v.to_string_lossy().into_owned())))
        .collect();
    if options.contains(&"brief") {
        append(&brief(arguments.first(), &env, &stdin, started));
        return finish(options, arguments);
    }
    append(&json!({
        "script": arguments.first(),
        "args": arguments.get(1..),
        "env": env,
        "stdin": stdin,
        "status": status(),
        "fds": fds,
        "cwd": std::env::current_dir().ok(),
        "started": started,
    }));
    finish(options, arguments);
}

fn finish(options: &[&str], arguments: &[String]) {
    if let Some(pause) = option(options, "sleep") {
        std::thread::sleep(Duration::from_millis(pause));
        append(&json!({ "ended": arguments.first(), "args": arguments.get(1..), "at": now() }));
    }
    let code = option(options, "exit").unwrap_or(0);
    std::process::exit(i32::try_from(code).expect("an exit status"));
}

/// Which event of which link, and what the run stands for.
fn brief(script: Option<&String>, env: &Map<String, Value>, stdin: &str, started: i64) -> Value {
    let kept =
        ["ADDRESS", "EVENT", "EVENT_ID", "LINK", "LINKINDEX", "OLD_STATE", "SKIPPED", "STARTUP", "STATE"];
    let env: Map<String, Value> = env
        .iter()
        .filter(|(name, _)| kept.contains(&name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    let document: Value = serde_json::from_str(stdin).expect("the document is JSON");
    let change = |route: &Value| json!({ "destination": route["destination"], "action": route["action"] });
    let routes: Vec<Value> = document["routes"].as_array().into_iter().flatten().map(change).collect();
    let mut document = json!({ "skipped": document["skipped"], "truncated": document["truncated"] });
    document["routes"] = routes.into();
    json!({ "script": script, "env": env, "stdin": document.to_string(), "started": started })
}

fn option(options: &[&str], name: &str) -> Option<u64> {
    let value = options.iter().find_map(|o| o.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.parse().expect("a number"))
}

fn append(line: &Value) {
    let mut file = fs::OpenOptions::new().append(true).open(RECORDS).expect("/out/records is there");
    file.write_all(format!("{line}\n").as_bytes()).expect("a line is written");
}

/// CLOCK_MONOTONIC in nanoseconds.
pub(crate) fn now() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("the clock is there");
    time.tv_sec() * 1_000_000_000 + time.tv_nsec()
}

/// Open descriptors but the one that reads the list.
fn descriptors() -> Vec<u32> {
    let own = Path::new("/proc/self/fd");
    let mut numbers: Vec<u32> = fs::read_dir(own)
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    // The directory itself was open while it was read and is closed by now.
    numbers.retain(|n| own.join(n.to_string()).symlink_metadata().is_ok());
    numbers.sort_unstable();
    numbers
}

/// The fields of /proc/self/status that privileges show in.
fn status() -> Map<String, Value> {
    let text = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| {
            let others = ["NoNewPrivs", "Uid", "Gid", "Groups", "SigBlk", "SigIgn"];
            key.starts_with("Cap") || others.contains(key)
        })
        .map(|(key, value)| {
            (key.to_owned(), Value::from(value.split_whitespace().collect::<Vec<_>>().join(" ")))
        })
        .collect()
}
