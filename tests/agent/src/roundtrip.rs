//! `roundtrip COUNT`: starts the helper as the launcher would, in a machine with eth1 (index 7,
//! 198.51.100.2, gateways .1 and .251), and times requests from send to reply; and fifty times its
//! start, from before the fork to the reply to Hello. Beside them, what asks the kernel for the same
//! without a helper: `ip rule add` as a process, from before its start to its end.
//!
//! Prints one JSON object: request name, `start` or `ip rule add`, to a list of nanoseconds.

use crate::record::now;
use crate::relay::{helper, helper_under, pair, policy};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::Pid;
use protocol::{Family, Ifindex, Links, NextHop, Reply, Request, Rules, Through};
use serde_json::{Value, json};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

const STARTS: usize = 50;
/// Rules by ip(8), each deleted again.
const RULES: usize = 100;

const fn v4(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, last))
}

pub(crate) fn run(arguments: &[String]) {
    let count: usize = arguments.first().expect("COUNT").parse().expect("a number");
    // Both on one processor: on two, most of it is the time in which the other one wakes up.
    let mut first = CpuSet::new();
    first.set(0).expect("a processor");
    sched_setaffinity(Pid::from_raw(0), &first).expect("set");
    let (channel, helper_end) = pair();
    let mut helper = helper(helper_end);
    let ifindex = Ifindex::try_from(7).expect("an index");
    let rules = Rules::Addresses(v4(2).into());
    let default =
        |last| Request::SetDefault { ifindex, family: Family::V4, next_hop: NextHop::Gateway(v4(last)) };
    let add = Request::AddRules { ifindex, rules: rules.clone(), through: Through::Table };
    let delete = Request::DelRules { ifindex, rules };
    let prefixes: protocol::Prefixes = protocol::Prefix::containing(v4(0), 24).expect("a prefix").into();
    let copy = Request::Copy { ifindex, except: Links::default(), prefixes: prefixes.clone() };
    let uncopy = Request::DelRoutes { ifindex, prefixes };

    expect(&channel, &Request::Hello { version: protocol::VERSION }, Reply::Ok);
    let mut times = [const { Vec::<i64>::new() }; 5];
    for n in 0..count {
        // Looks at nothing: what the channel and the codec cost.
        times[0].push(expect(&channel, &Request::SyncBegin, Reply::Ok));
        times[1].push(expect(&channel, &copy, Reply::Ok));
        times[2].push(expect(&channel, &default(if n % 2 == 0 { 1 } else { 251 }), Reply::Ok));
        times[3].push(expect(&channel, &add, Reply::Ok));
        expect(&channel, &Request::SyncEnd, Reply::Ok);
        times[4].push(expect(&channel, &delete, Reply::Ok));
        expect(&channel, &uncopy, Reply::Ok);
    }
    drop(channel);
    assert!(helper.wait().expect("waited").success(), "the helper ends with its channel");
    let starts: Vec<i64> = (0..STARTS).map(|_| start(&policy())).collect();
    let [begin, copy, default, add, delete]: [Value; 5] = times.map(Value::from);
    let rules: Vec<i64> = (0..RULES).map(|_| rule_by_ip()).collect();
    println!(
        "{}",
        json!({ "ip rule add": rules, "SyncBegin": begin, "Copy": copy, "AddRules": add, "DelRules": delete, "SetDefault": default, "start": starts })
    );
}

/// One start and its end; the time until it serves.
fn start(policy: &File) -> i64 {
    let (channel, helper_end) = pair();
    let begun = now();
    let mut helper = helper_under(helper_end, policy);
    expect(&channel, &Request::Hello { version: protocol::VERSION }, Reply::Ok);
    let took = now() - begun;
    drop(channel);
    assert!(helper.wait().expect("waited").success(), "the helper ends with its channel");
    took
}

/// `ip rule add` of a rule as netevd's; it is deleted again, untimed.
fn rule_by_ip() -> i64 {
    let ip = |action: &str| {
        let rule = ["from", "198.51.100.2", "lookup", "207", "priority", "32002", "protocol", "110"];
        let begun = now();
        let status = Command::new("ip").args(["rule", action]).args(rule).status().expect("ip starts");
        let took = now() - begun;
        assert!(status.success(), "ip rule {action}");
        took
    };
    let took = ip("add");
    ip("del");
    took
}

/// Asks, checks the reply, and returns the time that it took.
fn expect(channel: &OwnedFd, request: &Request, reply: Reply) -> i64 {
    let frame = protocol::encode_request(request);
    let mut answer = [0u8; protocol::MAX_FRAME];
    let begun = now();
    send(channel.as_raw_fd(), &frame, MsgFlags::MSG_NOSIGNAL).expect("sent");
    let length = recv(channel.as_raw_fd(), &mut answer, MsgFlags::empty()).expect("a reply");
    let took = now() - begun;
    assert_eq!(protocol::decode_reply(&answer[..length]), Ok(reply), "{request:?}");
    took
}
