//! networkd deletes rules that are not its own whenever it sets up a link for the first time.

use super::machine;
use crate::support::{Host, wait_for};

/// A link that networkd sets up.
fn new_link(host: &Host, number: u32) {
    let name = format!("new{number}");
    let text =
        format!("[Match]\nName={name}\n[Network]\nAddress=203.0.113.{number}/32\nLinkLocalAddressing=no\n");
    host.write(&format!("/etc/systemd/network/20-{name}.network"), &text, 0o644);
    host.sh("networkctl reload");
    host.veth(&name, 60 + number);
    host.await_networkd(&name, "routable", "configured");
}

#[test]
fn networkd_wipes_are_repaired_and_named_with_the_cure() {
    let Some(host) = machine("networkd_wipes_are_repaired_and_named_with_the_cure") else { return };
    host.config("system: { backend: systemd-networkd }\nrouting: { policy_rules: [up0] }\n");
    let daemon = host.start_daemon();
    wait_for("the rules are there", || host.log(), || !host.ours().is_empty());
    let complete: Vec<String> = host.ours().into_iter().collect();
    assert!(complete.iter().any(|line| line.contains("from 192.0.2.2")), "{complete:?}");
    let mut number = 0;
    wait_for(
        "the warning",
        || host.log(),
        || {
            number += 1;
            new_link(&host, number);
            host.await_ours("the rules are back", &complete);
            daemon.log().contains("ManageForeignRoutingPolicyRules=no")
        },
    );
    assert!(number >= 3, "three wipes are a habit, not {number}");
    let line = daemon.await_log(&["ManageForeignRoutingPolicyRules=no"]);
    assert!(line.contains("WARN"), "{line}");
}
