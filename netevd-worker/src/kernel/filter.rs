//! [`RouteInterest`] as a classic BPF program for the multicast socket (socket(7),
//! `SO_ATTACH_FILTER`; no privilege is needed): what it drops takes no room in the receive buffer and
//! wakes nobody. Pure.
//!
//! It looks into a datagram only where that is one whole message about a route; all others pass.

use super::interest::{DEFAULT, DEFAULT_LIKE, LOCAL, MAIN, RouteInterest, WIDE, place};
use super::unused_routes::{AF_INET, RTA_DST, RTA_OIF};
use crate::model::COPYABLE_PROTOCOLS;
use Block::{
    Copied, Drop, Ignored, Ipv4, Ipv4Link, Ipv6Link, Main, Next, Ours, Pass, Read, Rest, Single, Unreplaced,
};
use netlink_packet_core::NLM_F_REPLACE;
use nix::libc::{self, RTM_DELROUTE, RTM_NEWROUTE, sock_filter};
use protocol::{Family, PROTOCOL};

/// `struct nlmsghdr`: its length, and where type and flags stand.
const HEADER: u32 = 16;
const KIND: u32 = 4;
const FLAGS: u32 = 6;

const LOAD_LENGTH: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_LEN;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const LOAD_WORD_AT_X: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_IND;
const LOAD_NUMBER: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_IMM;
const NUMBER_TO_X: u32 = libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM;
const STORE: u32 = libc::BPF_ST;
const LOAD_STORED: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_MEM;
const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const SHIFT: u32 = libc::BPF_ALU | libc::BPF_LSH | libc::BPF_K;
const ADD: u32 = libc::BPF_ALU | libc::BPF_ADD | libc::BPF_K;
const ADD_X: u32 = libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const TO_X: u32 = libc::BPF_MISC | libc::BPF_TAX;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_EQUAL_X: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_X;
const IF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const IF_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;

/// Loaded as a word: where the first attribute of the type X is, looked for from A on; 0 where there is none.
const FIND: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_NLATTR).cast_unsigned();

/// Where a jump leads. Programs only jump forward, so the blocks stand in this order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// The step behind the jump.
    Next,
    /// It is about a route; is it alone in its datagram?
    Single,
    /// It is of a protocol that is ignored, if it is no default.
    Ignored,
    /// It is not ignored.
    Read,
    /// It replaced nothing in main.
    Unreplaced,
    /// It is not ours.
    Rest,
    /// It is main's.
    Main,
    /// It is of no protocol that is read.
    Copied,
    /// It is of IPv4.
    Ipv4,
    /// Which link does it leave through?
    Ipv4Link,
    Ipv6Link,
    /// It is ours.
    Ours,
    /// The whole datagram is handed over.
    Pass,
    /// It never was.
    Drop,
}

/// One step; of a jump where it leads if the condition holds, and if not.
struct Step(u32, u32, Block, Block);

fn step(code: u32, value: u32) -> Step {
    Step(code, value, Next, Next)
}

/// A number of the host's byte order as a load of two bytes brings it, which takes it for the network's.
fn half(value: u16) -> u32 {
    u16::from_be_bytes(value.to_ne_bytes()).into()
}

