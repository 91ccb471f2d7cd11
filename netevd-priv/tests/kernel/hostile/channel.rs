//! A channel that is closed, half closed, or never read.

use super::{Target, legal, nothing};
use crate::world::{Helper, add_rules, del_rules, received};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, send, shutdown};
use protocol::{Reply, Request, encode_request};

/// Sends without waiting; false when there is no room (the helper does not read).
fn pushed(helper: &Helper, frame: &[u8]) -> bool {
    match send(helper.channel(), frame, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT) {
        Ok(_) => true,
        Err(Errno::EAGAIN) => false,
        Err(errno) => panic!("{errno}"),
    }
}

/// Right behind each request the worker goes: the request is done or is not, and nothing else.
#[test]
fn closed_behind_a_request_it_is_done_or_not() {
    let Some(mut target) = Target::new() else { return };
    let delete = del_rules(target.eth1, &["10.0.2.5"]);
    for request in legal(target.eth1).into_iter().chain([delete.clone()]) {
        let ours = target.serve();
        for first in [&[][..], &[Request::SyncBegin]] {
            // A deletion is no request of a synchronisation.
            if request == delete && !first.is_empty() {
                continue;
            }
            let mut helper = target.helper();
            for request in first.iter().chain([&request]) {
                helper.say(&encode_request(request));
            }
            let end = helper.end();
            assert_eq!((end.status, end.log.as_str()), (0, ""), "{request:?}");
            let after = target.ours("closed behind a request");
            // Everything of it stands already, so an addition changes nothing.
            let deleted = request == delete && after.len() + 2 == ours.len();
            assert!(after == ours || deleted, "{request:?}: {after:?}");
        }
    }
}

#[test]
fn half_closed_it_answers_what_was_asked_and_goes() {
    let Some(mut target) = Target::new() else { return };
    let ours = target.serve();
    // Nothing more will be asked: it answers, and ends.
    let mut helper = target.helper();
    let asked = nothing(target.eth1);
    helper.say(&encode_request(&asked));
    shutdown(helper.channel(), Shutdown::Write).expect("shut");
    assert_eq!(helper.reply(&asked), Reply::Absent);
    assert_eq!(helper.wait().status, 0);
    // No answer will be read: the next one tells it so.
    let mut helper = target.helper();
    shutdown(helper.channel(), Shutdown::Read).expect("shut");
    helper.say(&encode_request(&asked));
    let end = helper.wait();
    assert_eq!((end.status, end.log.as_str()), (0, ""));
    let helper = target.helper();
    shutdown(helper.channel(), Shutdown::Both).expect("shut");
    assert_eq!(helper.wait().status, 0);
    assert_eq!(target.ours("half closed"), ours);
}

/// The helper waits in its answer, alone; when the worker goes it goes. What it had read is done.
#[test]
fn a_worker_that_never_reads_stops_its_own_helper_alone() {
    let Some(mut target) = Target::new() else { return };
    let ours = target.serve();
    let helper = target.helper();
    let frame = encode_request(&add_rules(target.eth1, &["10.0.2.5"]));
    let mut sent = 0u32;
    // Until neither direction has room; a helper that reads on would let this go on forever.
    let mut refused = 0;
    while refused < 200 {
        assert!(sent < 1_000_000, "it reads, though nobody takes its answers");
        if pushed(&helper, &frame) {
            sent += 1;
            refused = 0;
        } else {
            refused += 1;
            std::thread::yield_now();
        }
    }
    // It is blocked in its answer; another helper serves meanwhile.
    let mut other = target.helper();
    assert_eq!(other.ask(nothing(target.eth1)), Reply::Absent);
    assert_eq!(other.end().status, 0);
    let end = helper.end();
    assert_eq!((end.status, end.log.as_str()), (0, ""));
    assert_eq!(target.ours("a worker that never reads"), ours);
}

/// Everything at once, and the answers only then: each comes, in its order.
#[test]
fn answers_come_in_order_to_requests_made_in_advance() {
    let Some(mut target) = Target::new() else { return };
    target.serve();
    let mut helper = target.helper();
    let script = [Request::SyncBegin].into_iter().chain(legal(target.eth1)).chain([
        Request::SyncEnd,
        nothing(target.eth1),
        Request::SyncBegin,
        Request::SyncEnd,
    ]);
    let script: Vec<_> = script.collect();
    for request in &script {
        helper.say(&encode_request(request));
    }
    // The last is out of state: what was asked before it is still answered.
    helper.say(&encode_request(&Request::SyncEnd));
    for (number, request) in script.iter().enumerate() {
        let expected = match number {
            1..=6 => Reply::Exists,
            8 => Reply::Absent,
            _ => Reply::Ok,
        };
        assert_eq!(helper.reply(request), expected, "{request:?}");
    }
    assert!(matches!(received(helper.channel(), &mut [0; 300]), Ok(0) | Err(Errno::ECONNRESET)));
    target.ended(helper, "SyncEnd is not permitted while Serving", &std::collections::BTreeSet::new());
}
