//! What happens appears by itself.

use super::{machine, open, row};

/// For what takes a tenth of a second on a machine that is not busy.
const GUARD: f64 = 10_000.0;

#[test]
fn page_shows_a_lost_link_at_once() {
    let Some((host, browser)) = machine("page_shows_a_lost_link_at_once") else { return };
    let _daemon = host.start_daemon();
    open(&browser);
    browser.await_text("#verdict-line", "The network is well");
    // The page notes itself when eth1's row says so first.
    let watch = format!(
        "window.shown = new Promise(done => new MutationObserver((_, observer) => {{
           if (!{0}.innerText.includes('no-carrier')) return;
           observer.disconnect();
           done(Date.now());
         }}).observe(document.getElementById('links'), {{ subtree: true, childList: true, characterData: true }})), 0",
        row("eth1")
    );
    browser.eval(&watch);
    // A page that nobody sees does not ask by itself: what appears now came by the stream.
    browser.eval("Object.defineProperty(document, 'hidden', { value: true }), 0");
    host.ip("link set eth1 down");
    let shown = browser.eval("window.shown").as_f64().expect("a time");
    let read = "fetch('/api/v1/events?interface=eth1&event_type=no-carrier').then(r => r.json())
        .then(page => Date.parse(page.events[0].timestamp))";
    let after = shown - browser.eval(read).as_f64().expect("a time");
    eprintln!("a lost link shows {after} ms after the daemon read of it");
    assert!((0.0..GUARD).contains(&after), "{after} ms");
    browser.await_text("#events", "20-bad: exit status 3");
    browser.await_text("#verdict-line", "need");
    browser.await_text("#verdict-list", "eth1 is under policy routing and is no-carrier");
    browser.await_text("#verdict-list", "20-bad (no-carrier.d) failed when it last ran: exit status 3");
    assert_eq!(browser.eval("document.getElementById('verdict').dataset.level"), "warn");
    // eth1's rules went with its carrier.
    browser
        .await_true("eth1's table is gone", "!document.getElementById('tables').innerText.includes('207')");
    host.sh("ip link set eth1 up; ip route add default via 198.51.100.1 dev eth1 metric 200");
    browser.await_true("eth1 is back", &format!("{}.innerText.includes('routable')", row("eth1")));
    browser.await_text("#tables", "default via 198.51.100.1 dev eth1");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn page_survives_the_daemon_and_greets_the_next() {
    let Some((host, browser)) = machine("page_survives_the_daemon_and_greets_the_next") else { return };
    let daemon = host.start_daemon();
    open(&browser);
    browser.await_text("#verdict-line", "The network is well");
    let first = browser.eval("S.instance");
    daemon.stop();
    browser.await_text("#verdict-line", "netevd does not answer");
    browser.await_text("#verdict-list", "from before");
    browser.await_text("#contact", "No answer since");
    browser.await_text("#links", "198.51.100.2/24");
    let _daemon = host.start_daemon();
    browser.await_text("#contact", "Live");
    browser.await_text("#verdict-line", "The network is well");
    assert_ne!(browser.eval("S.instance"), first);
    // It listens to the new one.
    host.ip("link set eth1 mtu 1400");
    browser.await_text("#events", "from 1500 to 1400");
    // A browser itself tells of connections that nobody took; the page has nothing to complain of.
    let others: Vec<String> =
        browser.complaints().into_iter().filter(|text| !text.contains("net::ERR_")).collect();
    assert_eq!(others, Vec::<String>::new());
}
