//! The crate's one place for `unsafe`: system calls that have no safe wrapper in nix or std, and
//! descriptors that come by number.
#![allow(unsafe_code)]

use netlink_sys::Socket;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that becomes readable when the process `pid` has exited (pidfd_open(2), Linux 5.3).
///
/// `pid` must be a child that has not been reaped, else the number may mean another process.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: two integers go in, a descriptor or -1 comes out; no memory is shared.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = RawFd::try_from(answer).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A file's access list in the kernel's form, acl(5); `None` without one, or where it cannot be read.
pub(crate) fn access_list(file: &OwnedFd) -> Option<Vec<u8>> {
    // fgetxattr(2) takes no descriptor that was opened with O_PATH.
    let path = std::ffi::CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    // More entries than anybody writes; a longer list is not read.
    let mut list = vec![0_u8; 4 + 8 * 512];
    let name = c"system.posix_acl_access";
    // SAFETY: both names end in a zero byte, and the kernel writes no more than the given length.
    let length =
        unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), list.as_mut_ptr().cast(), list.len()) };
    list.truncate(usize::try_from(length).ok()?);
    Some(list)
}

/// Marks every descriptor from 3 on close-on-exec, so that no script inherits one, whoever opened
/// it (close_range(2), CLOSE_RANGE_CLOEXEC, Linux 5.11). Older kernels refuse the flag; there the
/// flags given at opening have to do.
pub(crate) fn close_on_exec_from_3() -> bool {
    // SAFETY: three integers go in; the call changes a flag of descriptors and closes none.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    answer == 0
}

/// include/uapi/linux/close_range.h
const CLOSE_RANGE_CLOEXEC: libc::c_uint = 1 << 2;

/// From now on this signal interrupts a call and does nothing else. What is executed has the default
/// again, other than for a signal that is ignored or held back.
pub(crate) fn swallow(signal: Signal) -> nix::Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler touches nothing, and there is none before it that anybody would miss.
    unsafe { sigaction(signal, &action) }.map(drop)
}

/// Lets the runtime tell when a descriptor becomes readable.
pub(crate) fn watch_readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is valid until it is dropped, and nobody can replace it inside.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?)
}

/// Lets the runtime tell when a descriptor becomes readable or writable.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is valid until it is dropped, and nobody can replace it inside.
    Ok(unsafe { AsyncFd::register(fd) }?)
}

/// Lets the runtime tell when a netlink socket becomes readable.
pub(crate) fn watch_socket(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor and answers with the same one until it is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?)
}

/// A netlink socket from a descriptor that is one.
pub(crate) fn netlink_socket(descriptor: OwnedFd) -> Socket {
    // SAFETY: the descriptor is open and owned, and ownership passes to the socket.
    unsafe { Socket::from_raw_fd(descriptor.into_raw_fd()) }
}

/// From now on the kernel asks this classic BPF program about every datagram for the socket, socket(7).
pub(crate) fn attach_filter(socket: &Socket, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: program.len().try_into().map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?,
        filter: program.as_mut_ptr(),
    };
    let size = libc::socklen_t::try_from(size_of_val(&program)).unwrap_or_default();
    // SAFETY: the option's value is a `sock_fprog` of this size, which points to as many steps as it says;
    // the kernel copies both within the call and writes to neither.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size,
        )
    };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes a filter off again; there need not be one. Nor can there be one where a kernel (qemu-user's emulated
/// one) does not know the option.
pub(crate) fn detach_filter(socket: &Socket) -> io::Result<()> {
    let unused: libc::c_int = 0;
    let size = libc::socklen_t::try_from(size_of_val(&unused)).unwrap_or_default();
    // SAFETY: an integer is read, of this size.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_DETACH_FILTER,
            (&raw const unused).cast(),
            size,
        )
    };
    match io::Error::last_os_error() {
        _ if answer == 0 => Ok(()),
        error if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOPROTOOPT)) => Ok(()),
        error => Err(error),
    }
}

/// Takes ownership of a descriptor that whoever started the process left open at this number;
/// EBADF when nothing is there.
///
/// Called once for each number, before anything else opens descriptors.
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: integers go in and out; the call reads a flag.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the number is open, and nothing else in the process knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Gives freed memory back to the kernel: after a storm the allocator keeps what it had.
#[cfg(target_env = "gnu")]
pub(crate) fn give_back() {
    // SAFETY: an integer; the call takes the allocator's own locks.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators than glibc's do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back() {}

/// Lets the kernel take the program's own pages out of our memory: what ran once, as at the start, does not stay
/// forever. They are clean pages of a file, which come back without a read as long as the file is in the page
/// cache (madvise(2), MADV_DONTNEED).
pub(crate) fn give_back_program() {
    // SAFETY: the linker's names for the first byte of the program and the one behind its code; nothing is read.
    unsafe extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    let (start, end) = ((&raw const __executable_start).addr(), (&raw const etext).addr());
    // Data follow on a page of their own, of at most so many bytes.
    let length = end.saturating_sub(start) & !0xffff;
    // SAFETY: between the two lie constants and code alone, mapped from the file and never written: what is
    // dropped is read again from there, the same.
    unsafe { libc::madvise(std::ptr::without_provenance_mut(start), length, libc::MADV_DONTNEED) };
}

/// A message as the bus would send it, for fuzzing.
#[cfg(any(test, fuzzing))]
pub(crate) fn bus_message(bytes: Vec<u8>) -> zbus::Result<zbus::Message> {
    use zbus::wire::{Endian, serialized};
    let endian = if bytes.first() == Some(&b'B') { Endian::Big } else { Endian::Little };
    let data = serialized::Data::new(bytes, serialized::Context::new(endian, 0));
    // SAFETY: the same reading and checking that what comes from a socket goes through; the value is
    // only looked at, and sent nowhere.
    unsafe { zbus::Message::from_bytes(data) }
}
