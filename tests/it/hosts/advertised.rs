//! Real router advertisements: systemd#25138, #28426, #28439, dhcpcd#492, gluon#2180.

use super::site::Site;
use crate::oracle::Policy;

const ADVERTISE: &str = "/opt/netevd/netevd-test-agent advertise lan";

#[test]
fn hosts_router_advertisements() {
    let Some(site) = Site::new("hosts_router_advertisements") else { return };
    site.sh(
        "neighbour r2 r1; n r2 'ip link set nb name lan; ip addr add fe80::b2/64 dev lan; ip addr add 2001:db8:c::1/64 dev lan'
         sysctl -qw net.ipv6.conf.eth1.accept_ra=2 net.ipv6.conf.eth1.use_tempaddr=2 \
             net.ipv6.conf.eth1.accept_ra_rtr_pref=1 net.ipv6.conf.eth1.dad_transmits=0 \
             net.ipv6.conf.eth1.accept_ra_rt_info_max_plen=64",
    );
    let ra = |router: &str, words: &str| format!("n {router} '{ADVERTISE} {words}'");
    let r1 = |words: &str| ra("r1", &format!("fe80::b1 {words}"));
    let r2 = |words: &str| ra("r2", &format!("fe80::b2 {words}"));
    // An address that stays the same, so that pairs have names; the others come beside it.
    site.sh(&format!("ip addr add 2001:db8:b::2/64 dev eth1; {}; sleep 0.3", r1("prefix=2001:db8:b::/64")));
    let managed = site.managed(&Policy::of(&["eth1"]), &["2001:db8:77::1"]);
    let far = ["far 2001:db8:9::9 -> 2001:db8:b::2", "host 2001:db8:b::2 -> 2001:db8:9::9"];
    managed.answered(&far);
    let temporary = site.host.ip("-6 -o addr show dev eth1 temporary");
    assert!(temporary.contains("2001:db8:b:"), "a temporary address is there: {temporary}");

    let step = |script: &str| managed.step(&format!("{script}; sleep 0.3"));
    step(&r2("pref=high"));
    managed.shows(&["default via fe80::b2 dev eth1 proto 110 metric 1024 hoplimit 64 pref high"], &[]);
    managed.shows(&["default via fe80::b1 dev eth1 proto 110 metric 1025"], &[]);
    // The prefix's answers must come from its own router; the other one drops them.
    step(&format!("{}; {}", r2("pref=low"), r1("pref=high prefix=2001:db8:b::/64")));
    managed.shows(
        &[
            "default via fe80::b1 dev eth1 proto 110 metric 1024",
            "default via fe80::b2 dev eth1 proto 110 metric 1025",
        ],
        &[],
    );
    managed.answered(&far);
    step(&r1("lifetime=0 prefix=2001:db8:b::/64"));
    managed.shows(&["default via fe80::b2 dev eth1 proto 110 metric 1024"], &["default via fe80::b1"]);
    step(&r2("lifetime=0"));
    managed.shows(&[], &["from 2001:db8:b::2 lookup 207"]);
    step(&format!("{}; {}", r1("prefix=2001:db8:b::/64"), r2("prefix=2001:db8:c::/64")));
    managed.shows(
        &["2001:db8:c::/64 dev eth1 proto 110", "default via fe80::b1 dev eth1 proto 110 metric 1024"],
        &[],
    );
    // Route information (RFC 4191), then a prefix that goes.
    step(&r2("lifetime=0 route=2001:db8:77::/48"));
    managed.shows(&["2001:db8:77::/48 via fe80::b2 dev eth1 proto 110"], &[]);
    managed.answered(&far);
    step(&r1("prefix=2001:db8:b::/64 preferred=0 valid=7200"));
    managed.answered(&far);
}
