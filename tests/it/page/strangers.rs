//! Names that mean harm, and more links than a screen holds.

use super::{CONFIG, machine, open};
use serde_json::json;
use std::fmt::Write as _;

#[test]
fn page_shows_hostile_names_as_text() {
    let Some((host, browser)) = machine("page_shows_hostile_names_as_text") else { return };
    host.config(&CONFIG.replace("\"eth*\"", "\"*\""));
    host.script("link-added", "10-<img src=x onerror=alert(1)>", "#!/bin/sh\nexit 1\n");
    host.sh("ip link add '<img>' type bridge; ip link set '<img>' up");
    let _daemon = host.start_daemon();
    open(&browser);
    browser.await_text("#links", "<img>");
    // One that comes while the page is open, by the stream.
    host.sh("ip link add '\"><svg&lt;' type bridge");
    browser.await_text("#events", "\"><svg&lt;");
    browser.await_text("#links", "\"><svg&lt;");
    browser.await_text("#events", "10-<img src=x onerror=alert(1)>: exit status 1");
    browser.await_text("#scripts", "10-<img src=x onerror=alert(1)>");
    browser.await_text("#verdict-list", "10-<img src=x onerror=alert(1)>");
    // The details of such a link are asked for by its name.
    browser.eval(
        "[...document.querySelectorAll('.link')].find(e => e.innerText.includes('<img>')).querySelector('button').click()",
    );
    browser.await_text(".link .inside:not([hidden])", "nothing waiting");
    assert_eq!(
        browser.eval("document.querySelectorAll('img, iframe, object, main script').length"),
        json!(0)
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn page_shows_the_first_of_many_links_and_finds_the_others() {
    let test = "page_shows_the_first_of_many_links_and_finds_the_others";
    let Some((host, browser)) = machine(test) else { return };
    let mut lines = String::new();
    for number in 0..300 {
        let _ = writeln!(lines, "link add many{number} type bridge");
    }
    host.ip_batch(&lines, false);
    let _daemon = host.start_daemon();
    open(&browser);
    browser.await_text("#interfaces-count", "303");
    browser.await_true("200 are shown", "document.querySelectorAll('.link').length === 200");
    browser.await_text("#links-more", "The first 200 of 303");
    for key in ["/", "m", "a", "n", "y", "2", "9", "9"] {
        browser.press(key);
    }
    browser.await_true("one is left", "document.querySelectorAll('.link').length === 1");
    browser.await_text("#links", "many299");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
