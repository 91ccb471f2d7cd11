//! The agent's one place for what the compiler cannot check.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Gives the child `descriptors` as numbers 3, 4, … in this order.
///
/// Each of them must have a number above those, so that none is overwritten before it is copied.
pub(crate) fn pass(command: &mut Command, descriptors: Vec<OwnedFd>) {
    let copy = move || {
        for (number, descriptor) in (3..).zip(&descriptors) {
            // SAFETY: dup2 touches no memory and is async-signal-safe (signal-safety(7)).
            if unsafe { libc::dup2(descriptor.as_raw_fd(), number) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure calls dup2 alone, which is permitted between fork and exec.
    unsafe { command.pre_exec(copy) };
}

/// The owner of a descriptor that fcntl(F_DUPFD_CLOEXEC) has just made.
pub(crate) fn own(number: RawFd) -> OwnedFd {
    // SAFETY: the number is fresh from the kernel, and nothing else in the program knows it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// pidfd_open(2).
pub(crate) fn pidfd_open(process: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: integers go in, a descriptor or -1 comes out.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    fresh(answer)
}

/// pidfd_getfd(2).
pub(crate) fn pidfd_getfd(pidfd: &OwnedFd, number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: integers go in, a descriptor or -1 comes out.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
    fresh(answer)
}

fn fresh(answer: libc::c_long) -> io::Result<OwnedFd> {
    match RawFd::try_from(answer) {
        Ok(number) if number >= 0 => Ok(own(number)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Any system call, by numbers and [`address`]es.
pub(crate) fn call(number: libc::c_long, arguments: [i64; 6]) -> io::Result<i64> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: every caller passes numbers, null, or the address of a constant string that is only
    // read; the kernel answers EFAULT to what is no memory of ours.
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// Where a constant string is.
pub(crate) fn address(text: &'static std::ffi::CStr) -> i64 {
    text.as_ptr().expose_provenance().cast_signed() as i64
}
