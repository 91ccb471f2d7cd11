//! An event for `netevd test`: of a link as it is now, or of documentation.

use super::AddressWithLength;
use crate::cli::TestOptions;
use crate::{Failure, facts, say};
use netevd_worker::dispatch::{Input, ScriptContext};
use netevd_worker::model::{
    Action, Backend, Class, DefaultNextHop, Detail, Event, EventId, EventKind, EventValues, GatewayChange,
    LinkFacts, LinkId, RouteChange, Track,
};
use protocol::{Family, InterfaceName, Prefix};
use std::net::IpAddr;
use std::time::SystemTime;

/// The configured backend if it tells such events, else one that does.
pub(super) fn backend_of(kind: EventKind, configured: Backend) -> Backend {
    // What `auto` will choose is not known here.
    let tells = |backend: Backend| backend != Backend::Auto && backend.tells(kind);
    let others = [Backend::Kernel, Backend::Networkd, Backend::NetworkManager];
    [configured].into_iter().chain(others).find(|backend| tells(*backend)).unwrap_or(Backend::Kernel)
}

/// Values of the named link, else of documentation; none for the host's own events.
pub(super) fn link_facts(
    options: &TestOptions,
    kind: EventKind,
    backend: Backend,
) -> Result<Option<LinkFacts>, Failure> {
    if kind == EventKind::Manager {
        return Ok(None);
    }
    let mut facts = match &options.link {
        Some(name) => {
            let name = InterfaceName::new(name).map_err(Failure::line)?;
            let found = facts::of_link(&name).map_err(Failure::line)?;
            Some(match found {
                Some(facts) => facts,
                None => {
                    say(&format!("there is no link {name}: using documentation values"));
                    LinkFacts { name, ..documentation()? }
                }
            })
        }
        None => Some(documentation()?),
    };
    if let (Some(facts), Some(AddressWithLength { ip, length })) = (&mut facts, options.address) {
        facts.addresses = vec![facts::example(ip, length)];
    }
    // What a manager or a lease would add, which is not asked for an example.
    if let Some(facts) = &mut facts {
        facts::as_under(facts, backend);
    }
    Ok(facts)
}

fn documentation() -> Result<LinkFacts, Failure> {
    facts::of_documentation().ok_or_else(|| Failure::line("no documentation values"))
}

/// What scripts are given: environment, and document.
pub(super) type Given = (Input, Vec<u8>);

/// An example of this event.
pub(super) fn example(
    kind: EventKind,
    link: Option<&LinkFacts>,
    address: Option<AddressWithLength>,
    backend: Backend,
    emit_json: bool,
) -> Result<Given, Failure> {
    let is_managed = !kind.from_kernel() || (backend, kind) == (Backend::Networkd, EventKind::Configured);
    let state = match (kind, link) {
        (EventKind::Manager, _) | (_, None) => match backend {
            Backend::Networkd => "routable",
            Backend::NetworkManager => "connected-global",
            Backend::Dhclient | Backend::Kernel | Backend::Auto => "online",
        },
        (_, Some(_)) if kind.class() == Class::State => kind.name(),
        (_, Some(link)) => link.state,
    };
    let detail = match (kind, link) {
        (EventKind::AddressAdded | EventKind::AddressRemoved | EventKind::AddressChanged, Some(link)) => {
            let wanted = address.and_then(|a| link.addresses.iter().find(|found| found.ip == a.ip));
            match wanted.or_else(|| link.addresses.iter().find(|a| a.is_usable())) {
                Some(address) => Detail::Address(address.clone()),
                None => {
                    return Err(Failure::line(format!(
                        "{} has no address: give --address IP/LEN",
                        link.name
                    )));
                }
            }
        }
        (EventKind::Routes, Some(link)) => Detail::Routes(vec![default_route(link)?]),
        (EventKind::Gateway, Some(link)) => {
            let gateway = link.gateway.map(IpAddr::V4).or(link.gateway6.map(IpAddr::V6));
            let family = gateway.map_or(Family::V4, Family::of);
            let new = Some(gateway.map_or(DefaultNextHop::OnLink, DefaultNextHop::Via));
            Detail::Gateway(GatewayChange { family, old: None, new })
        }
        (EventKind::Dns, _) => Detail::Dns { old: Box::default() },
        (EventKind::Lease, _) => Detail::Lease { old: Box::default() },
        (EventKind::Mtu, Some(link)) => Detail::Mtu { old: 1500, new: link.mtu },
        (EventKind::Manager, _) => match backend {
            Backend::Networkd => Detail::Host { connectivity: "online" },
            Backend::NetworkManager => Detail::Host { connectivity: "full" },
            Backend::Dhclient | Backend::Kernel | Backend::Auto => Detail::None,
        },
        (EventKind::Routable, _) if backend == Backend::Dhclient => Detail::Lease { old: Box::default() },
        _ if is_managed && backend == Backend::NetworkManager => Detail::Device { reason: "none" },
        _ => Detail::None,
    };
    let event = Event {
        id: EventId(1),
        kind,
        track: if is_managed { Track::Administrative } else { Track::Operational },
        link: if link.is_some() { LinkId(1) } else { LinkId::HOST },
        state,
        old_state: (kind == EventKind::Manager && state == "online").then_some("offline"),
        startup: false,
        time: SystemTime::now(),
        detail,
        then: EventValues::Present,
    };
    let context = ScriptContext { event: &event, link, backend, emit_json, skipped: 0, truncated: false };
    Ok((context.input(), context.document().map_err(Failure::line)?))
}

fn default_route(link: &LinkFacts) -> Result<RouteChange, Failure> {
    let gateway = link.gateway.map(IpAddr::V4).or(link.gateway6.map(IpAddr::V6));
    let everything = match gateway {
        Some(IpAddr::V6(_)) => Prefix::containing(std::net::Ipv6Addr::UNSPECIFIED.into(), 0),
        _ => Prefix::containing(std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
    };
    Ok(RouteChange {
        action: Action::Added,
        destination: everything.map_err(Failure::line)?,
        gateway,
        table: 254,
        metric: 0,
        protocol: 3,
        scope: 0,
        route_type: 1,
    })
}
