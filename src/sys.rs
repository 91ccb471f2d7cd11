//! The launcher's one place for `unsafe`: descriptors at fixed numbers, and what a child does to
//! itself between fork and exec. Only async-signal-safe calls stand in the second part.

#![allow(unsafe_code)]

use crate::identity::Identity;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The first that a child is given; a channel in all of them.
pub(crate) const CHANNEL: RawFd = 3;
/// Descriptors that a child can be given, from [`CHANNEL`] on.
const GIVEN_MAX: usize = 4;
/// `_LINUX_CAPABILITY_VERSION_3`, include/uapi/linux/capability.h.
const CAPABILITY_VERSION: u32 = 0x2008_0522;
/// No kernel has more capabilities than its sets have bits.
const CAPABILITY_BITS: libc::c_int = 64;

/// What a child becomes before it executes its program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Confinement {
    /// uid and gid to take, with no supplementary groups; `None` keeps the caller's.
    pub identity: Option<Identity>,
    /// The capabilities to keep, as bits; all others go from every set.
    pub capabilities: u64,
    /// File mode creation mask.
    pub umask: libc::mode_t,
    /// Whether it gets a session of its own, so that ^C on the terminal does not reach it. Not
    /// possible for the leader of a process group.
    pub own_session: bool,
    /// Whether SIGHUP waits until the program permits it, and does not end it before its handler is there.
    pub holds_hang_up: bool,
}

/// Keeps a statically linked `netevd` from loading the modules of nsswitch.conf(5): each needs a C library,
/// which would be the second in this process, and the process crashes (seen with `passwd: files systemd`). So
/// users and groups come from /etc/passwd and /etc/group, names of hosts from /etc/hosts and DNS.
///
/// To be called first, while there is one thread.
#[cfg(all(target_feature = "crt-static", target_env = "gnu"))]
pub(crate) fn load_no_name_service_modules() {
    unsafe extern "C" {
        // nss.h of glibc; it overrides the file for one database.
        fn __nss_configure_lookup(database: *const libc::c_char, line: *const libc::c_char) -> libc::c_int;
    }
    for (database, line) in [(c"passwd", c"files"), (c"group", c"files"), (c"hosts", c"files dns")] {
        // SAFETY: two strings that end with a zero and live as long as the program; there is one thread.
        let result = unsafe { __nss_configure_lookup(database.as_ptr(), line.as_ptr()) };
        assert_eq!(result, 0, "glibc knows these databases");
    }
}

/// Closes what was inherited above standard error and occupies the four numbers that children
/// use, so that no descriptor of the launcher can ever stand there.
///
/// To be called first, while nothing above standard error is owned by anyone in this process.
pub(crate) fn reserve_descriptors() -> io::Result<()> {
    let first = libc::c_uint::try_from(CHANNEL).unwrap_or(libc::c_uint::MAX);
    // SAFETY: plain integers; nothing in this process owns a descriptor from 3 on yet.
    check(unsafe { libc::close_range(first, libc::c_uint::MAX, 0) })?;
    for expected in (CHANNEL..).take(GIVEN_MAX) {
        // Kept for the life of the process, and closed in children by its close-on-exec flag.
        let found = File::open("/dev/null")?.into_raw_fd();
        if found != expected {
            return Err(io::Error::other(format!("descriptor {found} instead of {expected}")));
        }
    }
    Ok(())
}

