//! The journal: fields of their own, so that an event is found by its link.

use crate::on_each_suite;
use serde_json::Value;

#[test]
fn events_and_scripts_are_found_by_their_fields() {
    let script = "#!/bin/sh\necho hello from \"$LINK\"\n";
    on_each_suite(&[("/etc/netevd/mtu.d/10-hello", script, 0o755)], |machine| {
        machine.sh("ip link set up0 mtu 1400");
        let find = "journalctl --no-pager LINK=up0 -o cat";
        machine.await_text("the script's output", find, |text| text.contains("hello from up0"));
        let entries = machine.entries("LINK=up0");
        let one = |field: &str, value: &str| {
            let found = entries.iter().find(|entry| entry[field] == value);
            found.unwrap_or_else(|| panic!("no {field}={value} in {entries:#?}")).clone()
        };
        let hello = one("MESSAGE", "hello from up0");
        assert_eq!(hello["SYSLOG_IDENTIFIER"], "netevd");
        assert_eq!(hello["EVENT"], "mtu");
        assert!(hello["SCRIPT"].as_str().is_some_and(|script| script.ends_with("mtu.d/10-hello")), "{hello}");
        let id = hello["EVENT_ID"].as_str().expect("a number").to_owned();
        assert!(id.parse::<u64>().is_ok(), "{id}");
        assert_eq!(hello["PRIORITY"], "6", "{hello}");
        assert_eq!(hello["_SYSTEMD_UNIT"], "netevd.service");
        // The link's own news has the same names.
        let news: Vec<&Value> = entries
            .iter()
            .filter(|entry| entry["EVENT"] == "configured" && entry["SCRIPT"].is_null())
            .collect();
        assert!(news.iter().any(|entry| entry["EVENT_ID"].is_string()), "{entries:#?}");
        // The filter that a reload changes holds here as well.
        let debug = machine.entries("-u netevd PRIORITY=7");
        assert!(debug.is_empty(), "{debug:#?}");
        machine.write(
            "/etc/netevd/netevd.yaml",
            &crate::UP1_MANAGED.replace("system: {", "system: { log_level: debug,"),
        );
        machine.sh("systemctl reload netevd; ip addr add 203.0.113.7/32 dev up0");
        machine.await_text("debug entries", "journalctl --no-pager -u netevd PRIORITY=7", |text| {
            text.contains("address-added")
        });
    });
}
