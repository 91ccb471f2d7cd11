//! Names in `routing.policy_rules` for which nothing can be installed, and why. Names alone: a pattern that
//! matches nothing, or a link without a gateway, is no fault of who wrote it. Pure.

use super::{Note, is_managed};
use crate::kernel::link_flag;
use crate::state::LinkState;
use protocol::{Fallback, Family, GatewayCheck, Ifindex, Policy};

/// A link's name and its alternative names.
pub(super) fn names_of(link: &LinkState) -> Vec<&str> {
    let others = link.extra.as_deref().map(|extra| &extra.alternative_names).into_iter().flatten();
    [link.name.as_str()].into_iter().chain(others.map(String::as_str)).collect()
}

/// Whether the policy lists a link, by any of its names.
pub fn is_listed(link: &LinkState, policy: &Policy) -> bool {
    policy.interfaces.lists(&names_of(link))
}

/// The listed names that are no patterns and not excluded again.
fn names(policy: &Policy) -> impl Iterator<Item = String> + '_ {
    let is_name = |item: &String| !item.starts_with('!') && !item.contains(['*', '?', '[']);
    policy.interfaces.items().filter(is_name).filter(|name| policy.interfaces.matches(name))
}

/// Whether a link is listed by one of its very names.
pub(super) fn is_named(link: &LinkState, policy: &Policy) -> bool {
    let own = names_of(link);
    names(policy).any(|name| own.contains(&name.as_str()))
}

/// Each listed name that is no link's, loopback, or a port's.
pub(super) fn misplaced(links: &[LinkState], policy: &Policy) -> Vec<Note> {
    let note = |name: &str, link: Option<Ifindex>, why: String| Note {
        link,
        text: format!("routing.policy_rules lists {name}, {why}"),
    };
    let found = names(policy).filter_map(|name| {
        let Some(link) = links.iter().find(|link| names_of(link).contains(&name.as_str())) else {
            let why = "and there is no such link: correct the name (ip -br link has all), or take it out";
            return Some(note(&name, None, why.into()));
        };
        if link.flags & link_flag::LOOPBACK != 0 {
            return Some(note(
                &name,
                Some(link.ifindex),
                "the loopback link, which is no uplink: take it out".into(),
            ));
        }
        if link.controller == 0 {
            return None;
        }
        let above = links.iter().find(|other| other.ifindex.get() == link.controller);
        let why = match above {
            Some(vrf) if vrf.kind.as_deref() == Some("vrf") => {
                format!("a port of the VRF {}, which has a table of its own: take it out", vrf.name)
            }
            Some(above) => {
                format!("a port of {0}, which has its addresses and routes: write {0}", above.name)
            }
            None => "a port of another link, which has its addresses and routes: take it out".into(),
        };
        Some(note(&name, Some(link.ifindex), why))
    });
    found.collect()
}

/// Each gateway and each mark of the policy for a name that is no link's under routing, where nothing else says so.
pub(super) fn without_effect(links: &[LinkState], policy: &Policy) -> Vec<Note> {
    let gateways = policy.gateways.keys().map(|name| ("routing.gateways", name.as_str()));
    let marks = policy.marks.keys().map(|name| ("routing.marks", name.as_str()));
    let found = gateways.chain(marks).filter_map(|(key, name)| {
        let link = links.iter().find(|link| names_of(link).contains(&name));
        let why = match link {
            Some(link) if is_managed(link, policy) || is_named(link, policy) => return None,
            None if names(policy).any(|listed| listed == name) => return None,
            Some(link) if !is_listed(link, policy) => {
                "which routing.policy_rules does not list, so it has no effect: list it there, or take it out"
            }
            Some(_) => "which is loopback or a port of another link, so it has no effect: take it out",
            None => "and there is no such link: correct the name (ip -br link has all), or take it out",
        };
        let link = link.map(|link| link.ifindex);
        Some(Note { link, text: format!("{key} names {name}, {why}") })
    });
    found.collect()
}

/// A link that is listed by its name, is up, and has addresses of a family and no way out for it.
pub(super) fn without_gateway(link: &LinkState, family: Family, policy: &Policy) -> Option<Note> {
    let address = link.addresses.iter().map(|known| &known.address);
    let address =
        address.filter(|address| address.is_usable()).find(|address| Family::of(address.ip) == family)?;
    if !link.is_up() || !is_managed(link, policy) || !is_named(link, policy) {
        return None;
    }
    let name = &link.name;
    let remedy = match link.believed_gateway(family) {
        Some(gateway) if policy.gateway_check != GatewayCheck::OnLink => format!(
            "the network manager or the lease names {gateway}: set routing.gateway_check: on-link, which takes it, or \
             routing.gateways: {{ {name}: [{gateway}] }}"
        ),
        _ => format!(
            "set routing.gateways: {{ {name}: [ADDRESS] }}, or add a default route through {name}, or list it by a pattern \
             if it is no uplink"
        ),
    };
    Some(Note {
        link: Some(link.ifindex),
        text: format!(
            "{name} {family}: {} has no gateway: the kernel has no default route through {name} that could tell one, and \
             routing.gateways names none, so {}; {remedy}",
            address.ip,
            effect(family, policy)
        ),
    })
}

/// What it means for a link's addresses that it has no gateway.
pub(super) fn effect(family: Family, policy: &Policy) -> String {
    match policy.fallback {
        Fallback::Main => format!("nothing is installed for {family}"),
        Fallback::Unreachable => {
            format!("{family} reaches only what is copied (routing.fallback: unreachable)")
        }
    }
}
