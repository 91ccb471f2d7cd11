//! The unsafe operations of the helper: inherited descriptors, closing the others, the clock.
//!
//! Nothing else stands here; all else goes through the safe wrappers of nix and caps.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc;
use nix::sys::time::TimeSpec;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// The descriptor of this number, if the process was started with it open.
///
/// To be called once a number, before anything else could have opened one.
pub(crate) fn inherited(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: F_GETFD reads the descriptor table only; a number that is not open gives EBADF.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    // SAFETY: it is open, and no other value of this process owns it: it was inherited, and the
    // caller asks once for each number.
    (flags >= 0).then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes every descriptor from `first` on, close_range(2).
///
/// To be called while nothing in this process owns a descriptor of such a number.
/// The system call and not the C library's function, which glibc has only since 2.34.
pub(crate) fn close_from(first: u32) -> Result<(), Errno> {
    // SAFETY: no memory is passed; the caller vouches that no value owns what is closed.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0u32) }).map(drop)
}

/// The time since some fixed point, clock_gettime(2).
///
/// By the system call, which costs a tenth of a microsecond more than the C library's function:
/// that one calls the kernel on some machines and not on others, and the seccomp filter must
/// permit the same on all.
pub(crate) fn monotonic() -> Duration {
    clock(libc::CLOCK_MONOTONIC)
}

/// The processor time that this process has used, in the same way.
pub(crate) fn processor_time() -> Duration {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock(clock: libc::clockid_t) -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a value of the type that the call fills in.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut now) };
    TimeSpec::from_timespec(now).into()
}
