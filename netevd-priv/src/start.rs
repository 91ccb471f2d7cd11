//! From the command line to the session: what is taken, in which order, and how it may fail.

use crate::apply::Helper;
use crate::channel::Channel;
use crate::error::{StartError, cannot};
use crate::kernel::Kernel;
use crate::lockdown::lock_down;
use crate::netlink::{Netlink, RECEIVE_BUFFER};
use crate::{session, sys};
use protocol::Policy;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::process::ExitCode;

pub(crate) const CHANNEL: RawFd = 3;
pub(crate) const POLICY: RawFd = 4;
/// The policy's number, free again once it is read.
const NETLINK: RawFd = 4;
const POLICY_MAX: u64 = 64 << 10;

const USAGE: &str = "usage: netevd-priv [--connect SOCKET --policy FILE | --help | --version]";
const HELP: &str = "\
netevd-priv changes rules and routes for netevd, and nothing else.

It is started by netevd-priv.service, which names the socket where root listens for
netevd-worker and the policy as `netevd policy` writes it; or by `netevd start`, which passes
both: descriptor 3 is the channel (a connected AF_UNIX SOCK_SEQPACKET socket), descriptor 4
the policy. It needs CAP_NET_ADMIN and drops everything else.

Exit status: 0 the worker went away (rules and routes stay), 1 could not start,
2 wrong usage, or the worker broke the protocol (the kernel is left unchanged).";

/// Runs the helper with these arguments (without the program's name).
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let paths = match words[..] {
        [] => None,
        ["--connect", socket, "--policy", policy] => Some((socket, policy)),
        ["--version"] => return say(&format!("netevd-priv {}", env!("CARGO_PKG_VERSION"))),
        ["--help"] => return say(&format!("{USAGE}\n\n{HELP}")),
        _ => {
            log("wrong arguments");
            // A usage line, for people.
            let _ = writeln!(io::stderr(), "{USAGE}");
            return ExitCode::from(2);
        }
    };
    let (channel, mut helper) = match start(paths) {
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

/// `paths` are the socket's and the policy's; without them both were passed as descriptors.
fn start(paths: Option<(&str, &str)>) -> Result<(Channel, Helper), StartError> {
    let (channel, policy) = if let Some((socket, policy)) = paths {
        // What was inherited would stand where the two belong.
        sys::close_from(3).map_err(cannot("close_range"))?;
        (Channel::connect(socket)?, File::open(policy).map_err(cannot(format!("open {policy}")))?)
    } else {
        let channel = sys::inherited(CHANNEL).and_then(Channel::new).ok_or(StartError::NoChannel)?;
        (channel, sys::inherited(POLICY).ok_or(StartError::NoPolicy)?.into())
    };
    let policy = read_policy(policy)?;
    let failed = cannot("open a netlink socket");
    let netlink = Netlink::open().map_err(&failed)?;
    // The lowest free number (the standard library opens 0, 1 and 2 if they are closed).
    if netlink.socket.as_raw_fd() != NETLINK {
        return Err(failed(io::Error::other("it is not descriptor 4")));
    }
    let size = netlink.socket.get_rx_buf_sz().map_err(&failed)?;
    if size < RECEIVE_BUFFER {
        log(&format!(
            "the netlink receive buffer is {size} bytes instead of {RECEIVE_BUFFER}: \
             not privileged on this host, as in a user namespace; large dumps may be repeated"
        ));
    }
    lock_down()?;
    Ok((channel, Helper::new(Kernel { netlink }, policy)))
}

fn read_policy(file: File) -> Result<Policy, StartError> {
    let mut text = String::new();
    // One byte more than is allowed, so that the reader sees that it is too long.
    file.take(POLICY_MAX + 1).read_to_string(&mut text).map_err(cannot("read the policy"))?;
    text.parse().map_err(StartError::Policy)
}

/// Writes one line to standard error. A log that is gone must not end the helper.
pub(crate) fn log(message: &str) {
    let _ = writeln!(io::stderr(), "netevd-priv: {message}");
}

fn say(text: &str) -> ExitCode {
    writeln!(io::stdout(), "{text}").map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