/// The program.
pub(super) fn program(interest: RouteInterest) -> Vec<sock_filter> {
    // The lower half of nlmsg_len, byte by byte.
    let (low, high) = if cfg!(target_endian = "little") { (0, 1) } else { (3, 2) };
    let [length, table, protocol, end] =
        [place::DESTINATION_LENGTH, place::TABLE, place::PROTOCOL, place::END].map(|at| HEADER + at);
    let reported = if interest.reported { Pass } else { Next };
    let private = if interest.private { Pass } else { Drop };
    let of_main = if interest.main { Copied } else { Drop };
    let is_ignored = |protocol: u8| Step(IF_EQUAL, protocol.into(), Ignored, Next);
    let is_copied = |protocol: &u8| Step(IF_EQUAL, (*protocol).into(), Pass, Next);
    resolve(vec![
        (
            Next,
            vec![
                // A load beyond the end would drop.
                step(LOAD_LENGTH, 0),
                Step(IF_AT_LEAST, end, Next, Pass),
                step(LOAD_HALF, KIND),
                Step(IF_EQUAL, half(RTM_NEWROUTE), Single, Next),
                Step(IF_EQUAL, half(RTM_DELROUTE), Single, Pass),
            ],
        ),
        (
            Single,
            vec![
                step(LOAD_BYTE, high),
                step(SHIFT, 8),
                step(TO_X, 0),
                step(LOAD_BYTE, low),
                step(ADD_X, 0),
                step(ADD, 3),
                step(AND, !3),
                step(TO_X, 0),
                step(LOAD_LENGTH, 0),
                step(ADD, 3),
                step(AND, !3),
                Step(IF_EQUAL_X, 0, Next, Pass),
                // From here on as `RouteInterest::wants`.
                step(LOAD_BYTE, protocol),
            ]
            .into_iter()
            .chain(interest.ignored.iter().map(is_ignored))
            // Always true: over what is about those.
            .chain([Step(IF_AT_LEAST, 0, Read, Read)])
            .collect(),
        ),
        (Ignored, vec![step(LOAD_BYTE, length), Step(IF_GREATER, WIDE.into(), Drop, Read)]),
        (
            Read,
            vec![
                step(LOAD_HALF, FLAGS),
                Step(IF_BIT, half(NLM_F_REPLACE), Next, Unreplaced),
                step(LOAD_BYTE, table),
                Step(IF_EQUAL, MAIN.into(), Pass, Unreplaced),
            ],
        ),
        (Unreplaced, vec![step(LOAD_BYTE, protocol), Step(IF_EQUAL, PROTOCOL.into(), Ours, Rest)]),
        (
            Rest,
            vec![
                step(LOAD_BYTE, table),
                Step(IF_EQUAL, LOCAL.into(), Drop, Next),
                step(LOAD_BYTE, length),
                Step(IF_GREATER, DEFAULT_LIKE.into(), reported, Pass),
                step(LOAD_BYTE, table),
                Step(IF_EQUAL, MAIN.into(), Main, Next),
                Step(IF_EQUAL, DEFAULT.into(), Drop, private),
            ],
        ),
        (
            Main,
            [step(LOAD_BYTE, protocol)]
                .into_iter()
                .chain(COPYABLE_PROTOCOLS.iter().map(is_copied))
                .chain([Step(IF_AT_LEAST, 0, of_main, of_main)])
                .collect(),
        ),
        (
            Copied,
            vec![
                step(LOAD_BYTE, length),
                Step(IF_GREATER, WIDE.into(), Next, Pass),
                step(LOAD_BYTE, HEADER),
                Step(IF_EQUAL, AF_INET.into(), Ipv4, Ipv6Link),
            ],
        ),
        (Ipv4, inside(interest)),
        (Ipv4Link, through(interest, Family::V4)),
        (Ipv6Link, through(interest, Family::V6)),
        (Ours, vec![step(LOAD_HALF, KIND), Step(IF_EQUAL, half(RTM_DELROUTE), Pass, Drop)]),
        (Pass, vec![step(RETURN, u32::MAX)]),
        (Drop, vec![step(RETURN, 0)]),
    ])
}

/// The value of an attribute of four bytes; what has none passes.
fn value_of(attribute: u16) -> [Step; 6] {
    [
        step(LOAD_NUMBER, HEADER + place::END),
        step(NUMBER_TO_X, attribute.into()),
        step(LOAD_WORD, FIND),
        Step(IF_EQUAL, 0, Pass, Next),
        step(TO_X, 0),
        step(LOAD_WORD_AT_X, 4),
    ]
}

/// What is in a net that is copied passes.
fn inside(interest: RouteInterest) -> Vec<Step> {
    let nets = interest.unused_routes.nets();
    let is_in = |(net, mask)| [step(LOAD_STORED, 0), step(AND, mask), Step(IF_EQUAL, net, Pass, Next)];
    let all = value_of(RTA_DST).into_iter().chain([step(STORE, 0)]).chain(nets.flat_map(is_in));
    all.chain([Step(IF_AT_LEAST, 0, Ipv4Link, Ipv4Link)]).collect()
}

/// What leaves through a link that matters to none is dropped.
fn through(interest: RouteInterest, family: Family) -> Vec<Step> {
    // A number of the host's byte order.
    let is_through = |link: u32| Step(IF_EQUAL, u32::from_be_bytes(link.to_ne_bytes()), Drop, Next);
    let links = interest.unused_routes.links(family).map(is_through);
    value_of(RTA_OIF).into_iter().chain(links).chain([step(RETURN, u32::MAX)]).collect()
}

/// Names of blocks into distances.
fn resolve(blocks: Vec<(Block, Vec<Step>)>) -> Vec<sock_filter> {
    let mut begins = Vec::new();
    let mut length = 0;
    for (name, steps) in &blocks {
        begins.push((*name, length));
        length += steps.len();
    }
    let distance = |from: usize, to: Block| {
        let begin = begins.iter().find(|(name, _)| *name == to && to != Next);
        // The program has some fifty steps, and one for each protocol that is ignored (`IGNORED_MAX`).
        begin.map_or(0, |(_, begin)| u8::try_from(begin.saturating_sub(from + 1)).unwrap_or(u8::MAX))
    };
    let steps = blocks.iter().flat_map(|(_, steps)| steps);
    let resolved = steps.enumerate().map(|(at, Step(code, k, yes, no))| sock_filter {
        // Codes have eight bits.
        code: u16::try_from(*code).unwrap_or(u16::MAX),
        jt: distance(at, *yes),
        jf: distance(at, *no),
        k: *k,
    });
    resolved.collect()
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
