//! reload.

use super::{json, netevd, shown};
use crate::support::{ETH1_MANAGED, Host, eth1_complete, rules};

#[test]
fn cli_reload_is_refused_as_validate_would() {
    let Some(host) = Host::new("cli_reload_is_refused_as_validate_would") else { return };
    host.two_uplinks();
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.config("routing: { policy_rules: [eth1], fallbak: main }\n");
    let checked = netevd(&host, "validate");
    for words in ["reload", "reload --dry-run", "reload --format json"] {
        let refused = netevd(&host, words);
        assert_eq!(refused.status, 1, "{words}: {}", refused.stdout);
        assert!(
            refused.stderr.starts_with(&checked.stderr),
            "{words}\n{}\n{}",
            refused.stderr,
            checked.stderr
        );
        assert!(refused.stderr.contains("netevd.yaml:1:34: error"), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    assert!(shown(&host, "status").contains("last reload refused: "), "{}", shown(&host, "status"));
    host.ip("rule flush protocol 110");
    host.await_ours("the old configuration is still in force", &eth1_complete());
    assert_eq!(daemon.stop().status, 0);
}

#[test]
fn cli_reload_says_what_changed() {
    let Some(host) = Host::new("cli_reload_says_what_changed") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    assert!(shown(&host, "reload").contains("nothing changed"));
    host.config(&format!("{ETH1_MANAGED}scripts: {{ timeout: 7s }}\n"));
    let tried = shown(&host, "reload --dry-run");
    assert!(tried.contains("is good") && tried.contains("changed: scripts"), "{tried}");
    let done = json(&host, "reload");
    assert_eq!((&done["result"], &done["changed"][0]), (&"reloaded".into(), &"scripts".into()), "{done}");
    assert!(shown(&host, "reload").contains("nothing changed"));
}

#[test]
fn cli_reload_waits_until_a_new_policy_is_in_force() {
    let Some(host) = Host::new("cli_reload_waits_until_a_new_policy_is_in_force") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth0, eth1] }\n");
    let before = json(&host, "status")["instance"].clone();
    let text = shown(&host, "reload");
    assert!(text.contains("changed: routing"), "{text}");
    if text.contains("restarted: ") {
        assert_ne!(json(&host, "status")["instance"], before);
    }
    let mut both = eth1_complete();
    both.extend(rules("192.0.2.2", 206));
    both.push("table 206: default via 192.0.2.1 dev eth0 metric 100".to_owned());
    both.push("table 206: 192.0.2.0/24 dev eth0".to_owned());
    host.await_ours("eth0 as well", &both);
}

#[test]
fn cli_over_tcp_a_change_needs_the_token() {
    let Some(host) = Host::with_users("cli_over_tcp_a_change_needs_the_token") else { return };
    host.two_uplinks();
    host.write("/etc/netevd/token", "0123456789abcdef0123\n", 0o640);
    host.sh("chgrp netevd /etc/netevd/token");
    host.write("/root/wrong", "0123456789abcdef0124\n", 0o600);
    host.config(&format!(
        "{ETH1_MANAGED}api: {{ enabled: true, port: 9091, token_file: /etc/netevd/token }}\n"
    ));
    let _daemon = host.start_daemon();
    let there = "--endpoint http://127.0.0.1:9091";
    assert_eq!(json(&host, &format!("status {there}"))["instance"], json(&host, "status")["instance"]);
    for token in ["", "--token-file /root/wrong"] {
        let refused = netevd(&host, &format!("reload {there} {token}"));
        assert_eq!(refused.status, 1, "{token:?}: {}{}", refused.stdout, refused.stderr);
        assert!(!refused.stderr.contains("0123456789"), "{}", refused.stderr);
    }
    assert!(
        shown(&host, &format!("reload {there} --token-file /etc/netevd/token")).contains("nothing changed")
    );
}
