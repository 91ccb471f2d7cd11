//! A live scrape is good to promtool, in both formats, and has what rules and dashboard name.

use super::{CONFIG, await_value, scrape};
use crate::support::Host;
use std::io::Write;
use std::process::{Command, Stdio};

fn promtool(text: &str) -> String {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: make packages");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("taken");
    let output = child.wait_with_output().expect("waited");
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

#[test]
fn metrics_of_hostile_names_are_clean() {
    let Some(host) = Host::new("metrics_of_hostile_names_are_clean") else { return };
    host.isp();
    host.veth("eth0", 6);
    host.config(&CONFIG.replace("\"eth*\"", "\"*\""));
    host.script("carrier", "10 \"quoted\" \\ and\nnewline", "#!/bin/sh\nexit 1\n");
    let daemon = host.start_daemon();
    let link = "we\\\"b\\\\";
    host.sh(
        "ip link add 'we\"b\\' type bridge && ip link set 'we\"b\\' up && ip link set eth0 master 'we\"b\\'",
    );
    let series =
        format!("netevd_events_total{{backend=\"kernel\",interface=\"{link}\",type=\"link-added\"}}");
    await_value(&daemon, &host, &series, 1.0);
    let failed = "netevd_script_failures_total{exit_code=\"1\",\
                  script=\"/etc/netevd/carrier.d/10 \\\"quoted\\\" \\\\ and\\nnewline\"}";
    crate::support::wait_for(
        "the script's failure",
        || daemon.log(),
        || super::samples(&host).get(failed).is_some_and(|value| *value >= 1.0),
    );
    let (header, text) = scrape(&host, "text/plain;version=0.0.4;q=0.5,*/*;q=0.1");
    assert!(
        header.to_lowercase().contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{header}"
    );
    assert_eq!(promtool(&text), "", "{text}");
    let (header, text) = scrape(&host, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(header.to_lowercase().contains(kind), "{header}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}
