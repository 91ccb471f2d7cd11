//! The bodies of the fuzz targets for what the helper reads: frames, sessions, answers of the kernel,
//! the policy. Each takes any bytes and fails where a promise does not hold.
//!
//! The helper is a program and no library, so its very sources are compiled in here; nothing of it is
//! replaced but the netlink socket (`socket`), the channel, the doorbell, the clock and the log. `cargo test --test corpus`
//! compiles this file as a test, which runs the whole corpus on any toolchain.

#![allow(dead_code, unused_imports, reason = "of the helper's sources not all is called from here")]
#![allow(missing_docs, unreachable_pub, reason = "no library but for the targets")]
#![allow(clippy::expect_used, clippy::panic, reason = "a broken promise has to end the run")]

// The helper's sources find the socket of this crate where they look for the one of netlink-sys.
extern crate self as netlink_sys;

#[path = "../../netevd-priv/src"]
mod helper {
    pub(crate) mod apply;
    pub(crate) mod budget;
    pub(crate) mod copy;
    pub(crate) mod kernel;
    pub(crate) mod netlink;
    pub(crate) mod object;
    pub(crate) mod report;
    pub(crate) mod route;
    pub(crate) mod rule;
    pub(crate) mod schedule;
    pub(crate) mod session;
}
use helper::{apply, budget, copy, kernel, netlink, object, report, route, rule, schedule, session};

mod answers;
mod bytes;
mod channel;
mod doorbell;
mod model;
mod sessions;
mod socket;
#[cfg(test)]
mod tests;

pub use socket::{Socket, SocketAddr, protocols};

/// Of the helper's start only the log is needed, and that says nothing here.
mod start {
    pub(crate) fn log(line: &str) {
        assert!(!line.is_empty() && !line.contains('\n'), "{line:?} is no line");
    }
}

/// A clock of its own: what is found is found again.
mod sys {
    use std::cell::Cell;
    use std::time::Duration;

    thread_local! {
        pub(crate) static CLOCK: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    pub(crate) fn processor_time() -> Duration {
        monotonic()
    }

    pub(crate) fn monotonic() -> Duration {
        CLOCK.set(CLOCK.get() + Duration::from_micros(20));
        CLOCK.get()
    }
}

use protocol::{
    MAX_FRAME, Policy, SessionState, decode_reply, decode_request, encode_reply, encode_request, permit,
};

/// A frame: canonical, or refused.
pub fn frame(bytes: &[u8]) {
    if let Ok(request) = decode_request(bytes) {
        assert_eq!(encode_request(&request), bytes);
        assert!(bytes.len() <= MAX_FRAME && !format!("{request:?}").contains('\n'));
        let fresh = permit(SessionState::Fresh, &request);
        assert_eq!(fresh.is_ok(), matches!(request, protocol::Request::Hello { .. }));
    }
    if let Ok(reply) = decode_reply(bytes) {
        assert_eq!(encode_reply(&reply), bytes);
    }
}

/// A policy: printed and read again it is the same.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Policy>() {
        Ok(policy) => {
            let printed = policy.to_string();
            assert_eq!(printed.parse(), Ok(policy.clone()), "{printed}");
            assert!(policy.priorities().to.0 < 32_766, "before main");
            for name in ["lo", "eth0", "we+b", "eth[0]", "\u{e9}"] {
                let _ = (policy.interfaces.matches(name), policy.gateways_of(&[name]).count());
            }
        }
        Err(error) => assert!(error.line <= text.lines().count().max(1), "{error}"),
    }
}

/// A session, with a kernel that changes meanwhile.
pub fn session(bytes: &[u8]) {
    sessions::run(bytes);
}

/// What the kernel answers.
pub fn netlink(bytes: &[u8]) {
    answers::run(bytes);
}
