//! What cannot be listened on is told, and fixed by a reload; it is never the end of the daemon.

use super::{CONFIG, TCP, array, await_document, machine};
use crate::support::{Host, request};
use serde_json::{Value, json};

/// The TCP listener in the status.
fn tcp(host: &Host) -> Value {
    let status = host.api("/api/v1/status");
    let mut all = array(&status["listeners"]).clone();
    all.retain(|listener| listener["address"].as_str().is_some_and(|address| address.starts_with("http")));
    all.pop().unwrap_or_default()
}

/// It failed; why.
fn failed(host: &Host) -> String {
    let status = host.api("/api/v1/status");
    assert_eq!(status["status"], "degraded");
    let listener = tcp(host);
    assert_eq!(listener["state"], "failed", "{listener}");
    let error = listener["error"].as_str().expect("a reason").to_owned();
    assert!(array(&status["problems"]).iter().any(|problem| *problem == error.as_str()), "{status}");
    assert!(host.log().contains(&error), "{error}\n{}", host.log());
    error
}

fn answers(host: &Host, place: &str) -> bool {
    let text = request("GET", "/health", &format!("Host: {place}\r\n"));
    host.ask_as(0, place, &text).is_some()
}

#[test]
fn api_a_port_in_use_is_told_and_tried_again() {
    let Some(host) = machine("api_a_port_in_use_is_told_and_tried_again", CONFIG) else { return };
    let python =
        "import socket,time;s=socket.socket();s.bind((\"127.0.0.1\",9090));s.listen();time.sleep(600)";
    host.sh(&format!("python3 -c '{python}' >/dev/null 2>&1 & echo $! >/tmp/pid"));
    crate::support::wait_for("the port is taken", String::new, || host.sh("ss -Hltn").contains(":9090"));
    let _daemon = host.start_daemon();
    let error = failed(&host);
    assert!(error.contains("127.0.0.1:9090") && error.contains("in use"), "{error}");
    host.sh("kill $(cat /tmp/pid)");
    crate::support::wait_for("the port is free", String::new, || !host.sh("ss -Hltn").contains(":9090"));
    assert_eq!(host.ask("POST", "/api/v1/reload", "").status, 200);
    await_document(&host, "/api/v1/status", "it listens", |status| status["status"] == "ok");
    assert!(answers(&host, TCP));
}

#[test]
fn api_a_token_that_is_none_is_told() {
    let Some(host) = machine("api_a_token_that_is_none_is_told", CONFIG) else { return };
    let config =
        |api: &str| host.config(&CONFIG.replace("{ enabled: true }", &format!("{{ enabled: true{api} }}")));
    config(", bind_address: 0.0.0.0");
    let _daemon = host.start_daemon();
    let error = failed(&host);
    assert!(error.contains("token_file"), "{error}");
    assert!(!answers(&host, TCP), "nothing listens without a token");
    config(", bind_address: 0.0.0.0, token_file: /etc/netevd/token");
    for (text, mode, part) in [
        ("", 0, "is not there"),
        ("0123456789abcdef\n", 0o644, "chmod"),
        ("too-short\n", 0o640, "16"),
        ("0123456789abcdef\nmore\n", 0o640, "line"),
        ("0123456789 abcdef\n", 0o640, "visible"),
    ] {
        if mode != 0 {
            host.write("/etc/netevd/token", text, mode);
            host.sh("chgrp netevd /etc/netevd/token || true");
        }
        assert_eq!(host.ask("POST", "/api/v1/reload", "").status, 200);
        await_document(&host, "/api/v1/status", part, |status| status["problems"].to_string().contains(part));
        let error = failed(&host);
        assert!(error.contains("/etc/netevd/token"), "{error}");
        assert!(!error.contains("abcdef") && !error.contains("too-short"), "{error}");
        assert!(!answers(&host, TCP));
    }
    host.write("/etc/netevd/token", "0123456789abcdef\n", 0o640);
    host.sh("chgrp netevd /etc/netevd/token || true");
    assert_eq!(host.ask("POST", "/api/v1/reload", "").status, 200);
    await_document(&host, "/api/v1/status", "it listens", |status| status["status"] == "ok");
    assert!(answers(&host, TCP));
}

#[test]
fn api_a_reload_moves_tcp_and_keeps_the_socket() {
    let Some(host) = machine("api_a_reload_moves_tcp_and_keeps_the_socket", CONFIG) else { return };
    let _daemon = host.start_daemon();
    let mut stream = super::stream::Reader::open(&host, "/api/v1/events/stream", "");
    assert!(answers(&host, TCP));
    host.config(&CONFIG.replace("{ enabled: true }", "{ enabled: true, port: 9191 }"));
    assert_eq!(host.ask("POST", "/api/v1/reload", "").json()["changed"], json!(["api"]));
    await_document(&host, "/api/v1/status", "it listens there", |status| {
        status["listeners"][1]["address"] == "http://127.0.0.1:9191"
            && status["listeners"][1]["state"] == "listening"
    });
    assert!(answers(&host, "127.0.0.1:9191") && !answers(&host, TCP));
    host.config(&CONFIG.replace("api: { enabled: true }", "metrics: { enabled: false }"));
    assert_eq!(host.get("/metrics").status, 200);
    assert_eq!(host.ask("POST", "/api/v1/reload", "").status, 200);
    await_document(&host, "/api/v1/status", "TCP is gone", |status| array(&status["listeners"]).len() == 1);
    assert!(!answers(&host, "127.0.0.1:9191"));
    let metrics = host.get("/metrics");
    assert_eq!((metrics.status, metrics.code().as_str()), (404, "not_found"));
    assert!(metrics.message().contains("metrics"), "{}", metrics.message());
    // The stream by the unix socket has lived through all of it.
    host.ip("link set eth0 mtu 1400");
    stream.await_event("mtu", "eth0");
}

#[test]
fn api_a_token_of_the_worker_s_user_is_refused() {
    let Some(host) = Host::with_users("api_a_token_of_the_worker_s_user_is_refused") else { return };
    host.two_uplinks();
    host.config(&CONFIG.replace("{ enabled: true }", "{ enabled: true, token_file: /etc/netevd/token }"));
    host.write("/etc/netevd/token", "0123456789abcdef\n", 0o640);
    host.sh("chown netevd: /etc/netevd/token");
    let refused = host.run(&["/opt/netevd/netevd", "validate"]);
    assert_eq!(refused.status, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("belongs to uid 970"), "{}", refused.stderr);
    let _daemon = host.start_daemon();
    let error = failed(&host);
    assert!(
        error.contains("belongs to uid 970") && error.contains("chown root /etc/netevd/token"),
        "{error}"
    );
    assert!(!error.contains("abcdef") && !answers(&host, TCP), "{error}");
    // What it says, and a reload.
    host.sh("chown root /etc/netevd/token");
    assert_eq!(host.run(&["/opt/netevd/netevd", "validate"]).status, 0);
    assert_eq!(host.ask("POST", "/api/v1/reload", "").status, 200);
    await_document(&host, "/api/v1/status", "it listens", |status| status["status"] == "ok");
    assert!(answers(&host, TCP));
    // And given away again, while it runs.
    host.sh("chown netevd /etc/netevd/token");
    assert_eq!(host.ask("POST", "/api/v1/reload", "").status, 200);
    await_document(&host, "/api/v1/status", "refused", |status| {
        status["problems"].to_string().contains("belongs to uid 970")
    });
    assert!(!answers(&host, TCP));
}
