//! The log, filtered by level and target, the filter changeable: entries with fields of their own
//! where standard error is the journal, else lines on standard error, for people or for programs.

use crate::config::{LogLevel, System};
use nix::sys::stat::fstat;
use std::io::IsTerminal;
use tracing_journald::{Priority, PriorityMappings};
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
pub(super) fn start(system: &System, json: bool) -> Log {
    let (layer, filter) = Layer::new(targets(system));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let journal = if json { None } else { journal() };
    // One object a line, with the fields at its top.
    let objects = || fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
    let objects = json.then(objects);
    // Module paths are for filters; a reader is better served by the fields.
    let lines = || fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false);
    let lines = (journal.is_none() && !json).then(lines);
    // Fails only when a log was started already, which main does not do.
    let _ = tracing_subscriber::registry().with(layer).with(journal).with(objects).with(lines).try_init();
    Log { filter }
}

/// The journal, where it is what standard error leads to: `journalctl LINK=eth1` finds by a field
/// what a line could only be searched for.
fn journal() -> Option<tracing_journald::Layer> {
    let found = fstat(std::io::stderr()).ok()?;
    let stream = std::env::var("JOURNAL_STREAM").ok()?;
    if !is_stream(&stream, found.st_dev, found.st_ino) {
        return None;
    }
    let mut priorities = PriorityMappings::new();
    // As all of syslog's users read them: notice would be above what is merely told.
    priorities.info = Priority::Informational;
    priorities.debug = Priority::Debug;
    let layer = tracing_journald::layer().ok()?;
    // No prefix: LINK, EVENT_ID and SCRIPT are names of ours, and no field of the journal's own.
    let layer = layer.with_field_prefix(None).with_syslog_identifier("netevd".to_owned());
    Some(layer.with_priority_mappings(priorities))
}

/// JOURNAL_STREAM is `device:inode` of the journal's socket, systemd.exec(5). It is inherited by
/// programs whose standard error leads elsewhere, so it is compared.
fn is_stream(variable: &str, device: u64, inode: u64) -> bool {
    variable.split_once(':').is_some_and(|(d, i)| d.parse() == Ok(device) && i.parse() == Ok(inode))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_journal_s_own_stream_counts() {
        assert!(is_stream("8:1234", 8, 1234));
        for other in ["8:1235", "9:1234", "8", "", "8:", ":1234", "8:1234:5", "eight:1234"] {
            assert!(!is_stream(other, 8, 1234), "{other}");
        }
    }
}
