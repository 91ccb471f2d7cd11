//! What a process of the worker's user can reach of netevd: `reach SOCKET PROCESS`.
//!
//! Prints one JSON object: `uid`, `connect` (of a SEQPACKET socket to SOCKET) and `take` (of each
//! descriptor from 0 to 15 of PROCESS, by pidfd_getfd(2)), where a value is "done" or the error;
//! of a netlink socket "netlink BYTES", its receive buffer.

use crate::sys;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrLike, SockaddrStorage, UnixAddr, connect, getsockname,
    getsockopt, socket, sockopt,
};
use serde_json::{Map, Value, json};
use std::os::fd::{AsRawFd, OwnedFd};

pub(crate) fn run(arguments: &[String]) {
    let [path, process] = arguments else {
        eprintln!("usage: netevd-test-agent reach SOCKET PROCESS");
        std::process::exit(2);
    };
    let own =
        socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    let address = UnixAddr::new(path.as_str()).expect("a short path");
    let connected = word(connect(own.as_raw_fd(), &address).map_err(std::io::Error::from));
    let pidfd = sys::pidfd_open(process.parse().expect("a process id"));
    let mut taken = Map::new();
    for number in 0..16 {
        let result = match &pidfd {
            Ok(pidfd) => sys::pidfd_getfd(pidfd, number),
            Err(error) => Err(std::io::Error::other(error.to_string())),
        };
        let buffer = result.as_ref().ok().and_then(netlink_buffer);
        let found = buffer.map_or_else(|| word(result.map(drop)), |bytes| format!("netlink {bytes}").into());
        taken.insert(number.to_string(), found);
    }
    let uid = nix::unistd::geteuid().as_raw();
    println!("{}", json!({ "uid": uid, "connect": connected, "take": taken }));
}

fn netlink_buffer(descriptor: &OwnedFd) -> Option<usize> {
    let family = getsockname::<SockaddrStorage>(descriptor.as_raw_fd()).ok()?.family()?;
    if family != AddressFamily::Netlink {
        return None;
    }
    getsockopt(descriptor, sockopt::RcvBuf).ok()
}

fn word(result: std::io::Result<()>) -> Value {
    match result {
        Ok(()) => Value::from("done"),
        Err(error) => match error.raw_os_error() {
            Some(number) => Value::from(format!("{:?}", Errno::from_raw(number))),
            None => Value::from(error.to_string()),
        },
    }
}
