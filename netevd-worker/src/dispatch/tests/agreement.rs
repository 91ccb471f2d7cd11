//! Environment and document of one event say the same, and what is the event's is of its moment, whatever
//! the link has become by the time that the script runs.

use crate::backend::{HostReport, LinkReport, Report, StateName};
use crate::dispatch::ScriptContext;
use crate::fixtures::{address, index, link, route};
use crate::kernel::{Dump, KernelMessage, link_flag};
use crate::model::{
    Backend, Class, Event, EventKind, Facts, Lease, LinkFacts, LinkId, LinkLeases, ManagerFacts,
};
use crate::state::{Changes, Interest, Newer, State};
use proptest::prelude::*;
use protocol::InterfaceName;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Step {
    Carrier(bool),
    Address(u8, bool),
    DefaultRoute(bool),
    Mtu(u8),
    Device(&'static str, u8),
    Networkd(&'static str, &'static str),
    Facts(u8),
    Lease(Option<u8>),
    Host(u8),
    Gone,
    /// The script of the oldest event that waits is started.
    Run,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device =
        prop::sample::select(vec!["disconnected", "prepare", "ip-config", "activated", "deactivating"]);
    let operational = prop::sample::select(vec!["no-carrier", "carrier", "degraded", "routable"]);
    let administrative = prop::sample::select(vec!["pending", "configuring", "configured", "unmanaged"]);
    let step = prop_oneof![
        any::<bool>().prop_map(Step::Carrier),
        (0u8..3, any::<bool>()).prop_map(|(n, there)| Step::Address(n, there)),
        any::<bool>().prop_map(Step::DefaultRoute),
        (0u8..3).prop_map(Step::Mtu),
        (device, 0u8..3).prop_map(|(state, n)| Step::Device(state, n)),
        (operational, administrative).prop_map(|(o, a)| Step::Networkd(o, a)),
        (0u8..4).prop_map(Step::Facts),
        prop::option::of(0u8..3).prop_map(Step::Lease),
        (0u8..4).prop_map(Step::Host),
        Just(Step::Gone),
        Just(Step::Run),
        Just(Step::Run),
    ];
    prop::collection::vec(step, 1..60)
}

fn word(name: &'static str) -> StateName {
    StateName { name, event: EventKind::from_name(name) }
}

/// Values of a connection of this number.
fn facts(n: u8) -> Arc<ManagerFacts> {
    Arc::new(ManagerFacts {
        dns: vec![[192, 0, 2, n].into()],
        // One of them is none, and is left out by both.
        domains: vec![if n == 3 { "a b".to_owned() } else { format!("d{n}.example") }],
        ntp: vec![format!("ntp{n}.example")],
        gateway: Some([198, 51, 100, n].into()),
        device_type: Some("ethernet"),
        connection_id: Some(format!("connection {n}")),
        connection_uuid: Some(format!("{n}{n}{n}")),
        ..ManagerFacts::default()
    })
}

fn lease(n: u8) -> LinkLeases {
    let lease = Lease {
        address: [203, 0, 113, n].into(),
        prefix_length: Some(24),
        routers: vec![[203, 0, 113, 254].into()],
        routes: Vec::new(),
        dns: vec![[203, 0, 113, 53].into()],
        domain: Some(format!("lease{n}.example")),
        search: Vec::new(),
        host_name: None,
        server: None,
        mtu: None,
        ntp: Vec::new(),
        expires: None,
    };
    LinkLeases { v4: Some(Arc::new(lease)), v6: None }
}

/// An event that waits, with the link's values right after it.
struct Waiting {
    event: Event,
    after: Option<Arc<LinkFacts>>,
}

struct Fixture {
    state: State,
    flags: u32,
    mtu: u32,
    waiting: VecDeque<Waiting>,
    last: BTreeMap<LinkId, Arc<LinkFacts>>,
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self {
            state: State::default(),
            flags: link_flag::UP | link_flag::LOWER_UP,
            mtu: 1500,
            waiting: VecDeque::new(),
            last: BTreeMap::new(),
        };
        fixture.state.under(Backend::NetworkManager);
        let mut changes = Changes::default();
        let interest = Interest { monitors: &|_| true, routes: true };
        fixture.state.resynchronise(Dump::default(), Newer::default(), &interest, &mut changes);
        fixture.receive(fixture.link());
        fixture
    }

    fn link(&self) -> KernelMessage {
        let mut reported = link(2, "eth0", self.flags);
        reported.mtu = Some(self.mtu);
        KernelMessage::Link(reported)
    }

    fn receive(&mut self, message: KernelMessage) {
        let mut changes = Changes::default();
        let interest = Interest { monitors: &|_| true, routes: true };
        self.state.apply(message, &interest, &mut changes);
        self.take(changes);
    }

    fn report(&mut self, report: Report) {
        let mut changes = Changes::default();
        self.state.report(report, &mut changes);
        self.take(changes);
    }

    fn take(&mut self, changes: Changes) {
        self.last.extend(changes.gone);
        for event in changes.events {
            let after = self.present(&event);
            self.waiting.push_back(Waiting { event, after });
        }
    }

    fn present(&self, event: &Event) -> Option<Arc<LinkFacts>> {
        self.state.link(event.link).or_else(|| self.last.get(&event.link).cloned())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Carrier(up) => {
                self.flags = if up { link_flag::UP | link_flag::LOWER_UP } else { link_flag::UP };
                self.receive(self.link());
            }
            Step::Mtu(n) => {
                self.mtu = 1400 + u32::from(n);
                self.receive(self.link());
            }
            Step::Address(n, there) => {
                let address = address(&format!("203.0.113.{n}"), 0);
                self.receive(match there {
                    true => KernelMessage::Address(index(2), address),
                    false => KernelMessage::AddressGone(index(2), address),
                });
            }
            Step::DefaultRoute(there) => {
                let route = route("0.0.0.0/0", 2, "203.0.113.254");
                self.receive(match there {
                    true => KernelMessage::Route(route, false),
                    false => KernelMessage::RouteGone(route),
                });
            }
            Step::Device(state, n) => self.report(Report::Link(LinkReport {
                administrative: Some(word(state)),
                reason: Some("user-requested"),
                facts: Some(facts(n)),
                ..LinkReport::new(index(2))
            })),
            Step::Networkd(operational, administrative) => self.report(Report::Link(LinkReport {
                operational: Some(word(operational)),
                administrative: Some(word(administrative)),
                ..LinkReport::new(index(2))
            })),
            Step::Facts(n) => {
                self.report(Report::Link(LinkReport { facts: Some(facts(n)), ..LinkReport::new(index(2)) }));
            }
            Step::Lease(n) => {
                let name = InterfaceName::new("eth0").expect("legal");
                self.report(Report::Leases(n.map(|n| (name, lease(n))).into_iter().collect()));
            }
            Step::Host(n) => {
                let connectivity = ["none", "portal", "limited", "full"][usize::from(n)];
                let state = if n == 3 { "connected-global" } else { "connected-site" };
                self.report(Report::Host(HostReport { state, connectivity: Some(connectivity) }));
            }
            Step::Gone => {
                self.receive(KernelMessage::LinkGone(index(2)));
                self.receive(self.link());
            }
            Step::Run => {
                if let Some(waiting) = self.waiting.pop_front() {
                    let present = self.present(&waiting.event);
                    for backend in Backend::IN_FORCE {
                        check(&waiting, present.as_deref(), backend)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Text of a field; nothing for null and for what is missing.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

/// The usable addresses of a link object.
fn usable(link: &Value) -> String {
    let all = link["addresses"].as_array().cloned().unwrap_or_default();
    let shown = |a: &Value| format!("{}/{}", text(&a["address"]), text(&a["prefixlen"]));
    all.iter().map(shown).collect::<Vec<_>>().join(" ")
}

fn check(waiting: &Waiting, present: Option<&LinkFacts>, backend: Backend) -> Result<(), TestCaseError> {
    let Waiting { event, after } = waiting;
    let context =
        ScriptContext { event, link: present, backend, emit_json: true, skipped: 0, truncated: false };
    let input = context.input();
    let set: BTreeMap<&str, &str> = input.environment.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let document: Value = serde_json::from_slice(&context.document().expect("written")).expect("JSON");
    let (then, current) = (&document["at_event"], &document["link"]);
    let env = |name: &str| set.get(name).copied().unwrap_or_default();
    for (name, field) in [
        ("STATE", &document["state"]),
        ("OLD_STATE", &document["old_state"]),
        ("LINK", &then["name"]),
        (
            "GATEWAY",
            if event.kind == EventKind::Gateway { &document["gateway"]["new"] } else { &then["gateway"] },
        ),
        ("GATEWAY6", &then["gateway6"]),
        ("DNS", &then["dns"]),
        ("DOMAINS", &then["domains"]),
        ("NTP", &then["ntp"]),
        ("OLD_DNS", &document["old_dns"]["dns"]),
        ("OLD_NTP", &document["old_dns"]["ntp"]),
        ("OLD_DHCP_ADDRESS", &document["old_lease"]["ipv4"]["address"]),
        ("MAC", &then["mac"]),
        ("CURRENT_STATE", &current["state"]),
        ("CURRENT_ADMINISTRATIVE_STATE", &current["administrative_state"]),
        ("CURRENT_GATEWAY", &current["gateway"]),
        ("CURRENT_DNS", &current["dns"]),
        ("CURRENT_DOMAINS", &current["domains"]),
        ("CURRENT_CONNECTION_ID", &current["connection"]["id"]),
        ("CURRENT_CONNECTION_UUID", &current["connection"]["uuid"]),
        ("DHCP_ADDRESS", &then["lease"]["ipv4"]["address"]),
    ] {
        prop_assert_eq!(env(name), text(field), "{} of {}", name, event.kind);
    }
    prop_assert_eq!(env("ADDRESSES"), usable(then), "ADDRESSES of {}", event.kind);
    prop_assert_eq!(env("CURRENT_ADDRESSES"), usable(current), "CURRENT_ADDRESSES of {}", event.kind);
    if then.is_object() {
        prop_assert_eq!(env("OperationalState"), text(&then["state"]));
        prop_assert_eq!(env("MTU"), text(&then["mtu"]));
        if let Some(state) = then["administrative_state"].as_str() {
            prop_assert_eq!(env("AdministrativeState"), state);
        }
    }
    if let Some(lease) = set.get("DHCP_LEASE") {
        prop_assert_eq!(serde_json::from_str::<Value>(lease).expect("JSON"), then["lease"].clone());
    }
    match backend {
        Backend::NetworkManager if then.is_object() => {
            prop_assert_eq!(env("NM_STATE"), text(&then["administrative_state"]));
            prop_assert_eq!(env("NM_CONNECTION_ID"), text(&then["connection"]["id"]));
            prop_assert_eq!(env("NM_CONNECTION_UUID"), text(&then["connection"]["uuid"]));
            prop_assert_eq!(env("NM_REASON"), text(&document["reason"]));
        }
        Backend::NetworkManager => {
            prop_assert_eq!(env("NM_CONNECTIVITY"), text(&document["connectivity"]));
        }
        Backend::Networkd if then.is_object() => {
            prop_assert_eq!(&serde_json::from_str::<Value>(env("JSON")).expect("JSON"), &then["networkd"]);
        }
        _ => {}
    }
    let Some(after) = after else { return Ok(()) };
    // Every event has its own connection and lease, whatever came after it; changes of routes are gathered.
    let manager = after.manager.as_deref();
    if event.kind.class() != Class::Batch {
        let id = manager.and_then(|manager| manager.connection_id.clone()).unwrap_or_default();
        prop_assert_eq!(text(&then["connection"]["id"]), id, "the connection of {}", event.kind);
        let leased = after.leases.v4.as_ref().map(|lease| lease.address.to_string()).unwrap_or_default();
        prop_assert_eq!(env("DHCP_ADDRESS"), leased, "the lease of {}", event.kind);
    }
    // States have all of their moment.
    if event.kind.class() == Class::State {
        let addresses: Vec<_> = after.addresses.iter().map(|a| json!(a.ip)).collect();
        let reported = then["addresses"].as_array().expect("a list");
        let reported: Vec<_> = reported.iter().map(|address| address["address"].clone()).collect();
        prop_assert_eq!(reported, addresses, "addresses of {}", event.kind);
        prop_assert_eq!(&then["gateway"], &json!(after.gateway), "gateway of {}", event.kind);
    }
    Ok(())
}

proptest! {
    #[test]
    fn environment_and_document_agree_and_are_of_the_event(steps in steps()) {
        let mut fixture = Fixture::new();
        for step in steps {
            fixture.step(step)?;
        }
        while !fixture.waiting.is_empty() {
            fixture.step(Step::Run)?;
        }
    }
}
