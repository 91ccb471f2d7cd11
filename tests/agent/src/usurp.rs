//! `usurp PROCESS DESCRIPTOR UID`: root takes a netlink socket out of a process and hands it to UID,
//! who asks the kernel by it for a rule that sends everything to table 7.
//!
//! What somebody could do who owned that process: its own exit by the socket is the same. Prints the
//! kernel's answer, "done" or the error. The process has to be stopped, else it reads the answer.

use crate::sys;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use std::os::fd::AsRawFd;

const NLMSG_ERROR: u16 = 2;
const RTM_NEWRULE: u16 = 32;
/// NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE and NLM_F_EXCL.
const FLAGS: u16 = 0x605;
/// What the answer is known by.
const SEQUENCE: u32 = 0x5eed;

pub(crate) fn run(arguments: &[String]) {
    let [process, number, id] = arguments else {
        panic!("usage: netevd-test-agent usurp PROCESS DESCRIPTOR UID")
    };
    let pidfd = sys::pidfd_open(process.parse().expect("a process id")).expect("a pidfd");
    let socket = sys::pidfd_getfd(&pidfd, number.parse().expect("a number")).expect("root may");
    let id: u32 = id.parse().expect("a user id");
    nix::unistd::setgid(id.into()).expect("a group");
    nix::unistd::setuid(id.into()).expect("a user");
    send(socket.as_raw_fd(), &rule(), MsgFlags::empty()).expect("sent");
    let mut frame = [0; 32 * 1024];
    loop {
        let length = recv(socket.as_raw_fd(), &mut frame, MsgFlags::empty()).expect("an answer");
        let frame = &frame[..length];
        let kind = u16::from_ne_bytes(frame[4..6].try_into().expect("two bytes"));
        let sequence = u32::from_ne_bytes(frame[8..12].try_into().expect("four bytes"));
        if kind == NLMSG_ERROR && sequence == SEQUENCE {
            let code = i32::from_ne_bytes(frame[16..20].try_into().expect("four bytes"));
            match code {
                0 => println!("done"),
                _ => println!("{:?}", Errno::from_raw(-code)),
            }
            return;
        }
    }
}

/// struct nlmsghdr and struct fib_rule_hdr.
fn rule() -> Vec<u8> {
    let family = u8::try_from(libc::AF_INET).expect("small");
    let mut frame = 28_u32.to_ne_bytes().to_vec();
    frame.extend(RTM_NEWRULE.to_ne_bytes());
    frame.extend(FLAGS.to_ne_bytes());
    frame.extend(SEQUENCE.to_ne_bytes());
    frame.extend(0_u32.to_ne_bytes());
    // Lengths of the prefixes, tos, table, two reserved bytes, FR_ACT_TO_TBL, no flags.
    frame.extend([family, 0, 0, 0, 7, 0, 0, 1]);
    frame.extend(0_u32.to_ne_bytes());
    frame
}
