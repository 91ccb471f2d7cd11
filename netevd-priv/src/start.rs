//! From the command line to the session: what is taken, in which order, and how it may fail.

use crate::apply::Helper;
use crate::channel::Channel;
use crate::doorbell::Doorbell;
use crate::lockdown::lock_down;
use crate::netlink::Netlink;
use crate::report::Report;
use crate::{session, sys};
use protocol::PolicyError;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Display;
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

/// The socket to the worker, and the policy's text.
type Ends = (Channel, File);

const NO_CHANNEL: &str = "descriptor 3 is no connected AF_UNIX SOCK_SEQPACKET socket; \
                          this program is started by `netevd start`, not by hand";
const NO_POLICY: &str = "descriptor 4 is not open; `netevd start` passes the policy there";
const USAGE: &str = "usage: netevd-priv [--connect SOCKET --policy FILE | --help | --version]; it is \
                     started by netevd-priv.service or `netevd start`, see netevd(8)";

/// Runs the helper with these arguments (without the program's name).
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ends = match words[..] {
        [] => match sys::inherited(CHANNEL).and_then(Channel::new) {
            Some(channel) => {
                sys::inherited(POLICY).map(|file| (channel, file.into())).ok_or(NO_POLICY.into())
            }
            None => return fail(2, NO_CHANNEL),
        },
        ["--connect", socket, "--policy", policy] => connect(socket, policy),
        ["--version"] => return say(&format!("netevd-priv {}", env!("CARGO_PKG_VERSION"))),
        ["--help"] => return say(USAGE),
        _ => return fail(2, &format!("wrong arguments\n{USAGE}")),
    };
    let (channel, doorbell, mut helper) = match ends.and_then(start) {
        Ok(started) => started,
        Err(reason) => return fail(1, &reason),
    };
    let mut report = Report::default();
    let served = session::serve(&channel, &doorbell, &mut helper, &mut report);
    report.close(Duration::ZERO, true).iter().for_each(|sum| log(sum));
    // The kernel closes all three at the end: the filter need not permit close(2).
    std::mem::forget((channel, doorbell, helper));
    let Err(error) = served else { return ExitCode::SUCCESS };
    fail(2, &format!("{error}; ending, rules and routes stay as they are"))
}

/// By these paths.
fn connect(socket: &str, policy: &str) -> Result<Ends, String> {
    // What was inherited would stand where the two belong.
    sys::close_from(3).map_err(cannot("close_range"))?;
    Ok((Channel::connect(socket)?, File::open(policy).map_err(cannot(format!("open {policy}")))?))
}

fn start((channel, policy): Ends) -> Result<(Channel, Doorbell, Helper), String> {
    let mut text = String::new();
    // One byte more than is allowed, so that the reader sees that it is too long.
    policy.take(POLICY_MAX + 1).read_to_string(&mut text).map_err(cannot("read the policy"))?;
    let faulty = |error: PolicyError| format!("{error}; write it again with `netevd policy`");
    let policy = text.parse().map_err(faulty)?;
    let failed = cannot("open a netlink socket");
    let netlink = Netlink::open().map_err(&failed)?;
    let doorbell = Doorbell::open().map_err(&failed)?;
    // The lowest free numbers (the standard library opens 0, 1 and 2 if they are closed).
    if [netlink.socket.as_raw_fd(), doorbell.0.as_raw_fd()] != [NETLINK, DOORBELL] {
        return Err("cannot open a netlink socket: it is not descriptor 4 or 5".to_owned());
    }
    lock_down()?;
    Ok((channel, doorbell, Helper::new(netlink, policy)))
}

/// Why it does not start, for `map_err`: what could not be done, as an infinitive.
pub(crate) fn cannot<E: Error>(step: impl Display) -> impl Fn(E) -> String {
    move |error| format!("cannot {step}: {error}")
}

/// 1: it could not start; 2: it is not used as it is meant to be.
fn fail(status: u8, reason: &str) -> ExitCode {
    log(reason);
    ExitCode::from(status)
}

/// Writes one line to standard error. A log that is gone must not end the helper.
pub(crate) fn log(message: &str) {
    let _ = writeln!(io::stderr(), "netevd-priv: {message}");
}

fn say(text: &str) -> ExitCode {
    writeln!(io::stdout(), "{text}").map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
