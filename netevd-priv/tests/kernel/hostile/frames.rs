//! Frames that are no requests: each ends the helper, and changes nothing.

use super::{Target, each_kind, legal};
use crate::ours::Ours;
use crate::random::Random;
use crate::world::{Helper, add_rules, copy};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixCredentials, sendmsg, setsockopt, sockopt};
use protocol::{MAX_FRAME, Reply, Request, decode_request, encode_request};
use std::collections::BTreeSet;
use std::io::IoSlice;
use std::os::fd::AsRawFd;

/// How many helpers are at work at a time: to start one takes longest.
const TOGETHER: usize = 16;

/// Says each of these to a helper of its own, which ends with status 2 and one line.
fn each_ends(target: &mut Target, frames: &[Vec<u8>]) {
    let ours = target.serve();
    for frames in frames.chunks(TOGETHER) {
        let mut helpers: Vec<Helper> = frames.iter().map(|_| target.stranger()).collect();
        for (helper, frame) in helpers.iter_mut().zip(frames) {
            helper.greet();
            helper.say(frame);
        }
        for (helper, frame) in helpers.into_iter().zip(frames) {
            let end = helper.wait();
            assert_eq!((end.status, end.log.lines().count()), (2, 1), "{frame:02x?}: {}", end.log);
        }
        assert_eq!(target.ours("frames that are none"), ours, "one of {frames:02x?}");
    }
}

#[test]
fn the_log_says_what_was_wrong() {
    let Some(mut target) = Target::new() else { return };
    let ours = target.serve();
    let good = encode_request(&add_rules(target.eth1, &["10.0.2.5"]));
    let mut host_bits = encode_request(&copy(target.eth1, &["10.0.2.0/23"]));
    let last = host_bits.len() - 1;
    host_bits[last] = 1;
    let long = [&good[..], &[0]].concat();
    let frames: [(&[u8], &str); 6] = [
        (&good[..good.len() - 1], "malformed"),
        (&long, "trailing"),
        (&[0xff; 4], "malformed"),
        (&host_bits, "malformed"),
        (&[0; MAX_FRAME], "trailing"),
        (&[0; MAX_FRAME + 1], "more than 2048"),
    ];
    for (frame, words) in frames {
        let mut helper = target.helper();
        helper.say(frame);
        target.ended(helper, words, &ours);
    }
}

#[test]
fn garbage_of_every_length_ends_it() {
    let Some(mut target) = Target::new() else { return };
    let mut random = Random::new(20_261_124);
    let mut frames: Vec<Vec<u8>> = (1..=400).map(|length| random.bytes(length)).collect();
    // The like of requests: a tag that exists, and then anything.
    for round in 0..600 {
        let mut frame = random.bytes(4 + round % 40);
        frame[1..4].fill(0);
        frame[0] %= 9;
        frames.push(frame);
    }
    // What is a request by chance is none of this test's (`SyncBegin` is four bytes).
    frames.retain(|frame| decode_request(frame).is_err());
    assert!(frames.len() > 950, "{}", frames.len());
    each_ends(&mut target, &frames);
}

#[test]
fn every_truncation_and_every_byte_too_many_ends_it() {
    let Some(mut target) = Target::new() else { return };
    let mut frames = Vec::new();
    for request in each_kind(target.eth1) {
        let frame = encode_request(&request);
        frames.extend((1..frame.len()).map(|length| frame[..length].to_vec()));
        // A request behind a request is a byte too many as well.
        frames.push([&frame[..], &frame[..]].concat());
        for length in [frame.len() + 1, MAX_FRAME, MAX_FRAME + 1, 8192, 100_000] {
            frames.push([&frame[..], &vec![0; length - frame.len()]].concat());
        }
    }
    each_ends(&mut target, &frames);
}

