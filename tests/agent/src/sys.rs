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

/// ptrace(2) with neither address nor data: PTRACE_ATTACH, PTRACE_SEIZE, PTRACE_TRACEME.
pub(crate) fn ptrace(request: libc::c_uint, process: libc::pid_t) -> io::Result<()> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: these requests read neither address nor data.
    check(unsafe { libc::ptrace(request, process, none, none) })
}

/// process_vm_readv(2) or, when `write`, process_vm_writev(2) of the byte at `address` there.
pub(crate) fn process_vm(process: libc::pid_t, address: usize, write: bool) -> io::Result<()> {
    let mut byte = 0_u8;
    let own = libc::iovec { iov_base: std::ptr::from_mut(&mut byte).cast(), iov_len: 1 };
    let there = libc::iovec { iov_base: std::ptr::without_provenance_mut(address), iov_len: 1 };
    let (own, there) = (&raw const own, &raw const there);
    let answer = if write {
        // SAFETY: the local byte lives through the call; the remote address is the other's matter.
        unsafe { libc::process_vm_writev(process, own, 1, there, 1, 0) }
    } else {
        // SAFETY: the same.
        unsafe { libc::process_vm_readv(process, own, 1, there, 1, 0) }
    };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// kcmp(2): whether descriptor 0 of the other process is the same file as ours.
pub(crate) fn kcmp(process: libc::pid_t) -> io::Result<()> {
    const KCMP_FILE: libc::c_int = 0;
    let own = std::process::id();
    // SAFETY: integers alone.
    check(unsafe { libc::syscall(libc::SYS_kcmp, own, process, KCMP_FILE, 0, 0) })
}

/// prlimit(2): reads another process's limit of descriptors.
pub(crate) fn prlimit(process: libc::pid_t) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: nothing is read by the null pointer, and the other is to memory of the right type.
    check(unsafe { libc::prlimit(process, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut limit) }
        as libc::c_long)
}

/// ioctl(2) TIOCSTI: puts a byte into a terminal's input, as if it had been typed.
pub(crate) fn type_into(descriptor: RawFd, byte: u8) -> io::Result<()> {
    // SAFETY: the pointer is to a byte that lives through the call, and is only read.
    check(libc::c_long::from(unsafe { libc::ioctl(descriptor, libc::TIOCSTI, &raw const byte) }))
}

/// Makes the child give up its identity, ask to be traced, and keep `descriptor` open as 3.
pub(crate) fn stop_at_exec(command: &mut Command, id: u32, descriptor: OwnedFd) {
    let prepare = move || {
        // SAFETY: integers, and async-signal-safe, as all of these.
        check(libc::c_long::from(unsafe { libc::dup2(descriptor.as_raw_fd(), 3) }))?;
        // SAFETY: a count of zero, so the pointer is not read.
        check(libc::c_long::from(unsafe { libc::setgroups(0, std::ptr::null()) }))?;
        // SAFETY: integers.
        check(libc::c_long::from(unsafe { libc::setresgid(id, id, id) }))?;
        // SAFETY: integers.
        check(libc::c_long::from(unsafe { libc::setresuid(id, id, id) }))?;
        ptrace(libc::PTRACE_TRACEME, 0)
    };
    // SAFETY: the closure makes async-signal-safe system calls alone.
    unsafe { command.pre_exec(prepare) };
}

fn check(answer: libc::c_long) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// TUNSETIFF (linux/if_tun.h): `device` is the other end of a new tun device of this name.
pub(crate) fn make_tun(device: &std::fs::File, name: &str) -> io::Result<()> {
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    // struct ifreq: the name, and flags behind it.
    let mut request = [0_u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    let flags = u16::try_from(libc::IFF_TUN | libc::IFF_NO_PI).map_err(io::Error::other)?;
    request[libc::IFNAMSIZ..libc::IFNAMSIZ + 2].copy_from_slice(&flags.to_ne_bytes());
    // SAFETY: the kernel reads and writes one struct ifreq, which is `request` and as large.
    let answer = unsafe { libc::ioctl(device.as_raw_fd(), TUNSETIFF, request.as_mut_ptr()) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
