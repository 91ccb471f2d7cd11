//! From the start of `netevd start` to its line that says ready.

use crate::figures::Figures;
use crate::goal::Goal;
use crate::report::{Report, Row};

const STARTS: usize = 100;

pub(crate) fn run(report: &mut Report) {
    let host = crate::machine("bench: start");
    let output = host.run(&["/opt/netevd/netevd-test-agent", "starts", &STARTS.to_string()]);
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
    let figures = Figures::new(serde_json::from_str(&output.stdout).expect("the agent's JSON"));
    report.row(Row::new("start_to_ready", "start to ready", "us", figures).goal(Goal::MostP99(10_000.0)));
}
