//! Every request in every state, and a channel that is closed in each of them.

use super::{Target, each_kind};
use crate::world::Helper;
use protocol::{Refusal, Reply, Request, SessionState, VERSION, encode_request, permit};

/// Written by hand from DESIGN 2.2, and not from the code: `Hello` first and once; everything
/// while serving but the end of what has not begun; between SyncBegin and SyncEnd additions alone.
/// In the order of [`each_kind`].
const PERMITTED: [(&str, [bool; 3]); 9] = [
    //              Fresh  Serving  Syncing
    ("Hello", [true, false, false]),
    ("AddRules", [false, true, true]),
    ("DelRules", [false, true, false]),
    ("SetDefault", [false, true, true]),
    ("Copy", [false, true, true]),
    ("Follow", [false, true, true]),
    ("DelRoutes", [false, true, false]),
    ("SyncBegin", [false, true, false]),
    ("SyncEnd", [false, false, true]),
];
const STATES: [SessionState; 3] = [SessionState::Fresh, SessionState::Serving, SessionState::Syncing];

/// A helper that has been led into this state.
fn led_into(target: &Target, state: SessionState) -> Helper {
    let mut helper = target.stranger();
    if state != SessionState::Fresh {
        helper.greet();
    }
    if state == SessionState::Syncing {
        assert_eq!(helper.ask(Request::SyncBegin), Reply::Ok);
    }
    helper
}

#[test]
fn each_request_in_each_state_is_answered_or_ends_it() {
    let Some(mut target) = Target::new() else { return };
    for (request, (name, permitted)) in each_kind(target.eth1).into_iter().zip(PERMITTED) {
        assert_eq!(request.name(), name);
        for (state, permitted) in STATES.into_iter().zip(permitted) {
            let ours = target.serve();
            let mut helper = led_into(&target, state);
            assert_eq!(permit(state, &request).is_ok(), permitted, "{name} while {state:?}");
            if permitted {
                let reply = helper.ask(&request);
                assert!(matches!(reply, Reply::Ok | Reply::Exists | Reply::Absent), "{name}: {reply:?}");
                assert_eq!(helper.end().status, 0, "{name} while {state:?}");
                target.ours(name);
            } else {
                helper.say(&encode_request(&request));
                target.ended(helper, &format!("{name} is not permitted while {state:?}"), &ours);
            }
        }
    }
}

#[test]
fn another_version_is_refused_and_serves_nothing() {
    let Some(mut target) = Target::new() else { return };
    let ours = target.serve();
    for version in [0, VERSION + 1, u16::MAX] {
        let mut helper = target.stranger();
        // As often as one likes; the log is told ten times, and in the end how often more.
        for _ in 0..500 {
            let reply = helper.ask(Request::Hello { version });
            assert_eq!(reply, Reply::Refused(Refusal::Version));
        }
        helper.say(&encode_request(&Request::SyncBegin));
        let end = helper.wait();
        assert_eq!((end.status, end.log.lines().count()), (2, 12), "{}", end.log);
        assert!(end.log.contains("490 times"), "{}", end.log);
        assert!(end.log.contains("SyncBegin is not permitted while Fresh"), "{}", end.log);
        assert_eq!(target.ours("another version"), ours);
    }
}

/// What is answered before it goes is done; what stands stays, also in the midst of naming.
#[test]
fn a_channel_closed_in_any_state_changes_nothing() {
    let Some(mut target) = Target::new() else { return };
    let ours = target.serve();
    for state in STATES {
        let end = led_into(&target, state).end();
        assert_eq!((end.status, end.log.as_str()), (0, ""), "{state:?}");
        assert_eq!(target.ours("closed"), ours, "{state:?}");
    }
    // Some of it named, and gone before the end: no deletion.
    let named = super::legal(target.eth1);
    for count in 0..named.len() {
        let mut helper = led_into(&target, SessionState::Syncing);
        for request in &named[..count] {
            assert_eq!(helper.ask(request), Reply::Exists);
        }
        assert_eq!(helper.end().status, 0);
        assert_eq!(target.ours("closed while naming"), ours, "{count} named");
    }
}
