//! The command line.

use crate::commands::test::AddressWithLength;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  netevd validate                     check /etc/netevd/netevd.yaml and its drop-ins
  netevd list scripts                 which scripts run, and what keeps the others from it
  netevd test routable --link eth1    run the scripts of routable.d for eth1, as the daemon would
  netevd policy                       what the privileged helper may ever touch
  netevd start --config ./my.yaml     run in the foreground (containers, other init systems)

Files:
  /etc/netevd/netevd.yaml             configuration; then netevd.yaml.d/*.yaml in order of name
  /etc/netevd/EVENT.d/                scripts; then /usr/local/lib/netevd and /usr/lib/netevd
  /run/netevd/                        runtime directory of the daemon

Environment:
  NETEVD_SECTION_KEY                  overrides one setting, e.g. NETEVD_SYSTEM_BACKEND=kernel
  RUST_LOG                            overrides system.log_level, e.g. RUST_LOG=debug
  NO_COLOR                            no colours, also on a terminal

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// Runs scripts on network events and keeps source-based policy routing right.
#[derive(Debug, Parser)]
#[command(name = "netevd", version, after_help = EXAMPLES, disable_help_subcommand = false, max_term_width = 100)]
pub(crate) struct Cli {
    /// Configuration file [default: /etc/netevd/netevd.yaml]; drop-ins are FILE.d/*.yaml
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do [default: start]
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon in the foreground: worker and helper, each with an identity of its own
    Start(StartOptions),
    /// Check configuration files, with the place of every fault
    Validate {
        /// Files to check, each with its drop-ins [default: --config or /etc/netevd/netevd.yaml]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Run a script, or all scripts of an event, as the daemon would: check, environment, privileges
    Test(TestOptions),
    /// Show what is there: `list scripts`
    List {
        /// What to show
        #[command(subcommand)]
        what: List,
    },
    /// Print what the privileged helper may ever touch; with --polkit what the worker may ask of others
    Policy(PolicyOptions),
    /// Delete every rule and route of netevd (protocol 110) from the kernel; needs root
    Flush(FlushOptions),
    /// Print the version
    Version,
}

/// Options of `start`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StartOptions {
    /// Runtime directory [default: /run/netevd; $XDG_RUNTIME_DIR/netevd for an ordinary user]
    #[arg(long, value_name = "DIR")]
    pub runtime_dir: Option<PathBuf>,
    /// Run and change nothing: no script, unit, D-Bus call or route; log what would be done. Beside a
    /// running daemon too; the runtime directory is /run/netevd-dry-run
    #[arg(long)]
    pub dry_run: bool,
    /// The worker's log: text for people, or json, one object a line [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    pub log_format: Option<String>,
    /// User of the worker and of scripts, by name or number [default: netevd, else an unused id]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// User of the privileged helper [default: netevd-priv, else an unused id]
    #[arg(long, value_name = "USER")]
    pub helper_user: Option<String>,
}

/// What `list` shows.
#[derive(Debug, Subcommand)]
pub(crate) enum List {
    /// Each script of each directory: runs, or why not and the command that mends it
    Scripts(WorkerUser),
}

/// As whom scripts run.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct WorkerUser {
    /// User of the worker and of scripts, by name or number [default: as `start` chooses]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
}

/// Options of `policy`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PolicyOptions {
    /// File to write it to, replaced as a whole [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The rule for polkit instead: units, name servers and host name that the worker may ask for
    #[arg(long)]
    pub polkit: bool,
    /// User of the worker, for --polkit
    #[arg(long, value_name = "USER", default_value = "netevd", requires = "polkit")]
    pub user: String,
}

/// Options of `flush`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct FlushOptions {
    /// Also while a daemon runs, which puts everything back
    #[arg(long)]
    pub force: bool,
    /// Runtime directory of the daemon that must not run [default: as `start`]
    #[arg(long, value_name = "DIR")]
    pub runtime_dir: Option<PathBuf>,
}

/// Options of `test`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TestOptions {
    /// A script's file, or an event such as `routable`
    #[arg(value_name = "SCRIPT|EVENT")]
    pub what: String,
    /// Link whose values the script gets [default: values for documentation]
    #[arg(long, value_name = "NAME")]
    pub link: Option<String>,
    /// Address to pretend instead of the link's own
    #[arg(long, value_name = "IP/LEN")]
    pub address: Option<AddressWithLength>,
    /// User of the worker and of scripts, by name or number [default: as `start` chooses]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
}
