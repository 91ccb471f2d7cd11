//! What leases give to systemd-resolved and systemd-hostnamed, with the real services, polkit, and
//! the real client.

mod names;
mod refusals;

use crate::support::{Host, wait_for};

const FEATURES: [&str; 4] = ["dhclient", "resolved", "hostnamed", "polkit"];

/// A machine whose dhclient is stopped, with everything of a lease passed on.
fn machine(test: &str, more: &[&str]) -> Option<Host> {
    let host = Host::with_managers(test, &[&FEATURES[..], more].concat())?;
    host.manager("dhclient").stop();
    host.sh("rm -f /var/lib/dhcp/*; ip addr flush dev up2");
    host.config(
        "system: { backend: dhclient }\nmonitoring: { interfaces: [\"up*\", \"eth*\"] }\n\
         backends: { dhclient: { use_dns: true, use_domain: true, use_hostname: true } }\n",
    );
    Some(host)
}

/// Lets the worker do it, and waits until polkit knows.
fn permit(host: &Host) {
    host.sh("/opt/netevd/netevd policy --polkit >/etc/polkit-1/rules.d/50-netevd.rules");
    let check = "busctl call org.freedesktop.resolve1 /org/freedesktop/resolve1 \
        org.freedesktop.resolve1.Manager RevertLink i 1";
    let is_permitted = || {
        let told = host.run_as("netevd", check).stderr;
        !told.contains("Access denied") && !told.contains("authentication required")
    };
    wait_for("polkit permits", || host.manager_logs(), is_permitted);
}

/// A lease file by hand, of one lease for a link.
fn lease(host: &Host, link: &str, values: &str) {
    let text = format!("lease {{\n  interface \"{link}\";\n  {values}\n}}\n");
    host.write(&format!("/var/lib/dhcp/dhclient.{link}.leases"), &text, 0o644);
}

/// What resolved has for a link: servers, or domains.
fn resolved(host: &Host, what: &str, link: &str) -> String {
    let text = host.run(&["resolvectl", "--no-pager", what, link]).stdout;
    text.split_once("):").map(|(_, values)| values.trim().to_owned()).unwrap_or(text)
}

fn await_resolved(host: &Host, what: &str, link: &str, expected: &str) {
    let explain = || format!("{}\n{}", host.sh("resolvectl --no-pager status"), host.log());
    let now = || resolved(host, what, link);
    wait_for(&format!("{what} of {link}: {expected:?}"), explain, || now() == expected);
}
