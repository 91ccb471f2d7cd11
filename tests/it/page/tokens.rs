//! Beyond the loopback the page is for those who have the token.

use super::{CONFIG, machine};

#[test]
fn page_beyond_loopback_wants_the_token_and_says_so_when_it_changes() {
    let test = "page_beyond_loopback_wants_the_token_and_says_so_when_it_changes";
    let Some((host, browser)) = machine(test) else { return };
    if !host.has_users() {
        return;
    }
    let api = "api: { enabled: true, bind_address: 192.0.2.2, token_file: /etc/netevd/token }";
    host.config(&CONFIG.replace("api: { enabled: true }", api));
    host.write("/etc/netevd/token", "the-first-of-the-tokens\n", 0o640);
    host.sh("chgrp netevd /etc/netevd/token");
    let daemon = host.start_daemon();
    browser.look(1280, 900, "light");
    browser.open("http://anybody:the-first-of-the-tokens@192.0.2.2:9090/");
    browser.await_text("#verdict-line", "The network is well");
    browser.await_text("#contact", "Live");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    host.write("/etc/netevd/token", "another-one-of-the-tokens\n", 0o640);
    host.sh("chgrp netevd /etc/netevd/token");
    daemon.signal("HUP");
    browser.await_text("#verdict-line", "This daemon wants its token");
    browser.await_text("#verdict-list", "api.token_file");
    browser.open("http://anybody:another-one-of-the-tokens@192.0.2.2:9090/");
    browser.await_text("#verdict-line", "The network is well");
}
