//! What the helper takes for a request with all its checks, without any, and for its start; beside
//! ip(8), which asks the kernel for the same with none of them.

use crate::figures::Figures;
use crate::goal::Goal;
use crate::report::{Report, Row};
use std::collections::BTreeMap;

const REQUESTS: usize = 1000;
const PEER: &str = "ip_rule_add";

pub(crate) fn run(report: &mut Report) {
    let host = crate::machine("bench: helper requests");
    // The two that the agent asks for in turn.
    host.config(
        "system: { backend: kernel }
routing: { policy_rules: [eth1], gateways: { eth1: [198.51.100.1, 198.51.100.251] } }
",
    );
    let output = host.run(&["/opt/netevd/netevd-test-agent", "roundtrip", &REQUESTS.to_string()]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    let mut times: BTreeMap<String, Vec<i64>> =
        serde_json::from_str(&output.stdout).expect("the agent's JSON");
    let peer = Figures::new(times.remove("ip rule add").expect("it was measured"));
    report.row(Row::new(PEER, "ip rule add, the whole process", "us", peer));
    for (request, times) in times {
        let (what, goal) = match request.as_str() {
            "start" => ("helper: start to Hello answered".to_owned(), 5000.0),
            // No look-up at all: what the channel and the codec cost.
            "SyncBegin" => ("helper request: SyncBegin, no look-up".to_owned(), 30.0),
            _ => (format!("helper request: {request}, all checks"), 400.0),
        };
        let key = format!("helper_{request}");
        let row = Row::new(&key, &what, "us", Figures::new(times)).goal(Goal::Most(goal));
        report.row(if request == "AddRules" { row.beside(PEER) } else { row });
    }
}
