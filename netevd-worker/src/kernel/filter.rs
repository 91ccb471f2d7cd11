//! [`RouteInterest`] as a classic BPF program for the multicast socket (socket(7),
//! `SO_ATTACH_FILTER`; no privilege is needed): what it drops takes no room in the receive buffer and
//! wakes nobody. Pure.
//!
//! It looks into a datagram only where that is one whole message about a route; all others pass.

use super::interest::{DEFAULT, DEFAULT_LIKE, LOCAL, MAIN, RouteInterest, WIDE, place};
use super::route::COPYABLE_PROTOCOLS;
use Block::{Drop, Ignored, Main, Next, Ours, Pass, Read, Rest, Single, Unreplaced};
use netlink_packet_core::NLM_F_REPLACE;
use nix::libc::{self, RTM_DELROUTE, RTM_NEWROUTE, sock_filter};
use protocol::PROTOCOL;

/// `struct nlmsghdr`: its length, and where type and flags stand.
const HEADER: u32 = 16;
const KIND: u32 = 4;
const FLAGS: u32 = 6;

const LOAD_LENGTH: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_LEN;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
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
    let of_main = if interest.main { u32::MAX } else { 0 };
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
                .chain([step(RETURN, of_main)])
                .collect(),
        ),
        (Ours, vec![step(LOAD_HALF, KIND), Step(IF_EQUAL, half(RTM_DELROUTE), Pass, Drop)]),
        (Pass, vec![step(RETURN, u32::MAX)]),
        (Drop, vec![step(RETURN, 0)]),
    ])
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
