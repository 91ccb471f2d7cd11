//! The system calls that are left once the helper serves, and why each is.
//!
//! `tests/kernel/calls.rs` traces a whole life of the helper and fails on a call that is not here
//! and on a line here that was never needed.

use crate::start::{CHANNEL, DOORBELL, NETLINK};
use nix::libc::{self, c_int, c_long};
use seccompiler::SeccompCmpArgLen::{self, Dword, Qword};

/// What an argument must be, by its position and width; the others may be anything.
pub(crate) type Is = (u8, SeccompCmpArgLen, u64);

/// A call, and the forms of it that are permitted: all arguments of one form must fit.
pub(crate) type Call = (c_long, &'static [&'static [Is]]);

/// Everything else kills the process.
pub(crate) const CALLS: [Call; 12] = [
    // Until the worker asks, something changes in the kernel, or it is time to check again.
    (libc::SYS_ppoll, &[&[NO_MASK]]),
    // A frame of the worker.
    (libc::SYS_recvmsg, &[&[int(0, CHANNEL)]]),
    // What the kernel answers, and that something has changed; nobody's address is asked for.
    (libc::SYS_recvfrom, &[&[int(0, NETLINK), NO_ADDRESS], &[int(0, DOORBELL), NO_ADDRESS]]),
    // A reply to the worker, a request to the kernel: to no address but where the socket leads.
    (libc::SYS_sendto, &[&[int(0, CHANNEL), NO_ADDRESS], &[int(0, NETLINK), NO_ADDRESS]]),
    // A line of the log.
    (libc::SYS_write, &[&[int(0, libc::STDERR_FILENO)]]),
    // The allocator: the heap's end, and a large dump's own memory. Never executable, never a file.
    (libc::SYS_brk, &[]),
    (libc::SYS_mmap, &[&[READ_WRITE, PRIVATE]]),
    (libc::SYS_mremap, &[]),
    (libc::SYS_munmap, &[]),
    // The write budget, the log's minute, the next check and what the last one cost. By the call itself, see
    // `sys::monotonic`.
    (libc::SYS_clock_gettime, &[&[int(0, libc::CLOCK_MONOTONIC)], &[int(0, libc::CLOCK_PROCESS_CPUTIME_ID)]]),
    // The end: the standard library gives back the stack of its signal handler first.
    (libc::SYS_sigaltstack, &[]),
    (libc::SYS_exit_group, &[]),
];

const READ_WRITE: Is = long(2, libc::PROT_READ | libc::PROT_WRITE);
const PRIVATE: Is = long(3, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
const NO_ADDRESS: Is = long(4, 0);
const NO_MASK: Is = long(3, 0);

/// An `int`, of which the kernel looks at 32 bits too.
const fn int(position: u8, value: c_int) -> Is {
    (position, Dword, value.cast_unsigned() as u64)
}

/// A pointer or an `unsigned long`.
const fn long(position: u8, value: c_int) -> Is {
    (position, Qword, value.cast_unsigned() as u64)
}
