//! From the command line to the session: what is taken, in which order, and how it may fail.

use crate::apply::Helper;
use crate::channel::Channel;
use crate::doorbell::Doorbell;
use crate::error::{StartError, cannot};
use crate::lockdown::lock_down;
use crate::netlink::Netlink;
use crate::report::Report;
use crate::{session, sys};
use protocol::PolicyError;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::process::ExitCode;
use std::time::Duration;

pub(crate) const CHANNEL: RawFd = 3;
const POLICY: RawFd = 4;
/// The policy's number, free again once it is read.
pub(crate) const NETLINK: RawFd = 4;
pub(crate) const DOORBELL: RawFd = 5;
const POLICY_MAX: u64 = 64 << 10;

const USAGE: &str = "usage: netevd-priv [--connect SOCKET --policy FILE | --help | --version]";
const HELP: &str = "\
netevd-priv changes rules and routes for netevd, with CAP_NET_ADMIN and nothing else. It is started
by netevd-priv.service, or by `netevd start` (3 is the channel, 4 the policy): see netevd(8).

Exit status: 0 the worker went away, rules and routes stay; 1 could not start; 2 wrong usage, or the
worker broke the protocol.";

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
            log(&format!("wrong arguments\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    let (channel, doorbell, mut helper) = match start(paths) {
        Ok(started) => started,
        Err(error) => {
            log(&error.reason);
            return ExitCode::from(error.status);
        }
    };
    let mut report = Report::default();
    let served = session::serve(&channel, &doorbell, &mut helper, &mut report);
    report.close(Duration::ZERO, true).iter().for_each(|sum| log(sum));
    // The kernel closes all three at the end: the filter need not permit close(2).
    std::mem::forget((channel, doorbell, helper));
    let Err(error) = served else { return ExitCode::SUCCESS };
    log(&format!("{error}; ending, rules and routes stay as they are"));
    ExitCode::from(2)
}

/// `paths` are the socket's and the policy's; without them both were passed as descriptors.
fn start(paths: Option<(&str, &str)>) -> Result<(Channel, Doorbell, Helper), StartError> {
    let (channel, policy) = if let Some((socket, policy)) = paths {
        // What was inherited would stand where the two belong.
        sys::close_from(3).map_err(cannot("close_range"))?;
        (Channel::connect(socket)?, File::open(policy).map_err(cannot(format!("open {policy}")))?)
    } else {
        let reason = "descriptor 3 is no connected AF_UNIX SOCK_SEQPACKET socket; \
                      this program is started by `netevd start`, not by hand";
        let no_channel = || StartError { status: 2, ..StartError::new(reason) };
        let channel = sys::inherited(CHANNEL).and_then(Channel::new).ok_or_else(no_channel)?;
        let no_policy =
            || StartError::new("descriptor 4 is not open; `netevd start` passes the policy there");
        (channel, sys::inherited(POLICY).ok_or_else(no_policy)?.into())
    };
    let mut text = String::new();
    // One byte more than is allowed, so that the reader sees that it is too long.
    policy.take(POLICY_MAX + 1).read_to_string(&mut text).map_err(cannot("read the policy"))?;
    let faulty = |error: PolicyError| StartError::new(format!("{error}; write it anew with `netevd policy`"));
    let policy = text.parse().map_err(faulty)?;
    let failed = cannot("open a netlink socket");
    let netlink = Netlink::open().map_err(&failed)?;
    let doorbell = Doorbell::open().map_err(&failed)?;
    // The lowest free numbers (the standard library opens 0, 1 and 2 if they are closed).
    if [netlink.socket.as_raw_fd(), doorbell.socket.as_raw_fd()] != [NETLINK, DOORBELL] {
        return Err(failed(io::Error::other("it is not descriptor 4 or 5")));
    }
    lock_down()?;
    Ok((channel, doorbell, Helper::new(netlink, policy)))
}

/// Writes one line to standard error. A log that is gone must not end the helper.
pub(crate) fn log(message: &str) {
    let _ = writeln!(io::stderr(), "netevd-priv: {message}");
}

fn say(text: &str) -> ExitCode {
    writeln!(io::stdout(), "{text}").map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
