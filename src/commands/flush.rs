//! `netevd flush`: everything of protocol 110 goes from the kernel, by the helper; with --dry-run it
//! is only named.
//!
//! The helper is started with a policy that allows nothing, and told that nothing is wanted.

use crate::binaries::Program;
use crate::children::{channel, start_helper};
use crate::cli::FlushOptions;
use crate::identity::{self, Privileges};
use crate::output::put;
use crate::owned_count::OwnedCount;
use crate::supervise::how;
use crate::{Failure, environment, kernel_dump, runtime, sys};
use netevd_worker::model::{Route, UNICAST};
use netevd_worker::names;
use nix::sys::socket::{MsgFlags, recv, send};
use protocol::{Family, MAX_FRAME, Policy, Reply, Request, VERSION, decode_reply, encode_request};
use std::os::fd::{AsRawFd, OwnedFd};

/// Deletes and says what.
pub(crate) fn run(options: &FlushOptions) -> Result<(), Failure> {
    if options.dry_run.dry_run && options.force {
        return Err(Failure::usage("--force and --dry-run exclude each other: a dry run asks nobody"));
    }
    sys::reserve_descriptors()?;
    let privileges = Privileges::of_this_process();
    if !privileges.net_admin && !options.dry_run.dry_run {
        return Err(Failure::line(
            "flush changes the kernel's routing, which needs CAP_NET_ADMIN: run it as root",
        ));
    }
    if options.dry_run.dry_run {
        return print_dry_run();
    }
    let user_runtime = environment().remove("XDG_RUNTIME_DIR");
    let directory = runtime::directory(options.runtime_dir.as_deref(), user_runtime.as_deref(), false)?;
    if !options.force
        && let Err(why) = runtime::not_running(&directory)
    {
        let more = match why {
            runtime::RuntimeError::Running { .. } => "it would put everything back at once",
            _ => "whether a daemon runs cannot be seen, and one would put everything back at once",
        };
        return Err(Failure::line(format!("{why}; {more} (--force does not ask)")));
    }
    let before = OwnedCount::take().map_err(Failure::line)?;
    synchronise_to_nothing(privileges)?;
    let after = OwnedCount::take().map_err(Failure::line)?;
    match before.is_empty() {
        true => put("there was nothing of netevd in the kernel\n")?,
        false => put(format!("removed {before}\n"))?,
    }
    if after.is_empty() {
        Ok(())
    } else {
        Err(Failure::line(format!(
            "{after} are there again: a daemon in this network namespace put them back"
        )))
    }
}

/// What would be deleted, in the words of ip(8).
fn print_dry_run() -> Result<(), Failure> {
    let found = kernel_dump::managed().map_err(Failure::line)?;
    for rule in found.rules.iter().filter(|rule| rule.is_ours()) {
        put(format!("would delete: rule {rule}\n"))?;
    }
    for route in &found.routes {
        put(format!("would delete: route {}\n", shown(route)))?;
    }
    match OwnedCount::of(&found) {
        nothing if nothing.is_empty() => put("there is nothing of netevd in the kernel\n")?,
        all => put(format!("would remove {all}; nothing was changed\n"))?,
    }
    Ok(())
}

fn shown(route: &Route) -> String {
    let mut text = match route.route_type {
        UNICAST => String::new(),
        other => format!("{} ", names::route_type(other)),
    };
    match route.destination.length() {
        0 => text.push_str("default"),
        _ => text.push_str(&route.destination.to_string()),
    }
    for hop in route.hops.iter() {
        if let Some(gateway) = hop.gateway {
            text.push_str(&format!(" via {gateway}"));
        }
        if let Some(oif) = hop.oif {
            let name = nix::net::if_::if_indextoname(oif.get());
            let name = name.ok().and_then(|name| name.into_string().ok());
            text.push_str(&format!(" dev {}", name.unwrap_or_else(|| format!("if{oif}"))));
        }
    }
    text.push_str(&format!(" table {}", names::route_table(route.table.0)));
    if route.metric != 0 {
        text.push_str(&format!(" metric {}", route.metric));
    }
    let family = if route.family() == Family::V4 { "ipv4" } else { "ipv6" };
    text.push_str(&format!(" proto {} ({family})", route.protocol));
    text
}

fn synchronise_to_nothing(privileges: Privileges) -> Result<(), Failure> {
    let identities = identity::choose(privileges, None, None, None)?;
    let identity = identities.separate.then_some(identities.helper);
    let program = Program::find("netevd-priv")?;
    let (ours, helpers) = channel()?;
    let mut helper = start_helper(&program, identity, helpers, &Policy::default())?;
    let asked = [Request::Hello { version: VERSION }, Request::SyncBegin, Request::SyncEnd]
        .iter()
        .try_for_each(|request| ask(&ours, request));
    // The helper leaves at the end of its channel.
    drop(ours);
    let status = helper.wait()?;
    asked?;
    if status.success() { Ok(()) } else { Err(Failure::line(format!("netevd-priv {}", how(status)))) }
}

fn ask(channel: &OwnedFd, request: &Request) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::line(format!("{}: {error}", request.name()));
    send(channel.as_raw_fd(), &encode_request(request), MsgFlags::MSG_NOSIGNAL).map_err(|e| failed(&e))?;
    let mut frame = [0; MAX_FRAME];
    let length = recv(channel.as_raw_fd(), &mut frame, MsgFlags::empty()).map_err(|e| failed(&e))?;
    if length == 0 {
        return Err(failed(&"netevd-priv ended without an answer"));
    }
    match decode_reply(frame.get(..length).unwrap_or_default()).map_err(|e| failed(&e))? {
        Reply::Ok => Ok(()),
        Reply::Refused(reason) => Err(failed(&reason)),
        Reply::Kernel(errno) => Err(failed(&std::io::Error::from_raw_os_error(errno))),
        reply => Err(failed(&format!("unexpected answer {reply:?}"))),
    }
}
