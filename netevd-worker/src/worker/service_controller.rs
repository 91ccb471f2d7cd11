//! The loop's side of other services: what of a lease goes to resolved and hostnamed, which units an
//! event starts, and what became of it.

use crate::config::{Config, Dhclient, UnitRule, may_name_a_unit};
use crate::dispatch::{Begun, is_host_name};
use crate::model::EventId;
use crate::services::{Outcome, ServiceRequest, Services};
use crate::state::State;
use protocol::{Ifindex, InterfaceName};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// What a link's resolver was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Resolver {
    link: InterfaceName,
    dns: Option<Vec<IpAddr>>,
    domains: Option<Vec<String>>,
}

/// What the loop knows of other services.
pub(super) struct ServiceController {
    services: Services,
    /// Nothing is asked of anybody, only told.
    dry_run: bool,
    settings: Dhclient,
    units: Vec<UnitRule>,
    resolvers: BTreeMap<Ifindex, Resolver>,
    host_name: Option<String>,
    /// Demands that nobody was asked to meet; as many as rules that one round of events triggers.
    refused: VecDeque<Outcome>,
}

/// Why a unit is not asked for.
const BAD_NAME: &str = "not asked for: the link's name is to be part of the unit's, and a command of the unit could read \
     more in it than a name (letters, digits and _ . - + , = @ ~ are taken, the first a letter, a digit or _); \
     rename the link, or write a rule without %i";

impl ServiceController {
    /// Nothing is asked of anybody yet.
    pub(super) fn new(config: &Config, dry_run: bool) -> Self {
        Self {
            services: Services::start(),
            dry_run,
            settings: config.backends.dhclient.clone(),
            units: config.units.clone(),
            resolvers: BTreeMap::new(),
            host_name: None,
            refused: VecDeque::new(),
        }
    }

    /// Another configuration.
    pub(super) fn reconfigure(&mut self, config: &Config, state: &State) {
        self.settings.clone_from(&config.backends.dhclient);
        self.units.clone_from(&config.units);
        self.apply_changes(state);
    }

    /// Passes on what leases say now, where it differs from what was passed on.
    pub(super) fn apply_changes(&mut self, state: &State) {
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
        let reported = std::mem::take(&mut self.resolvers);
        for (ifindex, resolver) in &reported {
            let is_less = |wanted: &Resolver| {
                (resolver.dns.is_some() && wanted.dns.is_none())
                    || (resolver.domains.is_some() && wanted.domains.is_none())
            };
            if wanted.get(ifindex).is_none_or(is_less) {
                self.submit(ServiceRequest::Revert { ifindex: *ifindex, link: resolver.link.clone() });
            }
        }
        for (ifindex, Resolver { link, dns, domains }) in &wanted {
            if reported
                .get(ifindex)
                .is_none_or(|reported| (&reported.dns, &reported.domains) != (dns, domains))
            {
                let (link, dns, domains) = (link.clone(), dns.clone(), domains.clone());
                self.submit(ServiceRequest::Resolve { ifindex: *ifindex, link, dns, domains });
            }
        }
        self.resolvers = wanted;
        self.apply_host_name(state);
    }

    /// The first link's name counts; without any the host keeps what it has.
    fn apply_host_name(&mut self, state: &State) {
        if !self.settings.use_hostname {
            self.host_name = None;
            return;
        }
        let name_of = |leases: &crate::model::LinkLeases| {
            let both = [&leases.v4, &leases.v6].into_iter().flatten();
            both.filter_map(|lease| lease.host_name.clone()).find(|name| is_host_name(name))
        };
        let found = state.links().find_map(|link| Some((name_of(&link.leases)?, link.name.clone())));
        if let Some((name, link)) = found
            && self.host_name.as_ref() != Some(&name)
        {
            self.host_name = Some(name.clone());
            self.submit(ServiceRequest::HostName { name, link });
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
            let rules: Vec<UnitRule> =
                self.units.iter().filter(|rule| rule.is_triggered(kind, name)).cloned().collect();
            let name = name.unwrap_or_default();
            for UnitRule { verb, unit: template, .. } in rules {
                let (unit, link) = (template.name(kind, name), name.to_owned());
                asked(id, &unit, verb.name(), result);
                let request = ServiceRequest::Unit { verb, unit, event: id, link };
                if template.has_link() && !may_name_a_unit(name) {
                    self.refused.push_back(Outcome { request, result: Err(BAD_NAME.to_owned()) });
                } else {
                    self.submit(request);
                }
            }
        }
    }

    fn submit(&mut self, request: ServiceRequest) {
        if self.dry_run {
            let (link, what) = describe(&request);
            return tracing::info!(link, "dry run: would do: {what}");
        }
        if let Err(full) = self.services.submit(request) {
            tracing::error!("{full}");
        }
    }

    /// Asks for the units that are not asked for yet, and says what became of that.
    pub(super) async fn finish(&mut self) {
        for outcome in self.services.finish().await {
            log_outcome(&outcome);
        }
    }

    /// What became of a demand; pending forever while there is none. Cancel-safe.
    pub(super) async fn outcome(&mut self) -> Outcome {
        if let Some(refused) = self.refused.pop_front() {
            return refused;
        }
        self.services.outcome().await
    }
}

/// Says what became of a demand.
pub(super) fn log_outcome(outcome: &Outcome) {
    let Outcome { request, result } = outcome;
    let (link, what) = describe(request);
    if let ServiceRequest::Unit { event, .. } = request {
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
fn describe(request: &ServiceRequest) -> (&str, String) {
    match request {
        ServiceRequest::Resolve { link, .. } => {
            (link.as_str(), "name servers and domains to systemd-resolved".to_owned())
        }
        ServiceRequest::Revert { link, .. } => {
            (link.as_str(), "name servers and domains taken back".to_owned())
        }
        ServiceRequest::HostName { name, link } => {
            (link.as_str(), format!("host name {name} to systemd-hostnamed"))
        }
        ServiceRequest::Unit { verb, unit, link, .. } => (link.as_str(), format!("{} {unit}", verb.name())),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventKind;

    #[tokio::test]
    async fn no_unit_is_asked_for_whose_name_would_hold_more_than_a_name() {
        let text = "units: [{on: routable, start: \"firewall@%i.service\"}]";
        let mut problems = Vec::new();
        let config = crate::config::compile(&[("n.yaml".into(), text.to_owned())], &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        // What is not refused is not asked for either.
        let mut side = ServiceController::new(&config, true);
        let links = ["eth0", "wg$(id)", "wg-home"].map(|name| InterfaceName::new(name).expect("legal"));
        let begun = links.map(|link| Begun { id: EventId(7), kind: EventKind::Routable, link: Some(link) });
        let mut asked = Vec::new();
        side.begun(begun.into(), |event, unit, verb, _| asked.push((event, unit.to_owned(), verb)));
        assert_eq!(asked.len(), 3);
        let outcome = side.outcome().await;
        let ServiceRequest::Unit { unit, link, .. } = &outcome.request else { panic!("{outcome:?}") };
        assert_eq!((unit.as_str(), link.as_str()), (r"firewall@wg\x24\x28id\x29.service", "wg$(id)"));
        assert!(outcome.result.is_err_and(|why| why.starts_with("not asked for: ")));
        assert!(side.refused.is_empty());
    }
}
