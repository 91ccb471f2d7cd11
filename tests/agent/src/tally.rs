//! `#!/opt/netevd/netevd-test-agent tally [changes]`: a script in `routes.d` that is far cheaper than
//! `record`. It appends one JSON line to `/out/tally`: `{started, count, skipped, truncated}`, and with
//! `changes` also the changes themselves, each as `+DESTINATION` or `-DESTINATION`.

use crate::record::now;
use serde_json::{Value, json};
use std::io::{Read, Write};

/// Where the lines go; the test machine has made the file, writable for all.
const TALLY: &str = "/out/tally";
/// Occurs once in each route object of a document.
const ACTION: &[u8] = b"\"action\":";

pub(crate) fn run(options: &[&str]) {
    let started = now();
    let mut document = Vec::new();
    std::io::stdin().read_to_end(&mut document).expect("standard input is readable");
    let skipped = std::env::var("SKIPPED").expect("SKIPPED is always set");
    let mut line = json!({
        "started": started,
        // Counted and not parsed: a document may be some hundred kilobytes.
        "count": document.windows(ACTION.len()).filter(|bytes| *bytes == ACTION).count(),
        "skipped": skipped.parse::<u64>().expect("a number"),
        "truncated": document.windows(12).any(|bytes| bytes == b"\"truncated\":"),
    });
    if options.contains(&"changes") {
        let document: Value = serde_json::from_slice(&document).expect("the document is JSON");
        let change = |route: &Value| {
            let sign = if route["action"] == "removed" { '-' } else { '+' };
            format!("{sign}{}", route["destination"].as_str().unwrap_or_default())
        };
        let changes = document["routes"].as_array().expect("an event of routes").iter().map(change);
        line["changes"] = changes.collect();
    }
    let mut file = std::fs::OpenOptions::new().append(true).open(TALLY).expect("/out/tally is there");
    file.write_all(format!("{line}\n").as_bytes()).expect("a line is written");
}
