//! A worker that breaks the protocol ends the helper, and nothing in the kernel changes.

use crate::world::{HOST, Helper, World, add_rule, policy, via};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use protocol::{Prefix, Refusal, Reply, Request, Selector, VERSION, encode_request};
use std::io::IoSlice;
use std::os::fd::AsRawFd;

/// Ends with status 2, one line that holds `words`, and the kernel as it was.
fn ends_with(world: &World, helper: Helper, words: &str, before: &[Vec<serde_json::Value>]) {
    let end = helper.wait();
    assert_eq!(end.status, 2, "{words}: {}", end.log);
    assert_eq!(end.log.lines().count(), 1, "{}", end.log);
    assert!(end.log.contains(words), "{words} in {}", end.log);
    assert_eq!(world.everything(), before);
}

#[test]
fn a_frame_that_is_no_request_ends_it() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let good = encode_request(&add_rule(eth1, Selector::From, "10.0.2.5"));
    let destination: Prefix = "10.0.2.0/24".parse().expect("a prefix");
    let mut host_bits = encode_request(&Request::AddLocal { ifindex: eth1, destination });
    let last = host_bits.len() - 2;
    host_bits[last] = 1;
    let long = [&good[..], &[0]].concat();
    let frames: [(&[u8], &str); 6] = [
        (&good[..good.len() - 1], "malformed"),
        (&long, "trailing"),
        (&[0xff; 4], "malformed"),
        (&host_bits, "malformed"),
        (&[0; 256], "trailing"),
        (&[0; 257], "more than 256"),
    ];
    let mut setup = world.helper(&policy(&["eth1"]));
    assert_eq!(setup.ask(via(eth1, "10.0.2.1")), Reply::Ok);
    assert_eq!(setup.end().status, 0);
    let before = world.everything();
    for (frame, words) in frames {
        let mut helper = world.helper(&policy(&["eth1"]));
        helper.say(frame);
        ends_with(&world, helper, words, &before);
    }
}

#[test]
fn a_request_out_of_its_state_ends_it() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let hello = Request::Hello { version: VERSION };
    let add = add_rule(eth1, Selector::From, "10.0.2.5");
    let purge = Request::Purge { ifindex: eth1 };
    let before = world.everything();
    for (requests, words) in [
        (vec![add], "AddRule is not permitted while Fresh"),
        (vec![Request::Ping], "Ping is not permitted while Fresh"),
        (vec![hello, hello], "Hello is not permitted while Serving"),
        (vec![hello, Request::SyncEnd], "SyncEnd is not permitted while Serving"),
        (vec![hello, Request::SyncBegin, purge], "Purge is not permitted while Syncing"),
        (vec![hello, Request::SyncBegin, Request::SyncBegin], "SyncBegin is not permitted while Syncing"),
    ] {
        let mut helper = world.stranger(&policy(&["eth1"]).to_string());
        let (last, first) = requests.split_last().expect("some");
        for request in first {
            assert_eq!(helper.ask(*request), Reply::Ok);
        }
        helper.say(&encode_request(last));
        ends_with(&world, helper, words, &before);
    }
}

#[test]
fn another_version_is_refused_and_serves_nothing() {
    let Some(world) = World::new() else { return };
    let mut helper = world.stranger(&policy(&["eth1"]).to_string());
    let reply = helper.ask(Request::Hello { version: VERSION + 1 });
    assert_eq!(reply, Reply::Refused(Refusal::Version));
    helper.say(&encode_request(&Request::Ping));
    let end = helper.wait();
    assert_eq!(end.status, 2);
    assert!(end.log.contains("Ping is not permitted while Fresh"), "{}", end.log);
}

#[test]
fn a_descriptor_sent_along_ends_it() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let before = world.everything();
    let helper = world.helper(&policy(&["eth1"]));
    let frame = encode_request(&add_rule(eth1, Selector::From, "10.0.2.5"));
    let file = std::fs::File::open("/dev/null").expect("/dev/null");
    let rights = [file.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&rights)];
    sendmsg::<()>(helper.channel(), &[IoSlice::new(&frame)], &control, MsgFlags::empty(), None)
        .expect("sent");
    ends_with(&world, helper, "with a descriptor", &before);
}

#[test]
fn an_empty_frame_reads_as_the_end() {
    let Some(world) = World::new() else { return };
    let mut helper = world.helper(&policy(&["eth1"]));
    helper.say(&[]);
    assert_eq!(helper.wait().status, 0);
}
