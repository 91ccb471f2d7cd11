//! What is asked wrongly: each is answered with a reason, and harms nobody.

use super::{CONFIG, machine};
use crate::support::{Answer, request};

#[test]
fn api_errors_say_what_is_possible() {
    let Some(host) = machine("api_errors_say_what_is_possible", CONFIG) else { return };
    let _daemon = host.start_daemon();
    for (path, parts) in [
        ("/api/v1/status?x=1", ["x", "none"]),
        ("/api/v1/interfaces?stat=routable", ["stat", "state"]),
        ("/api/v1/interfaces?statistics=1", ["statistics", "true"]),
        ("/api/v1/interfaces?state=a%20b", ["state", "word"]),
        ("/api/v1/routes?family=6", ["family", "ipv6"]),
        ("/api/v1/routes?limit=x", ["limit", "10000"]),
        ("/api/v1/routes?limit=10001", ["limit", "10000"]),
        ("/api/v1/routes?table=nothing", ["table", "main"]),
        ("/api/v1/routes?table=0", ["table", "main"]),
        ("/api/v1/routes?interface=a%2Fb", ["interface", "name"]),
        ("/api/v1/events?limit=1001", ["limit", "1000"]),
        ("/api/v1/events?event_type=routabel", ["event_type", "routable"]),
        ("/api/v1/events?since=yesterday", ["since", "2026-"]),
        ("/api/v1/events?limit=1&limit=2", ["limit", "once"]),
        ("/api/v1/events/x", ["x", "number"]),
        ("/api/v1/events/stream?tail=x", ["tail", "1000"]),
        ("/api/v1/events/stream?since=x", ["since", "id"]),
        ("/health?verbose=true", ["verbose", "none"]),
    ] {
        let answer = host.get(path);
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{path}");
        let message = answer.message();
        assert!(parts.iter().all(|part| message.contains(part)), "{path}: {message}");
    }
    let example = host.get("/api/v1/routes?family=6").text();
    assert!(include_str!("../../../docs/api.md").contains(&example), "docs/api.md does not have {example}");
    for path in ["/api/v1/interface", "/api/v2/status", "/x", "/api/v1/events/999999999", "/api/v1/routes/"] {
        let answer = host.get(path);
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{path}");
    }
    for (method, path, allowed) in [
        ("POST", "/api/v1/status", "GET"),
        ("GET", "/api/v1/reload", "POST"),
        ("DELETE", "/api/v1/events/1", "GET"),
        ("PUT", "/", "GET"),
        ("OPTIONS", "/health", "GET"),
    ] {
        let answer = host.ask(method, path, "");
        assert_eq!((answer.status, answer.code().as_str()), (405, "method_not_allowed"), "{method} {path}");
        assert!(answer.header("allow").is_some_and(|allow| allow.contains(allowed)), "{answer:?}");
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "no CORS");
    }
}

#[test]
fn api_answers_have_heads_that_hold_browsers_back() {
    let Some(host) = machine("api_answers_have_heads_that_hold_browsers_back", CONFIG) else { return };
    let _daemon = host.start_daemon();
    for (path, kind) in [
        ("/api/v1/status", "application/json"),
        ("/api/v1/nothing", "application/json"),
        ("/health", "application/json"),
        ("/metrics", "text/plain"),
        ("/openapi.yaml", "application/yaml"),
        ("/", "text/html"),
    ] {
        let got = host.get(path);
        let header = |name: &str| got.header(name).unwrap_or_default().to_owned();
        assert!(header("content-type").starts_with(kind), "{path}: {}", header("content-type"));
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let policy = header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        // HEAD is GET without the body.
        let head = host.ask("HEAD", path, "");
        assert_eq!((head.status, head.body.len()), (got.status, 0), "{path}");
        assert_eq!(head.header("content-type"), got.header("content-type"), "{path}");
    }
    let page = host.get("/");
    assert!(
        page.text().contains("<title>")
            && page.header("content-security-policy").is_some_and(|policy| {
                policy.contains("script-src 'sha256-")
                    && policy.contains("style-src 'sha256-")
                    && !policy.contains("unsafe")
            })
    );
}

#[test]
fn api_malformed_requests_end_their_own_connection() {
    let Some(host) = machine("api_malformed_requests_end_their_own_connection", CONFIG) else { return };
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker").expect("the worker runs");
    let long = "a".repeat(100_000);
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let body = |length: usize, sent: usize| {
        let mut text =
            request("POST", "/api/v1/reload?dry_run=true", &format!("Content-Length: {length}\r\n"));
        text.push_str(&"x".repeat(sent));
        text.into_bytes()
    };
    let chunked = request("POST", "/api/v1/reload?dry_run=true", "Transfer-Encoding: chunked\r\n");
    let both = request("GET", "/health", "Content-Length: 3\r\nContent-Length: 4\r\n");
    let cases: Vec<(&str, Vec<u8>, Option<u16>)> = vec![
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), Some(400)),
        ("no version", b"GET /health\r\n\r\n".to_vec(), Some(400)),
        ("HTTP/3.0", b"GET /health HTTP/3.0\r\n\r\n".to_vec(), Some(400)),
        ("a long path", request("GET", &format!("/{long}"), "").into_bytes(), None),
        ("a long header", request("GET", "/health", &format!("X: {long}\r\n")).into_bytes(), Some(431)),
        ("many headers", request("GET", "/health", &many).into_bytes(), Some(431)),
        ("a header without a colon", request("GET", "/health", "nothing\r\n").into_bytes(), Some(400)),
        ("a folded header", request("GET", "/health", "X: a\r\n b\r\n").into_bytes(), Some(400)),
        ("a zero byte", b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Some(400)),
        ("a broken escape", request("GET", "/api/v1/interfaces/%zz", "").into_bytes(), Some(404)),
        ("no UTF-8", request("GET", "/api/v1/interfaces/%ff%fe", "").into_bytes(), Some(400)),
        ("above the root", request("GET", "/api/v1/../../etc/passwd", "").into_bytes(), Some(404)),
        (
            "a length that is none",
            request("POST", "/api/v1/reload", "Content-Length: -1\r\n").into_bytes(),
            Some(400),
        ),
        ("a huge body", body(100_000_000, 200_000), Some(413)),
        ("a small body", body(1_000, 1_000), Some(200)),
        ("endless chunks", [chunked.as_bytes(), b"4000\r\n".as_ref(), &vec![b'x'; 200_000]].concat(), None),
        ("two lengths", both.into_bytes(), None),
        ("another protocol", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), None),
    ];
    for (what, bytes, expected) in cases {
        let answer = host.exchange(&bytes);
        if let Some(expected) = expected {
            assert!(!answer.is_empty(), "{what}: no answer");
            let status = Answer::parse(&answer).status;
            assert_eq!(status, expected, "{what}: {}", String::from_utf8_lossy(&answer));
        } else if !answer.is_empty() {
            let status = Answer::parse(&answer).status;
            assert!((400..500).contains(&status), "{what}: {}", String::from_utf8_lossy(&answer));
        }
    }
    assert_eq!(daemon.child("netevd-worker"), Some(worker), "the same worker:\n{}", host.log());
    assert_eq!(host.api("/health")["status"], "healthy");
}
