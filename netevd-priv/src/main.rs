//! `netevd-priv`: the only part of netevd that changes rules and routes.
//!
//! It holds CAP_NET_ADMIN and nothing else, answers the typed requests of `netevd-protocol` on one
//! socket, and checks each against the kernel and the administrator's policy. It parses no
//! configuration file, opens nothing after the start, runs nothing, and has one thread.

mod apply;
mod budget;
mod channel;
mod check;
mod error;
mod kernel;
mod lockdown;
mod netlink;
mod report;
mod route;
mod rule;
mod session;
mod start;
mod sync;
mod sys;

fn main() -> std::process::ExitCode {
    start::run(std::env::args_os().skip(1))
}
