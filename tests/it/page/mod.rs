//! The dashboard in a real browser, served by the real daemon, all in the test's own namespaces.

mod changes;
mod keys;
mod looks;
mod picture;
mod source;
mod strangers;
mod tokens;

use crate::support::{Browser, Host};

/// Where the dashboard is, inside.
const PAGE: &str = "http://127.0.0.1:9090/";
/// Two uplinks under policy routing, the API on the loopback.
const CONFIG: &str = "system: { backend: kernel }
monitoring: { interfaces: [\"eth*\"] }
routing: { policy_rules: [eth0, eth1] }
api: { enabled: true }
";

/// A machine with two uplinks, a script that ends well and one that does not, and a browser.
fn machine(test: &str) -> Option<(Host, Browser)> {
    let host = Host::new(test)?;
    let browser = host.browser(test)?;
    host.two_uplinks();
    host.config(CONFIG);
    host.script("routable", "10-good", "#!/bin/sh\nexit 0\n");
    host.script("no-carrier", "20-bad", "#!/bin/sh\nexit 3\n");
    Some((host, browser))
}

/// Opens the dashboard and waits until it shows the two uplinks.
fn open(browser: &Browser) {
    browser.look(1280, 900, "light");
    browser.open(PAGE);
    browser.await_text("#links", "eth1");
    browser.await_text("#contact", "Live");
}

/// The row of an interface, as an expression.
fn row(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('.link')].find(e => e.querySelector('b').textContent === '{name}')"
    )
}