/// Makes `command` confine itself before exec, with the given descriptors (four at most) from
/// [`CHANNEL`] on and none above.
pub(crate) fn confine(command: &mut Command, confinement: Confinement, descriptors: &[BorrowedFd<'_>]) {
    let mut given = [None; GIVEN_MAX];
    for (place, descriptor) in given.iter_mut().zip(descriptors) {
        *place = Some(descriptor.as_raw_fd());
    }
    let parent = std::process::id();
    // SAFETY: `prepare` makes async-signal-safe system calls alone and allocates nothing.
    unsafe { command.pre_exec(move || prepare(confinement, given, parent)) };
}

fn prepare(confinement: Confinement, given: [Option<RawFd>; GIVEN_MAX], parent: u32) -> io::Result<()> {
    if confinement.own_session {
        // SAFETY: no arguments.
        check(unsafe { libc::setsid() })?;
    }
    // SAFETY: an integer; it cannot fail.
    unsafe { libc::umask(confinement.umask) };
    block_signals(confinement.holds_hang_up)?;
    if confinement.own_session {
        // Who starts the launcher by nohup(1) means the launcher.
        // SAFETY: no handler is installed, only the default put back.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
    }
    let mut next = CHANNEL;
    for descriptor in given.into_iter().flatten() {
        // SAFETY: an open descriptor; the number is one of the placeholders of `reserve_descriptors`.
        check(unsafe { libc::dup2(descriptor, next) })?;
        next += 1;
    }
    // Marked rather than closed: the standard library reports a failed exec by one of them. A
    // kernel before 5.11 refuses the flag; all that this process opens has its mark already, and
    // what it inherited was closed at its start.
    let flags = libc::c_int::try_from(libc::CLOSE_RANGE_CLOEXEC).unwrap_or_default();
    // SAFETY: plain integers.
    let _ = check(unsafe { libc::close_range(next.unsigned_abs(), libc::c_uint::MAX, flags) });
    drop_bounding_set(confinement.capabilities);
    if let Some(identity) = confinement.identity {
        take_identity(identity.uid.as_raw(), identity.gid.as_raw())?;
    }
    set_capabilities(confinement.capabilities)?;
    // After the change of identity, which clears it.
    prctl(libc::PR_SET_PDEATHSIG, libc::c_ulong::from(libc::SIGTERM.unsigned_abs()))?;
    // SAFETY: no arguments.
    let now = unsafe { libc::getppid() };
    if u32::try_from(now) != Ok(parent) {
        // The launcher died before the line above; no signal will come.
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// What the launcher blocks for itself is unblocked.
fn block_signals(hang_up: bool) -> io::Result<()> {
    let mut blocked = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the pointer is to memory of the right type.
    check(unsafe { libc::sigemptyset(blocked.as_mut_ptr()) })?;
    if hang_up {
        // SAFETY: initialised by the call above.
        check(unsafe { libc::sigaddset(blocked.as_mut_ptr(), libc::SIGHUP) })?;
    }
    // SAFETY: the same.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, blocked.as_ptr(), std::ptr::null_mut()) })
}

fn take_identity(uid: libc::uid_t, gid: libc::gid_t) -> io::Result<()> {
    // The permitted set must outlive the change of uid; what is not wanted goes afterwards.
    prctl(libc::PR_SET_KEEPCAPS, 1)?;
    // SAFETY: a count of zero, so the pointer is not read.
    check(unsafe { libc::setgroups(0, std::ptr::null()) })?;
    // SAFETY: integers.
    check(unsafe { libc::setresgid(gid, gid, gid) })?;
    // SAFETY: integers.
    check(unsafe { libc::setresuid(uid, uid, uid) })
}

/// Without CAP_SETPCAP this is not permitted; then no_new_privs alone keeps exec from giving
/// capabilities back.
fn drop_bounding_set(keep: u64) {
    for bit in 0..CAPABILITY_BITS {
        if keep & (1 << bit) == 0 {
            let _ = prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(bit.unsigned_abs()));
        }
    }
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// capset(2); then the ambient set, which is what an ordinary user's exec keeps.
fn set_capabilities(keep: u64) -> io::Result<()> {
    let header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let half = |shift: u32| {
        let bits = u32::try_from((keep >> shift) & u64::from(u32::MAX)).unwrap_or_default();
        CapabilityData { effective: bits, permitted: bits, inheritable: bits }
    };
    let data = [half(0), half(32)];
    let (header, data) = (std::ptr::from_ref(&header), data.as_ptr());
    // SAFETY: both point to structures of the layout that version 3 of the call expects.
    let answer = unsafe { libc::syscall(libc::SYS_capset, header, data) };
    check(libc::c_int::try_from(answer).unwrap_or(-1))?;
    ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    for bit in 0..CAPABILITY_BITS.unsigned_abs() {
        if keep & (1 << bit) != 0 {
            ambient(libc::PR_CAP_AMBIENT_RAISE, libc::c_ulong::from(bit))?;
        }
    }
    Ok(())
}

fn ambient(operation: libc::c_int, capability: libc::c_ulong) -> io::Result<()> {
    let operation = libc::c_ulong::from(operation.unsigned_abs());
    let zero: libc::c_ulong = 0;
    // SAFETY: integers of the width that prctl(2) reads.
    check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, operation, capability, zero, zero) })
}

fn prctl(option: libc::c_int, argument: libc::c_ulong) -> io::Result<()> {
    let zero: libc::c_ulong = 0;
    // SAFETY: integers of the width that prctl(2) reads.
    check(unsafe { libc::prctl(option, argument, zero, zero, zero) })
}

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// SO_RCVBUFFORCE, or SO_RCVBUF where that is not permitted. `size` is in bytes; the kernel
/// doubles it for its own bookkeeping.
pub(crate) fn set_receive_buffer(socket: &impl AsFd, size: libc::c_int) -> io::Result<()> {
    set_option(socket.as_fd(), libc::SO_RCVBUFFORCE, size)
        .or_else(|_| set_option(socket.as_fd(), libc::SO_RCVBUF, size))
}

fn set_option(socket: BorrowedFd<'_>, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or_default();
    let value = std::ptr::from_ref(&value).cast();
    // SAFETY: the pointer is to an int that lives through the call, and the length is its own.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, length) })
}
