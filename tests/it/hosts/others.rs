//! Rules of other programs.

use super::site::Site;
use crate::oracle::Policy;

const FAR: [&str; 2] = ["far 203.0.113.9 -> 198.51.100.2", "far 2001:db8:9::9 -> 2001:db8:b::2"];

/// What wg-quick's add_default() asks of ip, in its order and without a priority.
const WG_QUICK: &str = "wgquick_up() { for f in -4 -6; do ip $f route add default dev wg0 table 51820
         ip $f rule add not fwmark 51820 table 51820; ip $f rule add table main suppress_prefixlength 0; done; }
     wgquick_down() { for f in -4 -6; do ip $f rule del table 51820; ip $f rule del table main suppress_prefixlength 0
         ip $f route flush table 51820; done; }\n";

/// wg-quick, which netevd finds or which comes later, and goes: tailscale#10940, DietPi#6073.
#[test]
fn hosts_wg_quick() {
    let Some(site) = Site::with_eth1("hosts_wg_quick") else { return };
    site.sh(&format!("{WG_QUICK} tunnel wg0 10.64.0.2/32; wgquick_up"));
    let managed = site.managed(&Policy::of(&["eth1"]), &["203.0.113.99"]);
    managed.step(&format!("{WG_QUICK} wgquick_down; wgquick_up"));
    managed.kept();
    managed.step(&format!("{WG_QUICK} wgquick_down"));
    managed.answered(&FAR);
}

/// A Tailscale exit node in front of ours, and the priority that lets eth1's addresses out: mullvad-tailscale#13.
#[test]
fn hosts_an_exit_node_and_rule_priority() {
    let Some(site) = Site::with_eth1("hosts_an_exit_node_and_rule_priority") else { return };
    site.sh("tunnel wg0 10.64.0.2/32; for f in -4 -6; do ip $f rule add lookup 52 pref 5270
         ip $f route add default dev wg0 table 52; done; ip route add throw 192.0.2.0/24 table 52");
    let managed = site.managed(&Policy::of(&["eth1"]).priority(5000), &["203.0.113.99"]);
    managed.answered(&FAR);
    managed.shows(&["5002: from 198.51.100.2 lookup 207 proto 110"], &["32002:"]);
}

/// A rule at one of our priorities with another selector, and a marked one into our table, are no conflict.
#[test]
fn hosts_rules_that_are_no_conflict() {
    let Some(site) = Site::with_eth1("hosts_rules_that_are_no_conflict") else { return };
    site.sh("for f in -4 -6; do ip $f rule add fwmark 7 lookup 207 pref 31999; done
         ip rule add from 10.1.2.4 lookup 77 pref 32002; ip -6 rule add from fd01::4 lookup 77 pref 32002");
    let managed = site.managed(&Policy::of(&["eth1"]), &[]);
    managed.answered(&FAR);
    managed.step("ip addr add 198.51.100.9/24 dev eth1; ip addr add 2001:db8:b::9/64 dev eth1");
    managed.answered(&["far 203.0.113.9 -> 198.51.100.9", "far 2001:db8:9::9 -> 2001:db8:b::9"]);
    // Its gateway may change meanwhile.
    managed.step(
        "n r1 'ip addr add 198.51.100.254/24 dev lan'; ip route replace default via 198.51.100.254 dev eth1 metric 200",
    );
    managed.answered(&FAR);
    managed.shows(
        &["31999: from all fwmark 0x7 lookup 207", "32002: from 198.51.100.9 lookup 207 proto 110"],
        &[],
    );
}

/// An unmarked rule into our table is a conflict: what is whole stays, also over a restart, and nothing is added.
#[test]
fn hosts_a_conflict_keeps_what_is_whole() {
    let Some(site) = Site::with_eth1("hosts_a_conflict_keeps_what_is_whole") else { return };
    let managed = site.managed(&Policy::of(&["eth1"]), &[]);
    let whole = site.kernel.actual();
    site.sh("ip rule add from 10.1.2.4 lookup 207 pref 40; ip -6 rule add from fd01::4 lookup 207 pref 40");
    site.sh("ip addr add 198.51.100.9/24 dev eth1; ip route add 10.1.0.0/16 via 198.51.100.1 dev eth1");
    managed.shows(&["from 198.51.100.2 lookup 207 proto 110"], &["198.51.100.9", "10.1.0.0/16"]);
    managed.answered(&FAR);
    assert_eq!(managed.daemon.stop().status, 0);
    drop(managed.reach);
    let daemon = site.host.start_daemon();
    let message = "what was whole is there after the restart, and nothing else";
    crate::support::holds_for(std::time::Duration::from_secs(1), message, || site.kernel.actual() == whole);
    site.sh("ip rule del pref 40; ip -6 rule del pref 40; ip addr add 198.51.100.10/24 dev eth1");
    site.kernel.await_exact(&site.host, &Policy::of(&["eth1"]), "once the conflict is over");
    assert_eq!(daemon.stop().status, 0);
}

/// VRFs want `local` behind: without a rule in front of ours the host could not reach itself.
#[test]
fn hosts_local_behind_our_rules() {
    let Some(site) = Site::with_eth1("hosts_local_behind_our_rules") else { return };
    site.docker();
    site.sh("for f in -4 -6; do ip $f rule add l3mdev pref 1000; ip $f rule add pref 32765 table local
         ip $f rule del pref 0; done");
    site.expects(&[
        "host 198.51.100.2 -> 198.51.100.2",
        "host 198.51.100.2 -> 172.17.0.1",
        "host 198.51.100.2 -> 192.0.2.2",
        "host 2001:db8:b::2 -> 2001:db8:a::2",
    ]);
    let managed = site.managed(&Policy::of(&["eth1"]), &[]);
    managed.answered(&FAR);
    managed.shows(&["32000: from 198.51.100.2 lookup local proto 110"], &["to 198.51.100.2 lookup 207"]);
    managed.step("for f in -4 -6; do ip $f rule add pref 0 table local; ip $f rule del pref 32765; done");
    managed.kept();
    managed.shows(&["32003: from all to 198.51.100.2 lookup 207 proto 110"], &["32000:"]);
}
