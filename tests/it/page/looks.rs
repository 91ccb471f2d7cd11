//! What it shows, and that people can read it.

use super::{PAGE, machine, open, row};
use serde_json::json;

/// Every text on the screen whose contrast with its ground is less than WCAG AA asks for (4.5, large
/// text 3). Half-transparent grounds do not occur here.
const FAINT: &str = "(() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const faint = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('script')) continue;
    const style = getComputedStyle(element);
    let ground = element;
    while (ground && channels(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
    const pair = [style.color, getComputedStyle(ground).backgroundColor].map(c => light(channels(c)));
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    seen++;
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) faint.push([ratio, walker.currentNode.data]);
  }
  return { seen, faint };
})()";

/// Every element that reaches beyond the window's right edge, but what is hidden for those who see.
const WIDE: &str = "[...document.querySelectorAll('body *')]
  .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.outerHTML.slice(0, 120))";

#[test]
fn page_tells_at_a_glance_and_asks_nobody_else() {
    let Some((host, browser)) = machine("page_tells_at_a_glance_and_asks_nobody_else") else { return };
    let _daemon = host.start_daemon();
    open(&browser);
    browser.await_text("#verdict-line", "The network is well");
    browser.await_text("#verdict-more", "2 of 2 watched interfaces are routable");
    let eth1 = browser.eval(&format!("{}.innerText", row("eth1")));
    let eth1 = eth1.as_str().expect("text");
    for part in ["routable", "198.51.100.2/24", "policy routing"] {
        assert!(eth1.contains(part), "{part}: {eth1}");
    }
    // Gateways come with a document of their own.
    browser.await_text("#links", "via 198.51.100.1");
    browser.await_text("#tables", "32002: from 198.51.100.2 lookup 207");
    browser.await_text("#tables", "default via 198.51.100.1 dev eth1");
    browser.await_text("#scripts", "/etc/netevd/routable.d/10-good");
    browser.await_text("#scripts", "ended well");
    browser.await_text("#events", "1 script in");
    browser.await_text("#checks", "Kernel messages: ok");
    // Traffic makes a curve.
    host.peer("ping -q -i 0.05 -c 100 -s 1400 198.51.100.2 >/dev/null 2>&1 &");
    let moving = format!("/[1-9].* [kM]?bit/.test({0}.querySelector('.rates').innerText)", row("eth1"));
    browser.await_true("eth1's rates move", &moving);
    let curve = format!("{}.querySelector('.spark .rx').getAttribute('d')", row("eth1"));
    browser.await_true("eth1 has a curve", &curve);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let foreign: Vec<String> = browser
        .requests()
        .into_iter()
        .filter(|url| !url.starts_with(PAGE) && !url.starts_with("data:") && url != "about:blank")
        .collect();
    assert_eq!(foreign, Vec::<String>::new());
}

#[test]
fn page_is_readable_in_light_and_dark_and_at_360_pixels() {
    let test = "page_is_readable_in_light_and_dark_and_at_360_pixels";
    let Some((host, browser)) = machine(test) else { return };
    host.sh("ip link add eth-a-long-name type bridge; ip link set eth-a-long-name up
         ip addr add 2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff/64 dev eth-a-long-name nodad");
    let _daemon = host.start_daemon();
    // Trouble shows more than peace: its colours are looked at too.
    host.ip("link set eth1 down");
    open(&browser);
    browser.await_text("#verdict", "eth1 is under policy routing and is no-carrier");
    browser.await_text("#events", "20-bad: exit status 3");
    browser.await_text("#tables", "32002: from 192.0.2.2 lookup 206");
    browser.eval("document.querySelectorAll('.row').forEach(row => row.click())");
    browser.await_text("#links", "Hardware address");
    browser.await_text("#events", "/etc/netevd/no-carrier.d/20-bad");
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.look(1280, 900, scheme);
        let read = browser.eval(FAINT);
        assert!(read["seen"].as_u64() > Some(100), "{scheme}: only {} texts", read["seen"]);
        assert_eq!(read["faint"], json!([]), "{scheme}");
        grounds.push(browser.eval("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(grounds[0], grounds[1]);
    for width in [360, 760, 1020, 1280] {
        browser.look(width, 800, "light");
        let scroll = browser.eval("document.documentElement.scrollWidth").as_u64();
        assert_eq!(scroll, Some(u64::from(width)), "{width} pixels");
        assert_eq!(browser.eval(WIDE), json!([]), "{width} pixels");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
