//! The command line: every command and its options.

mod queries;
mod shared;

pub(crate) use queries::{
    EventFilter, EventsOptions, InterfacesOptions, List, ListEventsOptions, RoutesOptions, ScriptsOptions,
    Show, ShowEvent, ShowInterface, ShowRoute, ShowRule, WhyOptions,
};
pub(crate) use shared::{ConfigOption, DaemonOptions, DryRunOption, FormatOption, Shared};

use crate::commands::test::AddressWithLength;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  netevd status                       how the daemon and the network are
  netevd show interface eth1          everything about a link on one screen
  netevd why 203.0.113.9              which rule, table and route decide, and whose they are
  netevd events -f                    what happens, as it happens
  netevd validate                     check /etc/netevd/netevd.yaml and its drop-ins
  netevd reload                       take it up; a faulty one changes nothing
  netevd list scripts                 which scripts run, and what keeps the others from it
  netevd test routable --link eth1    run the scripts of routable.d for eth1, as the daemon would
  netevd policy                       what the privileged helper may ever touch
  netevd start --config ./my.yaml     run in the foreground (containers, other init systems)

Files:
  /etc/netevd/netevd.yaml             configuration; then netevd.yaml.d/*.yaml in order of name
  /etc/netevd/EVENT.d/                scripts; then /usr/local/lib/netevd and /usr/lib/netevd
  /run/netevd/                        runtime directory of the daemon; api.sock is its API

Environment:
  NETEVD_SECTION_KEY                  overrides one setting, e.g. NETEVD_SYSTEM_BACKEND=kernel
  RUST_LOG                            overrides system.log_level, e.g. RUST_LOG=debug
  NO_COLOR                            no colours, also on a terminal
  COLUMNS                             width of tables [default: the terminal's]

Exit status: 0 done, 1 failed, 2 wrong usage, 3 no daemon answers.";

/// Runs scripts on network events and keeps source-based policy routing right.
#[derive(Debug, Parser)]
#[command(name = "netevd", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    /// Before the command, for those that have them.
    #[command(flatten)]
    pub shared: Shared,
    /// What to do [default: start]
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// The command with all its options; leaves with status 2 for wrong usage, with 0 after --help.
    pub(crate) fn command_line() -> Command {
        let Self { shared, command } = Self::parse();
        let mut command = command.unwrap_or_else(|| Command::Start(StartOptions::default()));
        if let Err(option) = shared.give_to(&mut command) {
            let message = format!("{option} is given, but this command has no use for it");
            Self::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
        }
        command
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon in the foreground: worker and helper, each with an identity of its own
    Start(StartOptions),
    /// Show at a glance how the daemon and the network are
    Status(Asking),
    /// Show what is there
    List {
        /// What to show
        #[command(subcommand)]
        what: List,
    },
    /// Show everything about one link, route, rule or event
    Show {
        /// What to show
        #[command(subcommand)]
        what: Show,
    },
    /// Show which rule, table and route decide for a packet, and whose they are; status 1 without a way
    Why(WhyOptions),
    /// Show the newest events; with -f go on with what happens, also over restarts of the daemon
    Events(EventsOptions),
    /// Have the daemon read its configuration again; a faulty one is refused and changes nothing
    Reload(ReloadOptions),
    /// Check configuration files, with the place of every fault
    Validate(ValidateOptions),
    /// Run a script, or all scripts of an event, as the daemon would: check, environment, privileges
    Test(TestOptions),
    /// Print what the privileged helper may ever touch; with --polkit what the worker may ask of others, with
    /// --nft the firewall's rules for routing.marks
    Policy(PolicyOptions),
    /// Delete every rule and route of netevd (protocol 110) from the kernel; needs root
    Flush(FlushOptions),
    /// Check the audit log
    Audit {
        /// What to check
        #[command(subcommand)]
        what: AuditCommand,
    },
    /// Print the completion script of a shell
    Completions {
        /// Which shell: bash, zsh, fish, elvish or powershell
        #[arg(value_name = "SHELL", hide_possible_values = true)]
        shell: Shell,
    },
    /// Print the version
    Version,
}

/// What asks the daemon and shows its answer.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Asking {
    #[command(flatten)]
    pub format: FormatOption,
    #[command(flatten)]
    pub daemon: DaemonOptions,
}

/// Options of `start`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StartOptions {
    #[command(flatten)]
    pub config: ConfigOption,
    /// Runtime directory [default: /run/netevd; $XDG_RUNTIME_DIR/netevd for an ordinary user]
    #[arg(long, value_name = "DIR")]
    pub runtime_dir: Option<PathBuf>,
    // No script, unit, D-Bus call or route, and no helper. Also beside a running
    // daemon: the runtime directory is /run/netevd-dry-run.
    #[command(flatten)]
    pub dry_run: DryRunOption,
    /// The worker's log: text for people, or json, one object a line [default: text]
    #[arg(long, value_name = "text|json", hide_possible_values = true, value_parser = ["text", "json"])]
    pub log_format: Option<String>,
    /// User of the worker and of scripts, by name or number [default: netevd, else an unused id]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// User of the privileged helper [default: netevd-priv, else an unused id]
    #[arg(long, value_name = "USER")]
    pub helper_user: Option<String>,
}

/// Options of `reload`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ReloadOptions {
    #[command(flatten)]
    pub dry_run: DryRunOption,
    #[command(flatten)]
    pub asking: Asking,
}

/// Options of `validate`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ValidateOptions {
    /// Files to check, each with its drop-ins [default: --config or /etc/netevd/netevd.yaml]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print a JSON schema of the configuration instead, for editors
    #[arg(long, conflicts_with = "files")]
    pub schema: bool,
    #[command(flatten)]
    pub config: ConfigOption,
}

/// What `audit` does.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that no record of the audit log was changed, removed, put in or moved
    Verify(VerifyOptions),
}

/// Options of `audit verify`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct VerifyOptions {
    /// Files of one log, the oldest first [default: audit.path with its rotated files]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Hash that a line must have, from "audit: head" in the daemon's log; may be repeated
    #[arg(long, value_name = "HASH", value_parser = hash)]
    pub head: Vec<String>,
    #[command(flatten)]
    pub config: ConfigOption,
    #[command(flatten)]
    pub format: FormatOption,
}

fn hash(text: &str) -> Result<String, &'static str> {
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| text.to_ascii_lowercase()).ok_or("a hash has 64 hexadecimal digits")
}

/// Options of `policy`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PolicyOptions {
    #[command(flatten)]
    pub config: ConfigOption,
    /// File to write it to, replaced as a whole [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The rule for polkit instead: units, name servers and host name that the worker may ask for
    #[arg(long)]
    pub polkit: bool,
    /// The ruleset for nft instead: it marks connections by the interface of routing.marks that they arrive on
    #[arg(long, conflicts_with = "polkit")]
    pub nft: bool,
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
    #[command(flatten)]
    pub dry_run: DryRunOption,
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
    #[command(flatten)]
    pub config: ConfigOption,
    #[command(flatten)]
    pub dry_run: DryRunOption,
}
