//! The sockets that systemd opened for us, sd_listen_fds(3): the one where the helper connects,
//! and the netlink multicast socket. A socket unit gives all its sockets one name, so they are
//! told apart by what they are.

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike, SockaddrStorage, getsockname, getsockopt, sockopt,
};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// The first number that is passed, `SD_LISTEN_FDS_START`.
const FIRST: RawFd = 3;
/// The socket unit has two; more than this is no unit of ours.
const MAX: RawFd = 16;

/// What was passed.
#[derive(Debug)]
pub(super) struct Sockets {
    /// Listens for the helper.
    pub(super) helper_listener: OwnedFd,
    /// The multicast socket, where the unit has one.
    pub(super) netlink: Option<OwnedFd>,
}

/// Why `--systemd` cannot be followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ActivationError {
    /// No sockets were passed to this process.
    None(String),
    /// None of them is a listening AF_UNIX SOCK_SEQPACKET socket.
    NoHelperListener(RawFd),
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    HelperListener,
    Netlink,
}

/// Takes the sockets. To be called once, before anything else opens a descriptor.
pub(super) fn take() -> Result<Sockets, ActivationError> {
    let variable = |name| std::env::var(name).ok();
    let passed =
        count(variable("LISTEN_PID").as_deref(), variable("LISTEN_FDS").as_deref(), std::process::id())?;
    let (mut helper_listener, mut netlink) = (None, None);
    for number in FIRST..FIRST + passed {
        let socket = match crate::sys::inherited(number).and_then(prepare) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!("descriptor {number} of LISTEN_FDS: {error}; it is left alone");
                continue;
            }
        };
        let place = match kind(&socket) {
            Some(Kind::HelperListener) => &mut helper_listener,
            Some(Kind::Netlink) => &mut netlink,
            None => {
                tracing::warn!("descriptor {number} of LISTEN_FDS is no socket that netevd knows; closed");
                continue;
            }
        };
        if place.replace(socket).is_some() {
            tracing::warn!(
                "descriptor {number} of LISTEN_FDS is the second of its kind; the first is closed"
            );
        }
    }
    let helper_listener = helper_listener.ok_or(ActivationError::NoHelperListener(passed))?;
    Ok(Sockets { helper_listener, netlink })
}

/// How many descriptors were passed to the process `own`.
fn count(pid: Option<&str>, number: Option<&str>, own: u32) -> Result<RawFd, ActivationError> {
    let none = |what: String| Err(ActivationError::None(what));
    let (Some(pid), Some(number)) = (pid, number) else {
        return none("LISTEN_PID and LISTEN_FDS are not set".to_owned());
    };
    // Variables that were inherited through another program mean that program's descriptors.
    if pid.parse() != Ok(own) {
        return none(format!("LISTEN_PID={pid} is not this process ({own})"));
    }
    match number.parse::<RawFd>() {
        Ok(number) if (1..=MAX).contains(&number) => Ok(number),
        _ => none(format!("LISTEN_FDS={number} is no number from 1 to {MAX}")),
    }
}

/// No script inherits it, and no call on it waits.
fn prepare(socket: OwnedFd) -> io::Result<OwnedFd> {
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(socket)
}

fn kind(socket: &OwnedFd) -> Option<Kind> {
    let family = getsockname::<SockaddrStorage>(socket.as_raw_fd()).ok()?.family()?;
    match family {
        AddressFamily::Unix => {
            let seqpacket = getsockopt(socket, sockopt::SockType) == Ok(SockType::SeqPacket);
            let listening = getsockopt(socket, sockopt::AcceptConn) == Ok(true);
            (seqpacket && listening).then_some(Kind::HelperListener)
        }
        AddressFamily::Netlink => Some(Kind::Netlink),
        _ => None,
    }
}

impl fmt::Display for ActivationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActivationError::None(what) => write!(
                f,
                "--systemd, but systemd passed no sockets ({what}): the unit needs Sockets=netevd.socket; \
                 without systemd use `netevd start`"
            ),
            ActivationError::NoHelperListener(number) => write!(
                f,
                "--systemd, but none of the {number} descriptors passed listens for the helper: \
                 netevd.socket needs ListenSequentialPacket="
            ),
        }
    }
}

impl std::error::Error for ActivationError {}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{Backlog, SockFlag, SockProtocol, UnixAddr, bind, listen, socket};

    #[test]
    fn only_what_was_meant_for_this_process_counts() {
        assert_eq!(count(Some("7"), Some("2"), 7), Ok(2));
        for (pid, number, fault) in [
            (None, Some("2"), "not set"),
            (Some("7"), None, "not set"),
            (Some("8"), Some("2"), "LISTEN_PID=8 is not this process (7)"),
            (Some("7 "), Some("2"), "LISTEN_PID=7 "),
            (Some("7"), Some("0"), "LISTEN_FDS=0"),
            (Some("7"), Some("-1"), "LISTEN_FDS=-1"),
            (Some("7"), Some("17"), "LISTEN_FDS=17"),
            (Some("7"), Some("two"), "LISTEN_FDS=two"),
        ] {
            let error = count(pid, number, 7).expect_err(fault).to_string();
            assert!(error.contains(fault), "{error}");
        }
    }

    #[test]
    fn sockets_are_told_apart_by_what_they_are() {
        let seqpacket = || {
            socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).expect("a socket")
        };
        let helper_listener = seqpacket();
        // Without a name the kernel chooses one, unix(7).
        bind(helper_listener.as_raw_fd(), &UnixAddr::new_unnamed()).expect("bound");
        assert_eq!(kind(&helper_listener), None, "it does not listen yet");
        listen(&helper_listener, Backlog::new(1).expect("small")).expect("listening");
        assert_eq!(kind(&helper_listener), Some(Kind::HelperListener));
        let netlink = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            Some(SockProtocol::NetlinkRoute),
        );
        assert_eq!(kind(&netlink.expect("a socket")), Some(Kind::Netlink));
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        assert_eq!(kind(&udp.into()), None);
        let stream = std::os::unix::net::UnixStream::pair().expect("a pair").0;
        assert_eq!(kind(&stream.into()), None);
        let file = std::fs::File::open("/dev/null").expect("there");
        assert_eq!(kind(&file.into()), None);
    }
}
