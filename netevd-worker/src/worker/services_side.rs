//! The loop's side of other services: what of a lease goes to resolved and hostnamed, which units an
//! event starts, and what became of it.

use crate::config::{Config, Dhclient, UnitRule};
use crate::dispatch::{Begun, is_host_name};
use crate::event::EventId;
use crate::services::{Demand, Outcome, Services};
use crate::state::State;
use protocol::{Ifindex, InterfaceName};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What a link's resolver was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Resolver {
    link: InterfaceName,
    dns: Option<Vec<IpAddr>>,
    domains: Option<Vec<String>>,
}

/// What the loop knows of other services.
pub(super) struct ServicesSide {
    services: Services,
    /// Nothing is asked of anybody, only told.
    dry_run: bool,
    settings: Dhclient,
    units: Vec<UnitRule>,
    resolvers: BTreeMap<Ifindex, Resolver>,
    host_name: Option<String>,
}

impl ServicesSide {
    /// Nothing is asked of anybody yet.
    pub(super) fn new(config: &Config, dry_run: bool) -> Self {
        Self {
            services: Services::start(),
            dry_run,
            settings: config.backends.dhclient.clone(),
            units: config.units.clone(),
            resolvers: BTreeMap::new(),
            host_name: None,
        }
    }

    /// Another configuration.
    pub(super) fn reconfigure(&mut self, config: &Config, state: &State) {
        self.settings.clone_from(&config.backends.dhclient);
        self.units.clone_from(&config.units);
        self.follow(state);
    }

    /// Passes on what leases say now, where it differs from what was passed on.
    pub(super) fn follow(&mut self, state: &State) {
        let wanted: BTreeMap<Ifindex, Resolver> = state
            .links()
            .filter_map(|link| {
                let (dns, domains) = link.leases.resolver();
                let has_lease = link.leases.v4.is_some() || link.leases.v6.is_some();
                let resolver = Resolver {
                    link: link.name.clone(),
                    dns: self.settings.use_dns.then_some(dns),
                    domains: self.settings.use_domain.then(|| passable(domains, &link.name)),
                };
                let is_something = resolver.dns.is_some() || resolver.domains.is_some();
                (has_lease && is_something).then_some((link.ifindex, resolver))
            })
            .collect();
        let told = std::mem::take(&mut self.resolvers);
        for (ifindex, resolver) in &told {
            let is_less = |wanted: &Resolver| {
                (resolver.dns.is_some() && wanted.dns.is_none())
                    || (resolver.domains.is_some() && wanted.domains.is_none())
            };
            if wanted.get(ifindex).is_none_or(is_less) {
                self.submit(Demand::Revert { ifindex: *ifindex, link: resolver.link.clone() });
            }
        }
        for (ifindex, Resolver { link, dns, domains }) in &wanted {
            if told.get(ifindex).is_none_or(|told| (&told.dns, &told.domains) != (dns, domains)) {
                let (link, dns, domains) = (link.clone(), dns.clone(), domains.clone());
                self.submit(Demand::Resolve { ifindex: *ifindex, link, dns, domains });
            }
        }
        self.resolvers = wanted;
        self.follow_host_name(state);
    }

    /// The first link's name counts; without any the host keeps what it has.
    fn follow_host_name(&mut self, state: &State) {
        if !self.settings.use_hostname {
            self.host_name = None;
            return;
        }
        let name_of = |leases: &crate::backend::dhclient::LinkLeases| {
            let both = [&leases.v4, &leases.v6].into_iter().flatten();
            both.filter_map(|lease| lease.host_name.clone()).find(|name| is_host_name(name))
        };
        let found = state.links().find_map(|link| Some((name_of(&link.leases)?, link.name.clone())));
        if let Some((name, link)) = found
            && self.host_name.as_ref() != Some(&name)
        {
            self.host_name = Some(name.clone());
            self.submit(Demand::HostName { name, link });
        }
    }

    /// Starts, stops, restarts or reloads what the configuration says for these events. Each is told to
    /// `asked`: the event, the unit, the verb, and whether it was asked for at all.
    pub(super) fn begun(
        &mut self,
        events: Vec<Begun>,
        mut asked: impl FnMut(EventId, &str, &'static str, &'static str),
    ) {
        let result = if self.dry_run { "dry-run" } else { "asked" };
        for Begun { id, kind, link } in events {
            let name = link.as_ref().map(InterfaceName::as_str);
            let rules = self.units.iter().filter(|rule| rule.is_triggered(kind, name));
            let demands: Vec<Demand> = rules
                .map(|rule| Demand::Unit {
                    verb: rule.verb,
                    unit: rule.unit.name(kind, name.unwrap_or_default()),
                    event: id,
                    link: name.unwrap_or_default().to_owned(),
                })
                .collect();
            for demand in demands {
                if let Demand::Unit { verb, unit, event, .. } = &demand {
                    asked(*event, unit, verb.name(), result);
                }
                self.submit(demand);
            }
        }
    }

    fn submit(&mut self, demand: Demand) {
        if self.dry_run {
            let (link, what) = describe(&demand);
            return tracing::info!(link, "dry run: would do: {what}");
        }
        if let Err(full) = self.services.submit(demand) {
            tracing::error!("{full}");
        }
    }

    /// What became of a demand; pending for ever while there is none. Cancel-safe.
    pub(super) async fn outcome(&mut self) -> Outcome {
        self.services.outcome().await
    }
}

/// Says what became of a demand.
pub(super) fn tell(outcome: &Outcome) {
    let Outcome { demand, result } = outcome;
    let (link, what) = describe(demand);
    if let Demand::Unit { event, .. } = demand {
        return match result {
            Ok(remark) => {
                tracing::info!(link, event_id = event.0, "{what}: asked{}", aside(remark.as_ref()));
            }
            Err(why) => tracing::warn!(link, event_id = event.0, "{what}: {why}"),
        };
    }
    match result {
        Ok(remark) => tracing::info!(link, "{what}: done{}", aside(remark.as_ref())),
        Err(why) => tracing::warn!(link, "{what}: {why}"),
    }
}

/// The link, and what is to be done, for the log.
fn describe(demand: &Demand) -> (&str, String) {
    match demand {
        Demand::Resolve { link, .. } => {
            (link.as_str(), "name servers and domains to systemd-resolved".to_owned())
        }
        Demand::Revert { link, .. } => (link.as_str(), "name servers and domains taken back".to_owned()),
        Demand::HostName { name, link } => (link.as_str(), format!("host name {name} to systemd-hostnamed")),
        Demand::Unit { verb, unit, link, .. } => (link.as_str(), format!("{} {unit}", verb.name())),
    }
}

fn aside(remark: Option<&String>) -> String {
    remark.map(|remark| format!("; {remark}")).unwrap_or_default()
}

/// The domains that are names at all, or the catch-all; the others are said and left out.
fn passable(domains: Vec<String>, link: &InterfaceName) -> Vec<String> {
    let (good, bad): (Vec<_>, Vec<_>) = domains.into_iter().partition(|domain| {
        domain == "." || is_host_name(domain.strip_prefix('~').unwrap_or(domain)) || domain == "~."
    });
    if !bad.is_empty() {
        tracing::warn!(link = link.as_str(), "the lease has domains that are no names: {bad:?}; left out");
    }
    good
}
