//! `netevd why`: which rule, which table and which route decide for a packet, and whose they are.
//!
//! The kernel is asked, here and now; a daemon adds where the gateway came from and which problems it knows.

use crate::cli::WhyOptions;
use crate::client::{Client, Target};
use crate::output::parse;
use crate::rule_lookup::{RuleLookup, better, holds, rule_lookup};
use crate::{Failure, output, views};
use netevd_worker::api::seen::{self, Links};
use netevd_worker::document::{GatewayDocument, InterfaceDetail, RouteDocument, RuleDocument, Status};
use netevd_worker::kernel::{DumpError, Question, RouteSelection, SeenRoute, SeenRule, View};
use protocol::{Family, Ifindex, InterfaceName, PROTOCOL, TableId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use tokio::runtime::{Builder, Runtime};

/// Without a daemon nobody says from which number the tables are counted; a link is then not named.
const NO_BASE: u32 = u32::MAX;

/// The answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Why {
    /// Where to.
    pub(crate) destination: IpAddr,
    /// Where from, if that was said.
    pub(crate) from: Option<IpAddr>,
    /// The link that it comes in by, if that was said.
    pub(crate) iif: Option<String>,
    /// The firewall's mark, if that was said.
    pub(crate) mark: Option<u32>,
    /// The kernel's reason where there is no way.
    pub(crate) error: Option<String>,
    /// The link that it leaves by.
    pub(crate) interface: Option<String>,
    /// The next hop.
    pub(crate) gateway: Option<IpAddr>,
    /// The source that the kernel takes or would take.
    pub(crate) source: Option<IpAddr>,
    /// The rule that decides.
    pub(crate) rule: Option<RuleDocument>,
    /// Whose that is.
    pub(crate) rule_of: Option<String>,
    /// The table.
    pub(crate) table: Option<String>,
    /// The route that decides.
    pub(crate) route: Option<RouteDocument>,
    /// Whose that is.
    pub(crate) route_of: Option<String>,
    /// What main has for it, where a table of netevd's decides.
    pub(crate) main_route: Option<RouteDocument>,
    /// Rules in front of it that hold for the packet and brought nothing.
    pub(crate) passed: Vec<RuleDocument>,
    /// A rule of netevd's for the packet, behind a rule of another program that decides.
    pub(crate) behind: Option<RuleDocument>,
    /// Where the gateway of the link came from; null without a daemon, or where the link has none.
    pub(crate) gateway_source: Option<String>,
    /// The table of another program that it came from, if from one.
    pub(crate) gateway_table: Option<u32>,
    /// What a daemon knows to be wrong about the rule that decides.
    pub(crate) problems: Vec<String>,
}

/// Asks and shows.
pub(crate) fn run(options: &WhyOptions) -> Result<(), Failure> {
    let (links, question) = question(options)?;
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let mut why = ask_kernel(&runtime, &links, &question).map_err(Failure::line)?;
    why.iif.clone_from(&options.words()?.iif);
    why.mark = options.words()?.mark;
    if let Ok(client) = Client::new(&options.asking.daemon) {
        // Without one the kernel's answer is all there is.
        let _ = ask_daemon(&client, &mut why);
    }
    output::show_own(&why, options.asking.format.format.unwrap_or_default(), views::why::view)?;
    if why.error.is_some() { Err(Failure::Shown) } else { Ok(()) }
}

fn question(options: &WhyOptions) -> Result<(Links, Question), Failure> {
    let links = links()?;
    let words = options.words()?;
    let iif = match &words.iif {
        None => None,
        Some(name) => {
            let found = links.iter().find(|(_, known)| known.as_str() == name);
            let found = found.ok_or_else(|| Failure::line(format!("there is no link {name}")))?;
            Some(found.0.get())
        }
    };
    if words.from.is_some_and(|from| from.is_ipv4() != options.destination.is_ipv4()) {
        return Err(Failure::usage("the two addresses are of different families"));
    }
    let mark = words.mark.unwrap_or_default();
    Ok((links, Question { destination: options.destination, source: words.from, iif, mark }))
}

fn links() -> Result<Links, Failure> {
    let found = nix::net::if_::if_nameindex().map_err(Failure::line)?;
    let named = found.iter().filter_map(|link| {
        let name = InterfaceName::new(link.name().to_str().ok()?).ok()?;
        Some((Ifindex::try_from(link.index()).ok()?, name))
    });
    Ok(named.collect())
}