/// Every bit of every kind of request turned round: what is a request then is the very encoding
/// of another one; all else ends the helper.
#[test]
fn every_turned_bit_ends_it_or_is_another_request() {
    let Some(mut target) = Target::new() else { return };
    let ours = target.serve();
    let (mut broken, mut others) = (BTreeSet::new(), Vec::new());
    for request in each_kind(target.eth1).into_iter().chain(legal(target.eth1)) {
        let frame = encode_request(&request);
        for bit in 0..frame.len() * 8 {
            let mut turned = frame.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            match decode_request(&turned) {
                Ok(other) => {
                    assert_ne!(other, request);
                    assert_eq!(encode_request(&other), turned, "two encodings of {other:?}");
                    others.push(other);
                }
                Err(_) => drop(broken.insert(turned)),
            }
        }
    }
    assert!(broken.len() > 300 && others.len() > 800, "{} {}", broken.len(), others.len());
    // One helper answers them all; those that it may not answer in its state stand in states.rs.
    let mut helper = target.helper();
    let served = |r: &Request| !matches!(r, Request::Hello { .. } | Request::SyncBegin | Request::SyncEnd);
    for other in others.into_iter().filter(served) {
        helper.ask(other);
    }
    assert_eq!(helper.end().status, 0);
    // All that is a bit aside of what may be asked is another copy, or a deletion, or main in front.
    let after = target.ours("requests a bit aside");
    let aside = |object: &Ours| match object {
        Ours::Route(route) => route.table == 241,
        Ours::Rule(rule) => rule.priority == 32_001 && rule.table == 254,
    };
    assert!(after.difference(&ours).all(aside), "{after:?}");
    let broken: Vec<_> = broken.into_iter().collect();
    let mut target = Target::new().expect("there was one");
    each_ends(&mut target, &broken);
}

#[test]
fn an_empty_frame_reads_as_the_end() {
    let Some(mut target) = Target::new() else { return };
    let ours = target.serve();
    let mut helper = target.helper();
    helper.say(&[]);
    let end = helper.wait();
    assert_eq!((end.status, end.log.as_str()), (0, ""));
    assert_eq!(target.ours("an empty frame"), ours);
}

/// With a frame that is a request in itself, with one that is none, and in either state.
#[test]
fn what_is_sent_along_ends_it() {
    let Some(mut target) = Target::new() else { return };
    let ours = target.serve();
    let request = encode_request(&add_rules(target.eth1, &["10.0.2.5"]));
    let hello = encode_request(&each_kind(target.eth1)[0]);
    let file = std::fs::File::open("/dev/null").expect("/dev/null");
    // SCM_MAX_FD
    for count in [1, 2, 253] {
        for (frame, greeted) in [(&request[..], true), (&[0xff; 9], true), (&hello, false)] {
            let helper = if greeted { target.helper() } else { target.stranger() };
            let rights = vec![file.as_raw_fd(); count];
            send_along(&helper, frame, &ControlMessage::ScmRights(&rights));
            target.ended(helper, "with a descriptor", &ours);
        }
    }
    let own = UnixCredentials::new();
    // The helper asks for no credentials, so the kernel keeps them to itself: the frame counts.
    let mut helper = target.helper();
    send_along(&helper, &request, &ControlMessage::ScmCredentials(&own));
    let reply = helper.reply(&add_rules(target.eth1, &["10.0.2.5"]));
    assert_eq!(reply, Reply::Exists);
    assert_eq!(helper.end().status, 0);
    // On a channel that passes them they end it: an option of the socket is the receiver's own,
    // which the shared socket of a process that goes on could have set.
    let mut helper = target.world.stranger_with(&Target::policy().to_string(), |theirs| {
        setsockopt(theirs, sockopt::PassCred, &true).expect("set");
    });
    helper.say(&hello);
    target.ended(helper, "or credentials", &ours);
    drop(file);
}

fn send_along(helper: &Helper, frame: &[u8], what: &ControlMessage<'_>) {
    sendmsg::<()>(
        helper.channel(),
        &[IoSlice::new(frame)],
        std::slice::from_ref(what),
        MsgFlags::empty(),
        None,
    )
    .expect("sent");
}
