//! Options of the commands that ask: `list`, `show`, `events` and `why`.

use super::Asking;
use super::shared::ConfigOption;
use crate::Failure;
use clap::{Args, Subcommand};
use netevd_worker::model::EventKind;
use std::net::IpAddr;

/// What `list` shows.
#[derive(Debug, Subcommand)]
pub(crate) enum List {
    /// Every link, with state and addresses
    Interfaces(InterfacesOptions),
    /// Routes of every table, read from the kernel now
    Routes(RoutesOptions),
    /// Policy rules, read from the kernel now
    Rules(Asking),
    /// Each script of each directory: runs, or why not and the command that fixes it
    Scripts(ScriptsOptions),
    /// Events that the daemon remembers, and what came of them
    Events(ListEventsOptions),
}

/// Options of `list interfaces`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct InterfacesOptions {
    /// Only links in this state, such as routable
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Only links of this type, such as veth or ether
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    #[command(flatten)]
    pub asking: Asking,
}

/// Options of `list routes`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RoutesOptions {
    /// Only routes through this link
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Only routes of this table: main, local, default or a number
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Only routes of this family
    #[arg(long, value_name = "ipv4|ipv6", hide_possible_values = true, value_parser = ["ipv4", "ipv6"])]
    pub family: Option<String>,
    /// At most so many [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: Option<u32>,
    #[command(flatten)]
    pub asking: Asking,
}

/// Options of `list scripts`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ScriptsOptions {
    /// User of the worker and of scripts, by name or number [default: as `start` chooses]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    #[command(flatten)]
    pub config: ConfigOption,
    #[command(flatten)]
    pub asking: Asking,
}

/// Which events.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct EventFilter {
    /// Only events of this link
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Only events of these kinds, such as routable,address-added
    #[arg(long = "type", value_name = "EVENT", value_delimiter = ',', hide_possible_values = true, value_parser = event_names())]
    pub kinds: Vec<String>,
}

/// Options of `list events`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ListEventsOptions {
    #[command(flatten)]
    pub filter: EventFilter,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    /// Only later ones: an event's number, or a time such as 2026-03-01T09:30:00Z
    #[arg(long, value_name = "ID|TIME")]
    pub since: Option<String>,
    #[command(flatten)]
    pub asking: Asking,
}

/// Options of `events`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct EventsOptions {
    /// Go on with what happens, until interrupted
    #[arg(long, short)]
    pub follow: bool,
    #[command(flatten)]
    pub filter: EventFilter,
    /// Begin with the newest N
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub tail: u32,
    #[command(flatten)]
    pub asking: Asking,
}

pub(super) fn event_names() -> clap::builder::PossibleValuesParser {
    EventKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().into()
}

/// What `show` shows.
#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// A link: state, addresses, gateways, rules, routes, queue, counters, last script runs
    Interface(ShowInterface),
    /// The routes for exactly this destination, in every table
    Route(ShowRoute),
    /// The rules of this priority, or for this address
    Rule(ShowRule),
    /// An event and everything that ran for it
    Event(ShowEvent),
}

/// Options of `show interface`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowInterface {
    /// The link
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub asking: Asking,
}

/// Options of `show route`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowRoute {
    /// `default`, a prefix, or an address; of an address without a route of its own, why it goes where (see `why`)
    #[arg(value_name = "PREFIX|ADDRESS|default")]
    pub destination: String,
    #[command(flatten)]
    pub asking: Asking,
}

/// Options of `show rule`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowRule {
    /// A priority, or an address that rules are from or to
    #[arg(value_name = "PRIORITY|ADDRESS")]
    pub rule: String,
    #[command(flatten)]
    pub asking: Asking,
}

/// Options of `show event`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowEvent {
    /// The event's number
    #[arg(value_name = "ID")]
    pub id: u64,
    #[command(flatten)]
    pub asking: Asking,
}

/// Options of `why`.
#[derive(Args, Clone, Debug)]
pub(crate) struct WhyOptions {
    /// Where the packet goes
    #[arg(value_name = "DESTINATION")]
    pub destination: IpAddr,
    /// Where it comes from, the link that it comes in by (else it is this host's), the firewall's mark
    #[arg(value_name = "from ADDRESS | iif LINK | mark N")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub asking: Asking,
}

/// What stands behind the destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WhyWords {
    pub from: Option<IpAddr>,
    pub iif: Option<String>,
    pub mark: Option<u32>,
}

impl WhyOptions {
    /// The words in pairs, as ip(8) takes them.
    pub(crate) fn words(&self) -> Result<WhyWords, Failure> {
        let mut found = WhyWords::default();
        for pair in self.words.chunks(2) {
            let wrong = || {
                let text = pair.join(" ");
                Failure::usage(format!("{text:?}: write from ADDRESS, iif LINK or mark N, each once"))
            };
            match pair {
                [name, value] if name == "from" && found.from.is_none() => {
                    found.from = Some(value.parse().map_err(|_| wrong())?);
                }
                [name, value] if name == "iif" && found.iif.is_none() => found.iif = Some(value.clone()),
                [name, value] if name == "mark" && found.mark.is_none() => {
                    let hexadecimal = value.strip_prefix("0x").map(|digits| u32::from_str_radix(digits, 16));
                    found.mark = Some(hexadecimal.unwrap_or_else(|| value.parse()).map_err(|_| wrong())?);
                }
                _ => return Err(wrong()),
            }
        }
        Ok(found)
    }
}
