//! The worker's command line. People start `netevd`; this is for the launcher.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

/// Shown after a wrong option and by `--help`.
pub(super) const USAGE: &str = "\
usage: netevd-worker --runtime-dir DIR [--config FILE] [--log-format text|json]
           [--channel FD] [--netlink FD] [--bell FD] [--runner FD]
           | --systemd | --dry-run [--rehearse-routing]
       netevd-worker --run-scripts FD|systemd|stdin

Started by `netevd start`, which see, or by netevd.service. Without --channel there is no helper
and no policy routing; without --netlink the worker opens its own multicast socket. With --systemd
both sockets are those of netevd.socket, and the helper connects to the first. A byte into --bell
asks the launcher for a reload. By --runner scripts are started as scripts.user, by the process that
--run-scripts makes of this program, for the worker at its descriptor. With --dry-run nothing is run or changed, only logged; with
--rehearse-routing that tells of rules and routes too.";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Print and end.
    Print(String),
    /// Run.
    Run(Options),
}

/// How to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// `--config`
    pub(super) config: Option<PathBuf>,
    /// `--runtime-dir`
    pub(super) runtime_dir: PathBuf,
    /// `--channel`: connected to the helper.
    pub(super) channel: Option<RawFd>,
    /// `--netlink`: the multicast socket.
    pub(super) netlink: Option<RawFd>,
    /// `--bell`: the pipe by which the launcher is asked for a reload.
    pub(super) reload_pipe: Option<RawFd>,
    /// `--runner`: the channel to the process that starts scripts.
    pub(super) runner: Option<RawFd>,
    /// `--dry-run`: nothing is run or changed.
    pub(super) dry_run: bool,
    /// `--rehearse-routing`: a dry run tells what it would do to rules and routes.
    pub(super) rehearse_routing: bool,
    /// `--log-format json`: one object a line on standard error, also where that is the journal.
    pub(super) json: bool,
    /// `--systemd`: sockets by LISTEN_FDS, and helpers that come and go.
    pub(super) systemd: bool,
}

/// Reads the arguments; the error says what is wrong.
pub(super) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut arguments = arguments.peekable();
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let name = argument.to_string_lossy().into_owned();
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--help" | "-h" => return Ok(Command::Print(USAGE.to_owned())),
            "--version" | "-V" => {
                return Ok(Command::Print(format!("netevd-worker {}", env!("CARGO_PKG_VERSION"))));
            }
            "--config" => options.config = Some(value()?.into()),
            "--runtime-dir" => options.runtime_dir = value()?.into(),
            "--channel" => options.channel = Some(descriptor(&name, &value()?)?),
            "--netlink" => options.netlink = Some(descriptor(&name, &value()?)?),
            "--bell" => options.reload_pipe = Some(descriptor(&name, &value()?)?),
            "--runner" => options.runner = Some(descriptor(&name, &value()?)?),
            "--dry-run" => options.dry_run = true,
            "--rehearse-routing" => options.rehearse_routing = true,
            "--log-format" => {
                options.json = match value()?.to_str() {
                    Some("text") => false,
                    Some("json") => true,
                    _ => return Err("--log-format: text or json".to_owned()),
                }
            }
            "--systemd" => options.systemd = true,
            _ => return Err(format!("unknown option {name:?}")),
        }
    }
    if options.runtime_dir.as_os_str().is_empty() {
        return Err("--runtime-dir is missing".to_owned());
    }
    let given = [options.channel, options.netlink, options.reload_pipe, options.runner];
    let given: Vec<RawFd> = given.into_iter().flatten().collect();
    if given.iter().enumerate().any(|(place, number)| given[..place].contains(number)) {
        return Err("--channel, --netlink, --bell and --runner name the same descriptor twice".to_owned());
    }
    if options.rehearse_routing && !options.dry_run {
        return Err("--rehearse-routing is for --dry-run".to_owned());
    }
    if options.dry_run && (options.systemd || options.channel.is_some()) {
        return Err("--dry-run has no helper: no --channel, no --systemd".to_owned());
    }
    if options.systemd && [options.channel, options.netlink, options.runner].iter().any(Option::is_some) {
        return Err("--systemd has its sockets from systemd: no --channel, --netlink, --runner".to_owned());
    }
    Ok(Command::Run(options))
}

/// A descriptor beyond the standard three.
fn descriptor(name: &str, text: &OsString) -> Result<RawFd, String> {
    let number = text.to_str().and_then(|t| t.parse::<RawFd>().ok()).filter(|n| *n > 2);
    number.ok_or_else(|| format!("{name} {}: not a descriptor number above 2", text.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_launcher_s_line() {
        let expected = Options {
            config: Some("/etc/netevd/netevd.yaml".into()),
            runtime_dir: "/run/netevd".into(),
            channel: Some(3),
            netlink: Some(4),
            reload_pipe: Some(5),
            runner: Some(6),
            json: true,
            ..Options::default()
        };
        let line = "--config /etc/netevd/netevd.yaml --runtime-dir /run/netevd --log-format json \
                    --channel 3 --netlink 4 --bell 5 --runner 6";
        assert_eq!(read(line), Ok(Command::Run(expected)));
    }

    #[test]
    fn the_unit_s_line() {
        let expected = Options { runtime_dir: "/run/netevd".into(), systemd: true, ..Options::default() };
        assert_eq!(read("--systemd --runtime-dir /run/netevd"), Ok(Command::Run(expected)));
    }

    #[test]
    fn faults_are_named() {
        for (line, fault) in [
            ("--channel 3", "--runtime-dir is missing"),
            ("--runtime-dir", "--runtime-dir needs a value"),
            ("--runtime-dir /r --channel 2", "not a descriptor number above 2"),
            ("--runtime-dir /r --channel 3 --netlink 3", "the same descriptor"),
            ("--runtime-dir /r --channel 3 --runner 3", "the same descriptor"),
            ("--runtime-dir /r --runner 1", "not a descriptor number above 2"),
            ("--runtime-dir /r --systemd --runner 3", "from systemd"),
            ("--runtime-dir /r --rehearse-routing", "for --dry-run"),
            ("--runtime-dir /r --dry-run --channel 3", "has no helper"),
            ("--runtime-dir /r --dry-run --systemd", "has no helper"),
            ("--runtime-dir /r --verbose", "unknown option"),
            ("--runtime-dir /r --log-format xml", "text or json"),
            ("--runtime-dir /r --systemd --channel 3", "from systemd"),
            ("--runtime-dir /r --systemd --netlink 3", "from systemd"),
        ] {
            let error = read(line).expect_err(line);
            assert!(error.contains(fault), "{error}");
        }
        assert!(matches!(read("--help"), Ok(Command::Print(_))));
    }
}
