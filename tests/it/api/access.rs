//! Who may ask what: by the unix socket, by TCP with and without the token, in whose name.

use super::{CONFIG, TCP, machine};
use crate::support::{Host, SOCKET, request, wait_for};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

const TOKEN: &str = "correct-horse-battery-staple";
const TOKEN_FILE: &str = "/etc/netevd/token";
/// `any:TOKEN`, as a browser sends it.
const BASIC: &str = "Authorization: Basic YW55OmNvcnJlY3QtaG9yc2UtYmF0dGVyeS1zdGFwbGU=\r\n";

fn with_token(test: &str, api: &str) -> Option<Host> {
    let config = CONFIG.replace(
        "api: { enabled: true }",
        &format!("api: {{ enabled: true, token_file: {TOKEN_FILE}{api} }}"),
    );
    let host = machine(test, &config)?;
    host.write(TOKEN_FILE, &format!("{TOKEN}\n"), 0o640);
    // Without users the daemon runs as the only one.
    host.sh(&format!("chown :netevd {TOKEN_FILE} || true"));
    Some(host)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn api_by_the_socket_changes_are_roots() {
    let Some(host) = Host::with_users("api_by_the_socket_changes_are_roots") else { return };
    host.two_uplinks();
    host.config(CONFIG);
    host.sh("sed -i 's/^netevd:x:970:.*/netevd:x:970:friend/' /etc/group
         echo friend:x:1001:1001::/:/bin/sh >>/etc/passwd; echo stranger:x:1002:1002::/:/bin/sh >>/etc/passwd");
    let _daemon = host.start_daemon();
    let found = host.path(SOCKET).symlink_metadata().expect("the socket is there");
    assert!(found.file_type().is_socket());
    assert_eq!((found.permissions().mode() & 0o7777, found.uid(), found.gid()), (0o660, 970, 970));
    let endpoint = format!("unix:{SOCKET}");
    let status = request("GET", "/api/v1/status", "");
    let reload = request("POST", "/api/v1/reload", "");
    let asked = |uid: u32, text: &str| host.ask_as(uid, &endpoint, text).map(|answer| answer.status);
    assert_eq!((asked(0, &status), asked(0, &reload)), (Some(200), Some(200)));
    // The worker's own user, which scripts run as, may read.
    assert_eq!((asked(970, &status), asked(970, &reload)), (Some(200), Some(403)));
    assert_eq!(asked(1002, &status), None, "a stranger may not even connect");
    let refusal = host.ask_as(970, &endpoint, &reload).expect("an answer");
    assert_eq!(refusal.code(), "forbidden");
    assert!(refusal.message().contains("root") && refusal.message().contains("970"), "{}", refusal.message());
    // A member of the group.
    let words = ["setpriv", "--reuid=1001", "--regid=1001", "--init-groups", "--"];
    let agent = format!("/opt/netevd/netevd-test-agent raw {endpoint}");
    let text = "GET /api/v1/status HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n";
    let said = host.sh(&format!("printf '{text}' | {} {agent}", words.join(" ")));
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
}

#[test]
fn api_on_loopback_reading_is_free_and_changes_need_the_token() {
    let Some(host) = with_token("api_on_loopback_reading_is_free_and_changes_need_the_token", "") else {
        return;
    };
    let daemon = host.start_daemon();
    let right = bearer(TOKEN);
    let wrong = bearer("correct-horse-battery-stapler");
    for (method, headers, expected) in [
        ("GET", "", 200),
        ("GET", right.as_str(), 200),
        ("GET", BASIC, 200),
        ("GET", wrong.as_str(), 401),
        ("POST", "", 401),
        ("POST", BASIC, 401),
        ("POST", wrong.as_str(), 401),
        ("POST", right.as_str(), 200),
    ] {
        let path = if method == "GET" { "/api/v1/status" } else { "/api/v1/reload?dry_run=true" };
        let headers = format!("Host: {TCP}\r\n{headers}");
        let answer = host.ask_as(0, TCP, &request(method, path, &headers)).expect("an answer");
        assert_eq!(answer.status, expected, "{method} {headers}: {}", answer.text());
        if expected == 401 {
            assert_eq!(answer.code(), "unauthorized");
            assert!(answer.header("www-authenticate").is_some_and(|way| way.contains("Bearer")));
        }
    }
    // Pages of others, and names of others.
    let change = |headers: &str| {
        let text = request("POST", "/api/v1/reload?dry_run=true", &format!("{right}{headers}"));
        host.ask_as(0, TCP, &text).expect("an answer").status
    };
    let own = format!("Host: {TCP}\r\n");
    assert_eq!(change(&format!("{own}Origin: http://evil.example\r\n")), 403);
    assert_eq!(change(&format!("{own}Sec-Fetch-Site: cross-site\r\n")), 403);
    assert_eq!(change(&format!("{own}Origin: http://{TCP}\r\nSec-Fetch-Site: same-origin\r\n")), 200);
    for (name, expected) in [
        (TCP, 200),
        ("localhost:9090", 200),
        ("127.0.0.1", 403),
        ("127.0.0.1:9091", 403),
        ("192.0.2.2:9090", 403),
        ("netevd.example:9090", 403),
    ] {
        let text = request("GET", "/health", &format!("Host: {name}\r\n"));
        assert_eq!(host.ask_as(0, TCP, &text).expect("an answer").status, expected, "{name}");
    }
    // A reload reads the token again.
    host.write(TOKEN_FILE, "another-horse-battery-staple\n", 0o640);
    assert_eq!(host.ask("POST", "/api/v1/reload", "").status, 200);
    let text = |token: &str| request("POST", "/api/v1/reload?dry_run=true", &(own.clone() + &bearer(token)));
    wait_for(
        "the new token counts",
        || host.log(),
        || {
            host.ask_as(0, TCP, &text("another-horse-battery-staple"))
                .is_some_and(|answer| answer.status == 200)
        },
    );
    assert_eq!(host.ask_as(0, TCP, &text(TOKEN)).expect("an answer").status, 401);
    let log = daemon.stop().log;
    assert!(!log.contains("horse"), "no token is ever in the log:\n{log}");
}

#[test]
fn api_beyond_loopback_everything_needs_the_token() {
    let Some(host) =
        with_token("api_beyond_loopback_everything_needs_the_token", ", bind_address: 192.0.2.2")
    else {
        return;
    };
    let _daemon = host.start_daemon();
    let place = "192.0.2.2:9090";
    for path in ["/", "/health", "/metrics", "/api/v1/status", "/api/v1/openapi.yaml", "/api/v1/nothing"] {
        for (headers, is_right) in
            [(String::new(), false), (bearer("x"), false), (bearer(TOKEN), true), (BASIC.to_owned(), true)]
        {
            let text = request("GET", path, &format!("Host: {place}\r\n{headers}"));
            let answer = host.ask_as(0, place, &text).expect("an answer");
            let expected = match (is_right, path) {
                (false, _) => 401,
                (true, "/api/v1/nothing") => 404,
                (true, _) => 200,
            };
            assert_eq!(answer.status, expected, "{path} {headers}");
        }
    }
    // The unix socket goes without.
    assert_eq!(host.get("/api/v1/status").status, 200);
}
