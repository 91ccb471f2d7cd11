//! One system call that a unit's directive forbids or permits: `try NAME`.
//!
//! Prints `done` or the error's name, and ends with the error's number; a filter that kills leaves
//! the signal. The arguments are such that the kernel's own answer differs from a filter's EPERM
//! without any privilege: a null pointer where it looks at the pointer first, for example.

use crate::sys;
use nix::errno::Errno;
use std::os::unix::process::CommandExt;

/// Relative names are those of the working directory.
const AT_FDCWD: i64 = libc::AT_FDCWD as i64;

pub(crate) fn run(arguments: &[String]) {
    let outcome = match arguments.first().map(String::as_str) {
        Some("exec") => Err(std::process::Command::new(&arguments[1]).exec()),
        Some(name) => call(name),
        None => panic!("usage: netevd-test-agent try NAME"),
    };
    let number = match outcome {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().expect("the kernel's answer"),
    };
    // By write(2) alone: a filter may permit no more.
    let text = if number == 0 { "done".to_owned() } else { format!("{:?}", Errno::from_raw(number)) };
    println!("{text}");
    std::process::exit(number);
}

/// This process's number.
fn own() -> i64 {
    i64::from(std::process::id())
}

fn call(name: &str) -> std::io::Result<i64> {
    let flag = |bit: i32| [i64::from(bit), 0, 0, 0, 0, 0];
    let socket = |family: i32, kind: i32| {
        let arguments = [i64::from(family), i64::from(kind), 0, 0, 0, 0];
        sys::call(libc::SYS_socket, arguments)
    };
    match name {
        "socket-unix" => socket(libc::AF_UNIX, libc::SOCK_STREAM),
        "socket-netlink" => socket(libc::AF_NETLINK, libc::SOCK_RAW),
        "socket-inet" => socket(libc::AF_INET, libc::SOCK_DGRAM),
        "socket-inet6" => socket(libc::AF_INET6, libc::SOCK_DGRAM),
        "socket-packet" => socket(libc::AF_PACKET, libc::SOCK_DGRAM),
        "socket-alg" => socket(libc::AF_ALG, libc::SOCK_SEQPACKET),
        "unshare-user" => sys::call(libc::SYS_unshare, flag(libc::CLONE_NEWUSER)),
        // A user's name space alone needs no capability.
        // 8: Linux, 32 bits.
        "personality" => sys::call(libc::SYS_personality, flag(8)),
        "realtime" => sys::call(libc::SYS_sched_setscheduler, [0, i64::from(libc::SCHED_FIFO), 0, 0, 0, 0]),
        "nice" => sys::call(libc::SYS_setpriority, [0, 0, 5, 0, 0, 0]),
        "trace-me" => sys::call(libc::SYS_ptrace, flag(0)),
        "vm-read" => sys::call(libc::SYS_process_vm_readv, [own(), 0, 0, 0, 0, 0]),
        "vm-write" => sys::call(libc::SYS_process_vm_writev, [own(), 0, 0, 0, 0, 0]),
        // Of no process.
        "vm-advise" => sys::call(libc::SYS_process_madvise, [-1, 0, 0, i64::from(libc::MADV_COLD), 0, 0]),
        // KCMP_FILE
        "kcmp" => sys::call(libc::SYS_kcmp, [own(), own(), 0, 0, 0, 0]),
        // UFFD_USER_MODE_ONLY, which any user may, and a flag that there is not.
        "userfaultfd" => sys::call(libc::SYS_userfaultfd, [1 | 1 << 30, 0, 0, 0, 0, 0]),
        "adjtimex" => sys::call(libc::SYS_adjtimex, [0; 6]),
        "capset" => sys::call(libc::SYS_capset, [0; 6]),
        "capget" => sys::call(libc::SYS_capget, [0; 6]),
        // Of a link that is there, into no room at all.
        "readlinkat" => {
            sys::call(libc::SYS_readlinkat, [AT_FDCWD, sys::address(c"/proc/self/exe"), 0, 0, 0, 0])
        }
        #[cfg(target_arch = "x86_64")]
        "readlink" => sys::call(libc::SYS_readlink, [sys::address(c"/proc/self/exe"), 0, 0, 0, 0, 0]),
        // Other architectures never had the older call; their C library uses this one.
        #[cfg(not(target_arch = "x86_64"))]
        "readlink" => call("readlinkat"),
        "chdir" => sys::call(libc::SYS_chdir, [0; 6]),
        "seccomp" => sys::call(libc::SYS_seccomp, [i64::MAX, 0, 0, 0, 0, 0]),
        // 1: which version there is.
        "landlock" => sys::call(libc::SYS_landlock_create_ruleset, [0, 0, 1, 0, 0, 0]),
        "set-user-id" => {
            let file = sys::call(libc::SYS_memfd_create, [sys::address(c"x"), 0, 0, 0, 0, 0])?;
            sys::call(libc::SYS_fchmod, [file, 0o4755, 0, 0, 0, 0])
        }
        "write-and-execute" => {
            let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            sys::call(libc::SYS_mmap, [0, 4096, i64::from(rights), i64::from(kind), -1, 0])
        }
        // systemd leaves its number in a session keyring of the service's own. 10: search; -3: ours.
        "own-keyring" => {
            let (kind, name) = (sys::address(c"user"), sys::address(c"invocation_id"));
            sys::call(libc::SYS_keyctl, [10, -3, kind, name, 0, 0])
        }
        _ => panic!("no attempt is called {name}"),
    }
}
