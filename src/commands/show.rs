//! `netevd show`: everything about one link, route, rule or event.

use super::why;
use crate::cli::{Asking, Show, ShowEvent, ShowInterface, ShowRoute, ShowRule, WhyOptions};
use crate::client::{Client, Target};
use crate::{Failure, output, views};
use netevd_worker::document::{Routes, Rules};
use protocol::Prefix;
use std::net::IpAddr;

/// Routes that are looked through; the API gives no more at a time.
const LIMIT: u32 = 10_000;

/// Asks and shows.
pub(crate) fn run(what: &Show) -> Result<(), Failure> {
    match what {
        Show::Interface(options) => interface(options),
        Show::Route(options) => route(options),
        Show::Rule(options) => rule(options),
        Show::Event(options) => event(options),
    }
}

fn interface(ShowInterface { name, asking }: &ShowInterface) -> Result<(), Failure> {
    let answer = ask(asking, &Target::new(&["interfaces", name]))?;
    output::show(&answer, asking.format.format.unwrap_or_default(), views::interface::view)
}

fn event(ShowEvent { id, asking }: &ShowEvent) -> Result<(), Failure> {
    let answer = ask(asking, &Target::new(&["events", &id.to_string()]))?;
    output::show(&answer, asking.format.format.unwrap_or_default(), views::event::view)
}

fn route(ShowRoute { destination, asking }: &ShowRoute) -> Result<(), Failure> {
    let wanted = Wanted::of(destination)?;
    let target = Target::new(&["routes"]).with("limit", LIMIT).with_some("family", wanted.family());
    let mut found: Routes = output::parse(&ask(asking, &target)?)?;
    found.routes.retain(|route| wanted.is(&route.destination));
    if found.routes.is_empty() {
        // Nobody has a route for just this address, and packets to it go somewhere all the same.
        if let Ok(address) = destination.parse() {
            return why::run(&WhyOptions { destination: address, words: Vec::new(), asking: asking.clone() });
        }
        let where_ = match found.has_more {
            true => format!("among the first {LIMIT} of {} routes", found.count),
            false => "in any table".to_owned(),
        };
        return Err(Failure::line(format!("there is no route for {destination} {where_}")));
    }
    found.count = u64::try_from(found.routes.len()).unwrap_or(u64::MAX);
    output::show_own(&found, asking.format.format.unwrap_or_default(), views::routes::each)
}

fn rule(ShowRule { rule, asking }: &ShowRule) -> Result<(), Failure> {
    let priority: Option<u32> = rule.parse().ok();
    let address = match priority {
        Some(_) => None,
        None => Some(
            Wanted::of(rule)
                .map_err(|_| Failure::usage(format!("{rule:?} is no priority, no address and no prefix")))?,
        ),
    };
    let mut found: Rules = output::parse(&ask(asking, &Target::new(&["rules"]))?)?;
    found.rules.retain(|rule| {
        let selects = |wanted: &Wanted| [&rule.from, &rule.to].into_iter().any(|end| wanted.is(end));
        priority == Some(rule.priority) || address.as_ref().is_some_and(selects)
    });
    if found.rules.is_empty() {
        return Err(Failure::line(format!("there is no rule {rule}: see netevd list rules")));
    }
    found.count = u64::try_from(found.rules.len()).unwrap_or(u64::MAX);
    output::show_own(&found, asking.format.format.unwrap_or_default(), views::rules::each)
}

fn ask(options: &Asking, target: &Target) -> Result<Vec<u8>, Failure> {
    Ok(Client::new(&options.daemon)?.get(target)?)
}

/// A destination that somebody named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Default,
    Prefix(Prefix),
}

impl Wanted {
    fn of(text: &str) -> Result<Self, Failure> {
        let usage = || {
            Failure::usage(format!("{text:?} is no destination: write default, 192.0.2.0/24 or 2001:db8::1"))
        };
        match text {
            "default" => Ok(Self::Default),
            text => prefix(text).map(Self::Prefix).ok_or_else(usage),
        }
    }

    fn family(self) -> Option<&'static str> {
        match self {
            Self::Default => None,
            Self::Prefix(prefix) => Some(if prefix.is_ipv4() { "ipv4" } else { "ipv6" }),
        }
    }

    /// As the API writes it: `default`, an address, or a prefix.
    fn is(self, text: &str) -> bool {
        match self {
            Self::Default => text == "default",
            Self::Prefix(wanted) => {
                prefix(text) == Some(wanted) || (wanted.length() == 0 && text == "default")
            }
        }
    }
}

/// Host bits are cleared.
fn prefix(text: &str) -> Option<Prefix> {
    match text.split_once('/') {
        Some((address, length)) => Prefix::containing(address.parse().ok()?, length.parse().ok()?).ok(),
        None => text.parse::<IpAddr>().ok().map(Prefix::host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_compared_as_prefixes() {
        for (wanted, text) in [
            ("default", "default"),
            ("0.0.0.0/0", "default"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("2001:DB8:0::1", "2001:db8::1"),
        ] {
            assert!(Wanted::of(wanted).expect("good").is(text), "{wanted} {text}");
        }
        assert!(!Wanted::of("192.0.2.7").expect("good").is("192.0.2.0/24"));
        for text in ["", "eth0", "192.0.2.1/33", "192.0.2.256"] {
            assert!(matches!(Wanted::of(text), Err(Failure::Usage(_))), "{text}");
        }
    }
}
