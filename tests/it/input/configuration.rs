//! Each fault of a configuration is shown with file, line, column, the line and a caret.

use crate::support::Host;

/// A text, where its fault is, and words that the message contains.
const FAULTS: [(&str, &str, &[&str]); 16] = [
    ("sytem: { backend: kernel }\n", "1:1", &["sytem", "system"]),
    ("system:\n  backnd: kernel\n", "2:3", &["backnd", "backend"]),
    ("system:\n  backend: kernal\n", "2:12", &["kernal", "kernel"]),
    ("units:\n- { on: routable, start: vpn }\n", "2:26", &[".service"]),
    ("system:\n  log_level: [info]\n", "2:14", &["log_level"]),
    ("system:\n  startup_events: maybe\n", "2:19", &["maybe"]),
    ("system: { log_level: info }\nsystem: { backend: kernel }\n", "2:1", &["system"]),
    ("routing:\n  table_base: -1\n", "2:15", &["-1"]),
    ("routing:\n  table_base: 200\n  rule_priority: 99999\n", "3:18", &["99999", "32762"]),
    ("routing:\n  fallback: mian\n", "2:13", &["mian", "main"]),
    ("routing:\n  gateways: { eth1: [192.0.2.300] }\n", "2:22", &["192.0.2.300"]),
    ("routing:\n  policy_rules: [\"eth/1\"]\n", "2:18", &["eth/1"]),
    ("scripts:\n  timeout: soon\n", "2:12", &["soon"]),
    ("scripts:\n  max_parallel: 0\n", "2:17", &["max_parallel"]),
    ("api: { enabled: perhaps }\n", "1:17", &["perhaps", "true or false"]),
    ("system: {\n", "", &[]),
];

#[test]
fn input_each_configuration_error_has_line_and_column() {
    let Some(host) = Host::new("input_each_configuration_error_has_line_and_column") else { return };
    for (text, place, words) in FAULTS {
        host.write("/tmp/faulty.yaml", text, 0o644);
        let output = host.run(&["/opt/netevd/netevd", "validate", "/tmp/faulty.yaml"]);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert_eq!(output.status, 1, "{text}\n{said}");
        assert!(said.contains(&format!("/tmp/faulty.yaml:{place}")), "{place} is named for\n{text}\n{said}");
        assert!(said.contains('^'), "a caret for\n{text}\n{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is said for\n{text}\n{said}");
        }
        let started = host.run(&["/opt/netevd/netevd", "start", "--config", "/tmp/faulty.yaml"]);
        assert_eq!(started.status, 1, "start refuses it too: {}", started.stderr);
        assert!(started.stderr.contains(&format!("/tmp/faulty.yaml:{place}")), "{}", started.stderr);
    }
}

#[test]
fn input_several_errors_are_all_shown() {
    let Some(host) = Host::new("input_several_errors_are_all_shown") else { return };
    host.write(
        "/tmp/faulty.yaml",
        "system:\n  backend: kernal\nrouting:\n  fallbak: main\n  table_base: many\n",
        0o644,
    );
    let output = host.run(&["/opt/netevd/netevd", "validate", "/tmp/faulty.yaml"]);
    let said = format!("{}{}", output.stdout, output.stderr);
    let places: Vec<_> = ["2:12", "4:3", "5:15"]
        .iter()
        .map(|place| {
            said.find(&format!("/tmp/faulty.yaml:{place}")).unwrap_or_else(|| panic!("{place}: {said}"))
        })
        .collect();
    assert!(places.is_sorted(), "in the order of the file: {said}");
}

#[test]
fn input_drop_ins_older_section_and_environment() {
    let Some(host) = Host::new("input_drop_ins_older_section_and_environment") else { return };
    host.config("network: { links: \"eth0\", routing_policy_rules: \"eth1\" }\n");
    let policy = host.run(&["/opt/netevd/netevd", "policy"]);
    assert_eq!(policy.status, 0, "{}", policy.stderr);
    assert!(policy.stdout.contains("interface eth1\n"), "{}", policy.stdout);
    assert!(policy.stderr.contains("policy_rules"), "the new spelling is shown: {}", policy.stderr);

    host.config("routing: { policy_rules: [eth1], table_base: 300 }\n");
    host.write("/etc/netevd/netevd.yaml.d/20-more.yaml", "routing: { table_base: 500 }\n", 0o644);
    host.write("/etc/netevd/netevd.yaml.d/10-less.yaml", "routing: { table_base: 400 }\n", 0o644);
    let policy = host.sh("NETEVD_ROUTING_RULE_PRIORITY=1000 /opt/netevd/netevd policy");
    for line in ["interface eth1\n", "table-base 500\n", "rule-priority 1000\n"] {
        assert!(policy.contains(line), "{line} in {policy}");
    }
}
