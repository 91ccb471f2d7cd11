//! `netevd-priv`: the only part of netevd that changes rules and routes.
//!
//! It holds CAP_NET_ADMIN and nothing else, answers the typed requests of `netevd-protocol` on one
//! socket, and checks each against the kernel and the administrator's policy. It parses no
//! configuration file, opens nothing after the start, runs nothing, and has one thread.

mod apply;
mod budget;
mod channel;
mod copy;
mod doorbell;
mod kernel;
mod lockdown;
mod netlink;
mod object;
mod report;
mod route;
mod rule;
mod schedule;
mod session;
mod start;
mod sys;

fn main() -> std::process::ExitCode {
    start::run(std::env::args_os().skip(1))
}
