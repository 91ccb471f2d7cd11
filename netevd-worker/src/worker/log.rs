//! The log: lines on standard error, filtered by level and target, the filter changeable.

use crate::config::{LogLevel, System};
use std::io::IsTerminal;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{Handle, Layer};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

/// Changes the filter of a running log.
pub(super) struct Log {
    filter: Handle<Targets, Registry>,
}

/// Starts the log of this process.
pub(super) fn start(system: &System) -> Log {
    let (layer, filter) = Layer::new(targets(system));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // Module paths are for filters; a reader is better served by the fields.
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false);
    // Fails only when a log was started already, which main does not do.
    let _ = tracing_subscriber::registry().with(layer).with(lines).try_init();
    Log { filter }
}

impl Log {
    /// Applies another configuration.
    pub(super) fn reconfigure(&self, system: &System) {
        // Fails only when the log is gone.
        let _ = self.filter.reload(targets(system));
    }
}

/// `RUST_LOG` wins; it was checked with the configuration.
fn targets(system: &System) -> Targets {
    let level = match system.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let directives = system.log_directives.as_deref().and_then(|text| text.parse::<Targets>().ok());
    // The netlink crates log what they do not know at warn; the kernel adds attributes all the time.
    directives.unwrap_or_else(|| {
        let quiet = level.min(LevelFilter::ERROR);
        Targets::new()
            .with_default(level)
            .with_target("netlink_packet_route", quiet)
            .with_target("netlink_proto", quiet)
    })
}
