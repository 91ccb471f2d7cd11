//! Everything by keyboard.

use super::{machine, open};
use serde_json::json;

/// What has the focus, in short.
const FOCUS: &str =
    "document.activeElement.closest('.link, .event')?.className.split(' ')[1] || document.activeElement.id";

#[test]
fn page_is_used_by_keyboard() {
    let Some((host, browser)) = machine("page_is_used_by_keyboard") else { return };
    let _daemon = host.start_daemon();
    open(&browser);
    browser.await_text("#links", "via 198.51.100.1");
    // The first stop leads past everything to the interfaces.
    browser.press("Tab");
    assert_eq!(browser.eval("document.activeElement.className"), "skip");
    browser.press("Tab");
    assert_eq!(browser.eval(FOCUS), "filter");
    browser.press("Tab");
    assert_eq!(browser.eval(FOCUS), "link");
    let outline = browser.eval("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "the focus is seen");
    let expanded = "document.activeElement.getAttribute('aria-expanded')";
    assert_eq!(browser.eval(expanded), "false");
    browser.press("Enter");
    assert_eq!(browser.eval(expanded), "true");
    browser.await_true(
        "the details are open",
        "document.getElementById(document.activeElement.getAttribute('aria-controls')).innerText.includes('Hardware address')",
    );
    browser.press(" ");
    assert_eq!(browser.eval(expanded), "false");
    for _ in 0..20 {
        browser.press("Tab");
        if browser.eval(FOCUS) == "event" {
            break;
        }
    }
    assert_eq!(browser.eval(FOCUS), "event");
    browser.press("Enter");
    let inside = "document.getElementById(document.activeElement.getAttribute('aria-controls'))";
    browser.await_true("the event is open", &format!("{inside}.innerText.includes('Event')"));
    // A new event does not take the focus away.
    host.ip("link set eth1 mtu 1400");
    browser.await_text("#events", "from 1500 to 1400");
    assert_eq!(browser.eval(FOCUS), "event");
    assert_eq!(browser.eval(expanded), "true");
    browser.press("/");
    assert_eq!(browser.eval(FOCUS), "filter");
    for key in ["e", "t", "h", "1"] {
        browser.press(key);
    }
    browser.await_true("eth1 alone is left", "document.querySelectorAll('.link').length === 1");
    browser.await_text("#found", "1 interface");
    // Escape clears it from everywhere; within the box the browser would do so by itself.
    browser.press("Tab");
    assert_eq!(browser.eval(FOCUS), "link");
    browser.press("Escape");
    browser.await_true("all are back", "document.querySelectorAll('.link').length === 3");
    assert_eq!(browser.eval("document.getElementById('filter').value"), "");
    assert_eq!(browser.eval("document.querySelectorAll('main, header, [role=search]').length"), json!(3));
    assert_eq!(browser.eval("document.querySelectorAll('[aria-live] h1').length"), json!(1));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
