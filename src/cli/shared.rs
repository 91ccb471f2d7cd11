//! Options that several commands have. They stand behind the command or in front of it; before a
//! command that has no use for them they are a usage error.

use super::{AuditCommand, Command, List, Show};
use crate::client::Endpoint;
use crate::output::Format;
use clap::Args;
use std::path::PathBuf;

/// Which configuration.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigOption {
    /// Configuration file [default: /etc/netevd/netevd.yaml]; drop-ins are FILE.d/*.yaml
    #[arg(long = "config", short = 'c', value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// In which form.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct FormatOption {
    /// Form of the output; json and yaml give the API's document [default: text]
    #[arg(long, value_name = "text|table|json|yaml", hide_possible_values = true)]
    pub format: Option<Format>,
}

/// Which daemon.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DaemonOptions {
    /// The daemon's API [default: unix:/run/netevd/api.sock, before it an ordinary user's own]
    #[arg(long, value_name = "URL|unix:PATH")]
    pub endpoint: Option<Endpoint>,
    /// File with the token for an http:// endpoint
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Only say what would be done.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DryRunOption {
    /// Change nothing, and say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// The options before the command.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Shared {
    #[command(flatten)]
    pub config: ConfigOption,
    #[command(flatten)]
    pub format: FormatOption,
    #[command(flatten)]
    pub daemon: DaemonOptions,
    #[command(flatten)]
    pub dry_run: DryRunOption,
}

/// A command's own, as far as it has them.
#[derive(Debug, Default)]
struct Own<'a> {
    config: Option<&'a mut ConfigOption>,
    format: Option<&'a mut FormatOption>,
    daemon: Option<&'a mut DaemonOptions>,
    dry_run: Option<&'a mut DryRunOption>,
}

impl Shared {
    /// Gives the options to the command; the error names one that it does not have. What stands
    /// behind the command goes before what stands in front of it.
    pub(crate) fn give_to(self, command: &mut Command) -> Result<(), &'static str> {
        let own = Own::of(command);
        let Self { config, format, daemon, dry_run } = self;
        if let Some(file) = config.file {
            own.config.ok_or("--config")?.file.get_or_insert(file);
        }
        if let Some(format) = format.format {
            own.format.ok_or("--format")?.format.get_or_insert(format);
        }
        if daemon.endpoint.is_some() || daemon.token_file.is_some() {
            let name = if daemon.endpoint.is_some() { "--endpoint" } else { "--token-file" };
            let own = own.daemon.ok_or(name)?;
            own.endpoint = own.endpoint.take().or(daemon.endpoint);
            own.token_file = own.token_file.take().or(daemon.token_file);
        }
        if dry_run.dry_run {
            own.dry_run.ok_or("--dry-run")?.dry_run = true;
        }
        Ok(())
    }
}

impl<'a> Own<'a> {
    fn of(command: &'a mut Command) -> Self {
        let none = Self::default();
        match command {
            Command::Start(o) => Self { config: Some(&mut o.config), dry_run: Some(&mut o.dry_run), ..none },
            Command::Status(o) => Self { format: Some(&mut o.format), daemon: Some(&mut o.daemon), ..none },
            Command::List { what: List::Scripts(o) } => Self {
                config: Some(&mut o.config),
                format: Some(&mut o.asking.format),
                daemon: Some(&mut o.asking.daemon),
                ..none
            },
            Command::List { what } => Self::asking(match what {
                List::Interfaces(o) => &mut o.asking,
                List::Routes(o) => &mut o.asking,
                List::Rules(o) => o,
                List::Events(o) => &mut o.asking,
                List::Scripts(o) => &mut o.asking,
            }),
            Command::Show { what } => Self::asking(match what {
                Show::Interface(o) => &mut o.asking,
                Show::Route(o) => &mut o.asking,
                Show::Rule(o) => &mut o.asking,
                Show::Event(o) => &mut o.asking,
            }),
            Command::Why(o) => Self::asking(&mut o.asking),
            Command::Events(o) => Self::asking(&mut o.asking),
            Command::Reload(o) => Self { dry_run: Some(&mut o.dry_run), ..Self::asking(&mut o.asking) },
            Command::Validate(o) => Self { config: Some(&mut o.config), ..none },
            Command::Test(o) => Self { config: Some(&mut o.config), dry_run: Some(&mut o.dry_run), ..none },
            Command::Policy(o) => Self { config: Some(&mut o.config), ..none },
            Command::Flush(o) => Self { dry_run: Some(&mut o.dry_run), ..none },
            Command::Audit { what: AuditCommand::Verify(o) } => {
                Self { config: Some(&mut o.config), format: Some(&mut o.format), ..none }
            }
            Command::Completions { .. } | Command::Version => none,
        }
    }

    fn asking(options: &'a mut super::Asking) -> Self {
        Self { format: Some(&mut options.format), daemon: Some(&mut options.daemon), ..Self::default() }
    }
}