fn ask_kernel(runtime: &Runtime, links: &Links, question: &Question) -> Result<Why, DumpError> {
    let family = Family::of(question.destination);
    let name = |ifindex: u32| links.get(&Ifindex::try_from(ifindex).ok()?).map(ToString::to_string);
    let mut rules: Vec<SeenRule> = Vec::new();
    let rule = |rule: &SeenRule| seen::rule(rule, links, NO_BASE);
    runtime.block_on(async { View::new()?.rules(family, |rule| rules.push(rule)).await })?;
    let decide = |fib_match| runtime.block_on(async { View::new()?.decide(question, fib_match).await });
    // The way first: of an IPv6 route that there is not, `fib_match` only says that the question is wrong.
    let (taken, fib, error) = match decide(false) {
        Ok(taken) => (taken, decide(true)?, None),
        Err(DumpError::Refused(_, error)) => (None, None, Some(error)),
        Err(error) => return Err(error),
    };
    // What the kernel found needs no second look: no table in front of that one has a route. Where it found
    // none, each table is looked through.
    let best = |table: u32| match &fib {
        Some(fib) if fib.table == table => Ok(Some(fib.clone())),
        Some(_) => Ok(None),
        None => best_of_table(runtime, question, table),
    };
    let rule_lookup: RuleLookup<'_> = rule_lookup(&rules, question, &name, best)?;
    let way = taken.as_ref().and_then(|taken| taken.hops.first().map(|hop| (taken.source, hop.clone())));
    let (source, hop) = way.unwrap_or_default();
    let route: Option<SeenRoute> = fib.or_else(|| rule_lookup.route.clone());
    let decides = rule_lookup.decides;
    let is_ours = |rule: &SeenRule| rule.protocol == PROTOCOL;
    // Rules to an address hold whatever the source is, and are not why netevd is here.
    let of_packet = |rule: &&SeenRule| {
        let selects = rule.source.is_some() || rule.mark.is_some();
        is_ours(rule) && selects && holds(rule, question, &name)
    };
    let interferes = decides.filter(|rule| !is_ours(rule) && rule.table != Some(TableId::LOCAL.0));
    let behind = interferes
        .and_then(|decides| rules.iter().filter(of_packet).find(|ours| ours.priority > decides.priority));
    let own_table = decides.filter(|rule| is_ours(rule)).and_then(|rule| rule.table);
    let main_route = match own_table.filter(|table| ![TableId::MAIN.0, TableId::LOCAL.0].contains(table)) {
        Some(_) => best_of_table(runtime, question, TableId::MAIN.0)?,
        None => None,
    };
    Ok(Why {
        destination: question.destination,
        from: question.source,
        iif: None,
        mark: None,
        error: error.map(|error| error.to_string()),
        interface: hop.oif.and_then(name),
        gateway: hop.gateway,
        source: source.filter(|_| question.source.is_none()),
        rule: decides.map(rule),
        rule_of: decides.map(|rule| owner(rule.protocol)),
        table: route.as_ref().map(|route| netevd_worker::names::route_table(route.table).into_owned()),
        route_of: route.as_ref().map(|route| owner(route.protocol)),
        route: route.map(|route| seen::route(route, links)),
        main_route: main_route.map(|route| seen::route(route, links)),
        passed: rule_lookup.passed.iter().map(|passed| rule(passed)).collect(),
        behind: behind.map(rule),
        gateway_source: None,
        gateway_table: None,
        problems: Vec::new(),
    })
}

fn best_of_table(runtime: &Runtime, question: &Question, table: u32) -> Result<Option<SeenRoute>, DumpError> {
    let mut best = None;
    let selection = RouteSelection { table: Some(TableId(table)), ..RouteSelection::default() };
    let family = Family::of(question.destination);
    runtime.block_on(async {
        let each = |route: SeenRoute| {
            if route.table == table {
                best = better(question, best.take(), route);
            }
        };
        View::new()?.routes(family, selection, each).await
    })?;
    Ok(best)
}

/// What only a daemon knows.
fn ask_daemon(client: &Client, why: &mut Why) -> Result<(), Failure> {
    let status: Status = parse(&client.get(&Target::new(&["status"]))?)?;
    if let Some(rule) = &why.rule {
        let named = format!("rule {} ({})", rule.priority, rule.text);
        why.problems = status.problems.into_iter().filter(|problem| problem.contains(&named)).collect();
    }
    if let Some(name) = why.interface.as_deref().filter(|_| why.gateway.is_some()) {
        let detail: InterfaceDetail = parse(&client.get(&Target::new(&["interfaces", name]))?)?;
        let is_it = |gateway: &&GatewayDocument| gateway.address == why.gateway;
        let found = detail.gateways.iter().find(is_it);
        why.gateway_source = found.map(|gateway| gateway.source.clone());
        why.gateway_table = found.and_then(|gateway| gateway.table);
    }
    Ok(())
}

/// Who puts in what has this protocol number.
fn owner(protocol: u8) -> String {
    let of = match protocol {
        0 | 3 => "of ip(8) or a program that gave no name",
        2 => "of the kernel",
        4 => "of an administrator or a network manager",
        9 => "of a router advertisement",
        11 | 12 | 186..=189 | 192 => "of a routing daemon",
        16 => "of a DHCP client",
        18 => "of keepalived",
        PROTOCOL => return "netevd's".to_owned(),
        other => return format!("of protocol {other}"),
    };
    of.to_owned()
}
