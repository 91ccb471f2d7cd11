//! The filter, tried: each forbidden form of a call ends a process, each permitted one does not.

#![cfg(test)]
#![allow(unsafe_code, reason = "system calls as a captured helper would make them")]

mod program;

use super::filter_calls;
use nix::libc::{self, c_long};
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

/// Which line of [`ATTEMPTS`] the child makes.
const NUMBER: &str = "NETEVD_TEST_ATTEMPT";
/// Anything that is no null pointer; nothing is there.
const ADDRESS: c_long = 4096;
const READ: c_long = libc::PROT_READ as c_long;
const WRITE: c_long = libc::PROT_WRITE as c_long;
const EXECUTE: c_long = libc::PROT_EXEC as c_long;
const PRIVATE: c_long = libc::MAP_PRIVATE as c_long;
const ANONYMOUS: c_long = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as c_long;

/// A call with its arguments, and whether it is permitted.
type Attempt = (c_long, [c_long; 6], bool);

#[rustfmt::skip]
const ATTEMPTS: [Attempt; 46] = [
    // On descriptors that are not there, or memory that is not: only the filter can end it.
    (libc::SYS_ppoll,         [0, 0, ADDRESS, 0, 0, 0], true),
    (libc::SYS_ppoll,         [0, 0, ADDRESS, ADDRESS, 8, 0], false),
    (libc::SYS_recvmsg,       [3, 0, 0, 0, 0, 0], true),
    (libc::SYS_recvmsg,       [4, 0, 0, 0, 0, 0], false),
    (libc::SYS_recvmsg,       [0, 0, 0, 0, 0, 0], false),
    (libc::SYS_recvfrom,      [4, 0, 0, 0, 0, 0], true),
    (libc::SYS_recvfrom,      [5, 0, 0, 0, 0, 0], true),
    (libc::SYS_recvfrom,      [6, 0, 0, 0, 0, 0], false),
    (libc::SYS_recvfrom,      [3, 0, 0, 0, 0, 0], false),
    (libc::SYS_recvfrom,      [4, 0, 0, 0, ADDRESS, ADDRESS], false),
    (libc::SYS_sendto,        [3, 0, 0, 0, 0, 0], true),
    (libc::SYS_sendto,        [4, 0, 0, 0, 0, 0], true),
    (libc::SYS_sendto,        [2, 0, 0, 0, 0, 0], false),
    (libc::SYS_sendto,        [4, 0, 0, 0, ADDRESS, 12], false),
    (libc::SYS_sendto,        [3, 0, 0, 0, 1 << 32, 12], false),
    (libc::SYS_write,         [2, 0, 0, 0, 0, 0], true),
    (libc::SYS_write,         [1, 0, 0, 0, 0, 0], false),
    (libc::SYS_write,         [3, 0, 0, 0, 0, 0], false),
    (libc::SYS_mmap,          [0, 4096, READ | WRITE, ANONYMOUS, -1, 0], true),
    (libc::SYS_mmap,          [0, 4096, READ | WRITE | EXECUTE, ANONYMOUS, -1, 0], false),
    (libc::SYS_mmap,          [0, 4096, READ | EXECUTE, ANONYMOUS, -1, 0], false),
    (libc::SYS_mmap,          [0, 4096, READ | WRITE, PRIVATE, 0, 0], false),
    (libc::SYS_mprotect,      [ADDRESS, 4096, READ | EXECUTE, 0, 0, 0], false),
    (libc::SYS_clock_gettime, [libc::CLOCK_MONOTONIC as c_long, 0, 0, 0, 0, 0], true),
    (libc::SYS_clock_gettime, [libc::CLOCK_PROCESS_CPUTIME_ID as c_long, 0, 0, 0, 0, 0], true),
    (libc::SYS_clock_gettime, [libc::CLOCK_REALTIME as c_long, 0, 0, 0, 0, 0], false),
    (libc::SYS_read,          [0, 0, 0, 0, 0, 0], false),
    (libc::SYS_openat,        [libc::AT_FDCWD as c_long, ADDRESS, 0, 0, 0, 0], false),
    (libc::SYS_close,         [99, 0, 0, 0, 0, 0], false),
    (libc::SYS_dup,           [99, 0, 0, 0, 0, 0], false),
    (libc::SYS_fcntl,         [3, libc::F_GETFD as c_long, 0, 0, 0, 0], false),
    (libc::SYS_ioctl,         [3, 0, 0, 0, 0, 0], false),
    (libc::SYS_sendmsg,       [3, 0, 0, 0, 0, 0], false),
    (libc::SYS_sendmsg,       [4, 0, 0, 0, 0, 0], false),
    (libc::SYS_socket,        [libc::AF_NETLINK as c_long, libc::SOCK_RAW as c_long, 0, 0, 0, 0], false),
    (libc::SYS_connect,       [3, 0, 0, 0, 0, 0], false),
    (libc::SYS_setsockopt,    [4, 0, 0, 0, 0, 0], false),
    (libc::SYS_execve,        [ADDRESS, 0, 0, 0, 0, 0], false),
    (libc::SYS_clone,         [0, 0, 0, 0, 0, 0], false),
    (libc::SYS_ptrace,        [0, 1, 0, 0, 0, 0], false),
    (libc::SYS_kill,          [1, 0, 0, 0, 0, 0], false),
    (libc::SYS_prctl,         [libc::PR_SET_DUMPABLE as c_long, 1, 0, 0, 0, 0], false),
    (libc::SYS_capset,        [0, 0, 0, 0, 0, 0], false),
    (libc::SYS_setns,         [99, 0, 0, 0, 0, 0], false),
    (libc::SYS_bpf,           [0, 0, 0, 0, 0, 0], false),
    (libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0], false),
];

#[test]
fn a_call_or_argument_that_is_not_listed_kills() {
    for (number, attempt) in ATTEMPTS.iter().enumerate() {
        let (call, arguments, permitted) = attempt;
        let status = in_a_child(number);
        let expected = if *permitted { None } else { Some(Signal::SIGSYS as i32) };
        assert_eq!(status.signal(), expected, "{number}: call {call} of {arguments:?}: {status}");
        assert!(!permitted || status.success(), "{number}: {status}");
    }
}

fn in_a_child(number: usize) -> ExitStatus {
    let name = concat!(module_path!(), "::an_attempt");
    let (_, name) = name.split_once("::").expect("below the crate");
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", "--ignored", name]).env(NUMBER, number.to_string());
    child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("started")
}

#[test]
#[ignore = "started by another test"]
fn an_attempt() {
    let number: usize = std::env::var(NUMBER).expect("a number").parse().expect("a number");
    let (call, [a, b, c, d, e, f], _) = ATTEMPTS[number];
    assert!(filter_calls().is_ok());
    // SAFETY: no pointer is to memory of this process; what is not permitted does not return.
    unsafe { libc::syscall(call, a, b, c, d, e, f) };
    // SAFETY: as a helper ends, whatever the harness would do further.
    unsafe { libc::syscall(libc::SYS_exit_group, 0) };
}
