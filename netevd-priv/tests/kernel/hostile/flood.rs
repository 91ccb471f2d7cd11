//! A hundred thousand requests as fast as they go: memory, log, descriptors and writes stay bounded.

use super::Target;
use super::nothing;
use crate::netlink::{Message, attributes};
use crate::world::{Helper, add_rules, copy, del_rules, via};
use protocol::{Ifindex, Limits, PROTOCOL, Policy, Reply, Request, encode_request};
use std::time::Instant;

const REQUESTS: usize = 100_000;
/// After these it has seen one of each kind, and has all the memory that it will ever need.
const FIRST: usize = 1_000;
const LIMITS: Limits = Limits { addresses: 4, copies: 4, objects: 64, writes_per_second: 20 };
/// How much more is no growth, in KiB: the kernel counts resident pages for each processor and adds
/// them up now and then (`percpu_counter`); anonymous memory it adds up when asked.
const SLACK: [u64; 3] = [512, 512, 64];
/// `RTMGRP_IPV4_ROUTE`, `_IPV4_RULE`, `_IPV6_ROUTE`, `_IPV6_RULE`
const GROUPS: u32 = 0x40 | 0x80 | 0x400 | 0x4_0000;

/// Sixteen requests, over and over: the additions that are granted are taken away again, so that
/// each time round is as much work as the first.
fn round(eth1: Ifindex) -> [Request; 16] {
    let gone = Ifindex::try_from(999).expect("valid");
    let other = |n| Ifindex::try_from(n).expect("valid");
    [
        add_rules(eth1, &["10.0.2.5"]),
        del_rules(eth1, &["10.0.2.5"]),
        del_rules(eth1, &["10.0.2.5"]),
        via(eth1, "10.0.2.1"),
        via(eth1, "10.0.2.2"),
        via(eth1, "10.0.2.3"),
        copy(eth1, &["10.0.2.0/25"]),
        add_rules(gone, &["10.0.2.5"]),
        add_rules(other(40), &["10.0.1.5"]),
        add_rules(eth1, &["10.0.2.5", "10.0.2.9"]),
        del_rules(gone, &["9.9.9.9"]),
        del_rules(gone, &["2001:db8::9"]),
        del_rules(other(54), &["10.0.1.5"]),
        add_rules(eth1, &["127.0.0.1"]),
        via(eth1, "224.0.0.1"),
        nothing(eth1),
    ]
}

fn is_addition(request: &Request) -> bool {
    matches!(request, Request::AddRules { .. } | Request::SetDefault { .. } | Request::Copy { .. })
}

/// A rule or route of ours has come: RTM_NEWRULE or RTM_NEWROUTE.
fn is_ours(message: &Message) -> bool {
    match message.kind {
        24 => message.payload[5] == PROTOCOL,
        32 => attributes(&message.payload, 12).contains(&(21, &[PROTOCOL])),
        _ => false,
    }
}

/// Resident, its peak, and what is anonymous (heap and stack), in KiB; the last is 0 where it
/// cannot be seen. 100,000 requests that kept 16 bytes each would show in all three.
fn memory(helper: &Helper) -> [u64; 3] {
    let status = helper.proc("status").expect("its status");
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|rest| rest.split_whitespace().next());
        value.map_or(0, |value| value.parse::<u64>().expect("KiB"))
    };
    let smaps = helper.proc("smaps_rollup").unwrap_or_default();
    [field(&status, "VmRSS:"), field(&status, "VmHWM:"), field(&smaps, "Anonymous:")]
}

/// Root alone may look at the descriptors of a process that is not dumpable.
fn descriptors(helper: &Helper) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{}/fd", helper.child.id())).ok()?.count())
}

#[test]
fn a_hundred_thousand_requests_leave_no_trace() {
    let Some(mut target) = Target::new() else { return };
    let requests = round(target.eth1);
    let mut monitor = target.world.netlink();
    monitor.listen(GROUPS);
    let began = Instant::now();
    let mut helper = target.world.helper(&Policy { limits: LIMITS, ..Target::policy() });
    let (mut granted, mut came, mut busy) = (0, 0, 0);
    let mut run = |helper: &mut Helper, count: usize| {
        let channel = helper.channel();
        let frames = requests.each_ref().map(encode_request);
        // One thread asks without waiting, the other takes the answers.
        let asker = std::thread::spawn(move || {
            for frame in frames.iter().cycle().take(count) {
                let flags = nix::sys::socket::MsgFlags::MSG_NOSIGNAL;
                nix::sys::socket::send(channel, frame, flags).expect("sent");
            }
        });
        for (number, request) in requests.iter().cycle().take(count).enumerate() {
            let reply = helper.reply(request);
            busy += usize::from(reply == Reply::Busy);
            // Two rules, or one route.
            let writes = if matches!(request, Request::AddRules { .. }) { 2 } else { 1 };
            granted += if is_addition(request) && reply == Reply::Ok { writes } else { 0 };
            // A deletion and a sign of life are never put off.
            assert!(
                is_addition(request) || matches!(reply, Reply::Ok | Reply::Absent),
                "{request:?}: {reply:?}"
            );
            if number % 500 == 0 {
                came += monitor.heard().iter().filter(|message| is_ours(message)).count();
            }
        }
        asker.join().expect("sent");
    };
    run(&mut helper, FIRST);
    let (before, open) = (memory(&helper), descriptors(&helper));
    run(&mut helper, REQUESTS - FIRST);
    let after = memory(&helper);
    let took = began.elapsed();
    came += monitor.heard().iter().filter(|message| is_ours(message)).count();
    println!("{REQUESTS} requests in {took:?}: {granted} writes, {busy} put off, KiB {before:?} {after:?}");
    assert!(before[0] > 0 && before[1] > 0, "{before:?}");
    for ((before, after), slack) in before.into_iter().zip(after).zip(SLACK) {
        assert!(after <= before + slack, "rss, peak, anonymous: {before:?} KiB, then {after:?}");
    }
    assert_eq!(descriptors(&helper), open);
    // Each write was granted, and no more of them than the bucket held and earned.
    assert_eq!(came, granted);
    let most = u64::from(LIMITS.objects) + u64::from(LIMITS.writes_per_second) * (took.as_secs() + 1);
    assert!(u64::try_from(granted).expect("small") <= most, "{granted} writes in {took:?}");
    assert!(granted > 64 && busy > 0, "the budget was never used up: {granted} {busy}");
    let end = helper.end();
    assert_eq!(end.status, 0);
    // Ten refusals a minute, and the sum of the others.
    let minutes = usize::try_from(took.as_secs() / 60 + 1).expect("few");
    assert!((11..=11 * minutes).contains(&end.log.lines().count()), "{}", end.log);
    assert!(target.ours("a flood").len() <= 1);
}
