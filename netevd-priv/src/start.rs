//! From the command line to the session: what is taken, in which order, and how it may fail.

use crate::apply::Helper;
use crate::channel::Channel;
use crate::error::StartError;
use crate::kernel::Kernel;
use crate::lockdown::lock_down;
use crate::netlink::{Netlink, RECEIVE_BUFFER};
use crate::{session, sys};
use protocol::Policy;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::ExitCode;

pub(crate) const CHANNEL: RawFd = 3;
pub(crate) const POLICY: RawFd = 4;
/// The policy's number, free again once it is read.
const NETLINK: RawFd = 4;
const POLICY_MAX: u64 = 64 << 10;

const USAGE: &str = "usage: netevd-priv [--help | --version]";
const HELP: &str = "\
netevd-priv changes rules and routes for netevd, and nothing else.

It is started by `netevd start` and takes no options. Descriptor 3 is the channel to
netevd-worker (a connected AF_UNIX SOCK_SEQPACKET socket), descriptor 4 the policy as
`netevd policy` prints it. It needs CAP_NET_ADMIN and drops everything else.

Exit status: 0 the worker went away (rules and routes stay), 1 could not start,
2 wrong usage, or the worker broke the protocol (the kernel is left unchanged).";

/// Runs the helper with these arguments (without the program's name).
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match (arguments.next(), arguments.next()) {
        (None, _) => {}
        (Some(only), None) if only == "--version" => {
            return say(&format!("netevd-priv {}", env!("CARGO_PKG_VERSION")));
        }
        (Some(only), None) if only == "--help" => return say(&format!("{USAGE}\n\n{HELP}")),
        _ => {
            log("it takes no arguments");
            // A usage line, for people.
            let _ = writeln!(io::stderr(), "{USAGE}");
            return ExitCode::from(2);
        }
    }
    let (channel, mut helper) = match start() {
        Ok(started) => started,
        Err(error) => {
            log(&error.to_string());
            return ExitCode::from(if matches!(error, StartError::NoChannel) { 2 } else { 1 });
        }
    };
    match session::serve(&channel, &mut helper) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&format!("{error}; ending, rules and routes stay as they are"));
            ExitCode::from(2)
        }
    }
}

fn start() -> Result<(Channel, Helper), StartError> {
    let channel = sys::inherited(CHANNEL).and_then(Channel::new).ok_or(StartError::NoChannel)?;
    let policy = read_policy(sys::inherited(POLICY).ok_or(StartError::NoPolicy)?)?;
    let netlink = Netlink::open().map_err(StartError::Netlink)?;
    // The lowest free number (the standard library opens 0, 1 and 2 if they are closed).
    if netlink.socket.as_raw_fd() != NETLINK {
        return Err(StartError::Netlink(io::Error::other("it is not descriptor 4")));
    }
    let size = netlink.socket.get_rx_buf_sz().map_err(StartError::Netlink)?;
    if size < RECEIVE_BUFFER {
        log(&format!(
            "the netlink receive buffer is {size} bytes instead of {RECEIVE_BUFFER}: \
             not privileged on this host, as in a user namespace; large dumps may be repeated"
        ));
    }
    lock_down()?;
    Ok((channel, Helper::new(Kernel { netlink }, policy)))
}

fn read_policy(descriptor: OwnedFd) -> Result<Policy, StartError> {
    let mut text = String::new();
    // One byte more than is allowed, so that the reader sees that it is too long.
    File::from(descriptor).take(POLICY_MAX + 1).read_to_string(&mut text).map_err(StartError::PolicyRead)?;
    text.parse().map_err(StartError::Policy)
}

/// Writes one line to standard error. A log that is gone must not end the helper.
pub(crate) fn log(message: &str) {
    let _ = writeln!(io::stderr(), "netevd-priv: {message}");
}

fn say(text: &str) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
