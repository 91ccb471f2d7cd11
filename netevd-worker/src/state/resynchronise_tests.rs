//! A dump among messages: what is told, and what is known in the end.

use super::{Changes, Interest, Newer, State};
use crate::fixtures::{address, index, link, route};
use crate::kernel::{Dump, KernelMessage, link_flag};
use crate::model::{Detail, Event};
use KernelMessage::{AddressGone, LinkGone, RouteGone};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, BTreeSet};

const UP: u32 = link_flag::UP | link_flag::LOWER_UP;

fn reported(n: u32, name: &str) -> KernelMessage {
    KernelMessage::Link(link(n, name, UP))
}

fn has(n: u32, ip: &str) -> KernelMessage {
    KernelMessage::Address(index(n), address(ip, 0))
}

fn lost(n: u32, ip: &str) -> KernelMessage {
    AddressGone(index(n), address(ip, 0))
}

fn leads(destination: &str, gateway: &str) -> KernelMessage {
    KernelMessage::Route(route(destination, 2, gateway), false)
}

/// A state, and what it told.
#[derive(Default)]
struct Teller {
    state: State,
    events: Vec<Event>,
    names: BTreeMap<u64, String>,
}

impl Teller {
    fn apply(&mut self, message: KernelMessage) {
        let mut changes = Changes::default();
        self.state.apply(message, &interest(), &mut changes);
        self.take(changes);
    }

    /// Whether another dump is wanted.
    fn resynchronise(&mut self, dump: Dump, messages: Vec<KernelMessage>) -> bool {
        let mut changes = Changes::default();
        let newer = Newer { messages, routes: true };
        self.state.resynchronise(dump, newer, &interest(), &mut changes);
        let needs_resync = changes.needs_resync;
        self.take(changes);
        needs_resync
    }

    fn take(&mut self, changes: Changes) {
        let gone = changes.gone.iter().map(|(id, facts)| (id.0, facts.name.to_string()));
        self.names.extend(gone.chain(self.state.links().map(|link| (link.id.0, link.name.to_string()))));
        self.events.extend(changes.events);
    }

    /// Of links and addresses, in order.
    fn lives(&self) -> Vec<String> {
        let of = |event: &Event| {
            let what = match &event.detail {
                Detail::Address(address) => address.ip.to_string(),
                _ if event.kind.name().starts_with("link-") => String::new(),
                _ => return None,
            };
            Some(format!("{} {} {what}", event.kind.name(), self.names[&event.link.0]))
        };
        self.events.iter().filter_map(of).collect()
    }

    fn known(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for link in self.state.links() {
            all.insert(format!("{} {} {:x}", link.ifindex, link.name, link.flags));
            let of_link = |ip| format!("{} {ip}", link.ifindex);
            all.extend(link.addresses.iter().map(|known| of_link(known.address.ip)));
        }
        all.extend(self.state.routes().iter().map(|route| format!("{route:?}")));
        all
    }
}

fn interest() -> Interest<'static> {
    Interest { monitors: &|_| true, routes: true }
}

/// What it is about, messages before the dump, the dump, messages after its beginning, and what is told.
type Case<'a> = (&'a str, Vec<KernelMessage>, Dump, Vec<KernelMessage>, &'a [&'a str]);

#[test]
fn the_last_message_about_an_object_has_the_say_and_the_dump_about_the_others() {
    let eth0 = || Dump { links: vec![link(2, "eth0", UP)], ..Dump::default() };
    let with_address = || Dump { addresses: vec![(index(2), address("192.0.2.2", 0))], ..eth0() };
    let with_route = || Dump { routes: vec![route("10.0.0.0/8", 2, "192.0.2.1")], ..eth0() };
    let added = "link-added eth0 ";
    let cases: [Case<'_>; 11] = [
        (
            "a whole life",
            vec![],
            Dump::default(),
            vec![reported(2, "eth0"), LinkGone(index(2))],
            &[added, "link-removed eth0 "],
        ),
        (
            "an end",
            vec![reported(2, "eth0")],
            Dump::default(),
            vec![LinkGone(index(2))],
            &[added, "link-removed eth0 "],
        ),
        (
            "an end that was not read",
            vec![reported(2, "eth0")],
            eth0(),
            vec![LinkGone(index(2))],
            &[added, "link-removed eth0 "],
        ),
        (
            "an end that was lost",
            vec![reported(2, "eth0")],
            Dump::default(),
            vec![],
            &[added, "link-removed eth0 "],
        ),
        ("a beginning that was not read", vec![], Dump::default(), vec![reported(2, "eth0")], &[added]),
        (
            "a new name",
            vec![],
            eth0(),
            vec![reported(2, "new0"), reported(2, "eth0")],
            &["link-added new0 ", "link-removed new0 ", added],
        ),
        (
            "a short address",
            vec![reported(2, "eth0")],
            eth0(),
            vec![has(2, "192.0.2.2"), lost(2, "192.0.2.2")],
            &[added, "address-added eth0 192.0.2.2", "address-removed eth0 192.0.2.2"],
        ),
        (
            "an address that was there before its link is told",
            vec![],
            with_address(),
            vec![reported(2, "eth0")],
            &[added, "address-added eth0 192.0.2.2"],
        ),
        (
            "an address of a life before",
            vec![],
            with_address(),
            vec![LinkGone(index(2)), reported(2, "eth0")],
            &[added],
        ),
        (
            "a route that went",
            vec![reported(2, "eth0")],
            with_route(),
            vec![RouteGone(route("10.0.0.0/8", 2, "192.0.2.1"))],
            &[added],
        ),
        (
            "a route that came",
            vec![reported(2, "eth0")],
            eth0(),
            vec![leads("10.0.0.0/8", "192.0.2.1")],
            &[added],
        ),
    ];
    for (what, before, dump, waiting, expected) in cases {
        let mut teller = Teller::default();
        teller.resynchronise(Dump::default(), vec![]);
        before.into_iter().for_each(|message| teller.apply(message));
        teller.resynchronise(dump, waiting);
        assert_eq!(teller.lives(), expected, "{what}");
        let routes = usize::from(what == "a route that came");
        assert_eq!(teller.state.routes().iter().count(), routes, "{what}");
    }
}

#[test]
fn what_the_messages_put_in_doubt_is_for_the_next_dump() {
    let dump = || Dump { links: vec![link(2, "eth0", UP)], ..Dump::default() };
    let mut teller = Teller::default();
    assert!(!teller.resynchronise(dump(), vec![]));
    assert!(teller.resynchronise(dump(), vec![KernelMessage::Link(link(2, "eth0", 0))]));
    assert!(!teller.resynchronise(Dump { links: vec![link(2, "eth0", 0)], ..Dump::default() }, vec![]));
    // Of a link that is not known yet.
    let mut teller = Teller::default();
    assert!(teller.resynchronise(dump(), vec![has(2, "192.0.2.2"), reported(2, "eth0")]));
}

#[test]
fn a_first_look_with_messages_tells_every_link_once() {
    let mut teller = Teller::default();
    let dump = Dump {
        links: vec![link(2, "eth0", UP), link(3, "eth1", UP)],
        addresses: vec![(index(2), address("192.0.2.2", 0))],
        routes: vec![route("0.0.0.0/0", 2, "192.0.2.1")],
    };
    teller.resynchronise(dump, vec![reported(2, "eth0"), leads("10.0.0.0/8", "192.0.2.1")]);
    let names: Vec<&str> = teller.events.iter().map(|event| event.kind.name()).collect();
    let expected = [
        "link-added",
        "link-added",
        "address-added",
        "carrier",
        "configured",
        "routable",
        "gateway",
        "carrier",
        "manager",
    ];
    assert_eq!(names, expected, "and none of its routes");
    assert!(teller.events.iter().all(|event| event.startup));
}

/// What may be done to the kernel.
#[derive(Clone, Debug)]
enum Act {
    Link { n: u32, name: bool, up: bool },
    Unlink(u32),
    Address { n: u32, ip: usize },
    Unaddress { n: u32, ip: usize },
    Route { to: usize, n: u32, gateway: u8 },
    Unroute(usize),
}

const IPS: [&str; 4] = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"];
const DESTINATIONS: [&str; 4] = ["0.0.0.0/0", "10.0.0.0/8", "::/0", "2001:db8:1::/48"];

fn act() -> impl Strategy<Value = Act> {
    let n = || 2u32..5;
    prop_oneof![
        4 => (n(), any::<bool>(), prop::bool::weighted(0.8)).prop_map(|(n, name, up)| Act::Link { n, name, up }),
        2 => n().prop_map(Act::Unlink),
        3 => (n(), 0..IPS.len()).prop_map(|(n, ip)| Act::Address { n, ip }),
        2 => (n(), 0..IPS.len()).prop_map(|(n, ip)| Act::Unaddress { n, ip }),
        3 => (0..DESTINATIONS.len(), n(), 1u8..3).prop_map(|(to, n, gateway)| Act::Route { to, n, gateway }),
        1 => (0..DESTINATIONS.len()).prop_map(Act::Unroute),
    ]
}

/// The kernel: it says nothing of IPv4 routes that go with their link, and all else in order.
#[derive(Clone, Default)]
struct Kernel {
    links: BTreeMap<u32, (String, u32)>,
    addresses: BTreeSet<(u32, usize)>,
    routes: BTreeMap<usize, (u32, u8)>,
}

fn way(to: usize, (n, gateway): (u32, u8)) -> crate::model::Route {
    let net = if to < 2 { "192.0.2.10" } else { "fe80::" };
    route(DESTINATIONS[to], n, &format!("{net}{gateway}"))
}

impl Kernel {
    fn act(&mut self, act: &Act) -> Vec<KernelMessage> {
        let mut said = Vec::new();
        match *act {
            Act::Link { n, name, up } => {
                let (name, flags) =
                    (format!("{}{n}", if name { "eth" } else { "new" }), if up { UP } else { 0 });
                // One thing at a time.
                if let Some((_, before)) = self.links.get(&n) {
                    said.push(KernelMessage::Link(link(n, &name, *before)));
                }
                said.push(KernelMessage::Link(link(n, &name, flags)));
                self.links.insert(n, (name, flags));
                if !up {
                    self.lose_routes(n, &mut said);
                }
            }
            Act::Unlink(n) if self.links.contains_key(&n) => {
                for ip in 0..IPS.len() {
                    said.extend(self.act(&Act::Unaddress { n, ip }));
                }
                self.lose_routes(n, &mut said);
                self.links.remove(&n);
                said.push(LinkGone(index(n)));
            }
            Act::Address { n, ip } if self.links.contains_key(&n) && self.addresses.insert((n, ip)) => {
                said.push(has(n, IPS[ip]));
            }
            Act::Unaddress { n, ip } if self.addresses.remove(&(n, ip)) => {
                said.push(lost(n, IPS[ip]));
                if ip < 2 && !self.addresses.contains(&(n, 1 - ip)) {
                    self.routes.retain(|to, (oif, _)| *to >= 2 || *oif != n);
                }
            }
            Act::Route { to, n, gateway } if self.leads(to, n) => {
                let before = self.routes.insert(to, (n, gateway));
                said.push(KernelMessage::Route(way(to, (n, gateway)), before.is_some()));
            }
            Act::Unroute(to) => {
                said.extend(self.routes.remove(&to).map(|by| RouteGone(way(to, by))));
            }
            _ => {}
        }
        said
    }

    /// An IPv4 route needs an address.
    fn leads(&self, to: usize, n: u32) -> bool {
        let has_ipv4 = self.addresses.contains(&(n, 0)) || self.addresses.contains(&(n, 1));
        self.links.get(&n).is_some_and(|(_, flags)| *flags == UP) && (to >= 2 || has_ipv4)
    }

    fn lose_routes(&mut self, n: u32, said: &mut Vec<KernelMessage>) {
        let lost = self.routes.extract_if(.., |_, (oif, _)| *oif == n);
        said.extend(lost.filter(|(to, _)| *to >= 2).map(|(to, by)| RouteGone(way(to, by))));
    }

    /// Read in three parts, as of these moments.
    fn dump([links, addresses, routes]: [&Kernel; 3]) -> Dump {
        Dump {
            links: links.links.iter().map(|(n, (name, flags))| link(*n, name, *flags)).collect(),
            addresses: addresses.addresses.iter().map(|(n, ip)| (index(*n), address(IPS[*ip], 0))).collect(),
            routes: routes.routes.iter().map(|(to, by)| way(*to, *by)).collect(),
        }
    }
}

/// Every moment of a kernel, and what it said before each.
fn history(acts: &[Act]) -> Vec<(Vec<KernelMessage>, Kernel)> {
    let mut kernel = Kernel::default();
    let mut moments = vec![(Vec::new(), kernel.clone())];
    for act in acts {
        let said = kernel.act(act);
        moments.push((said, kernel.clone()));
    }
    moments
}

/// When a dump is begun, read in three parts, and there; in order.
fn cuts(of: &[Index; 5], moments: usize) -> [usize; 5] {
    let mut cuts = of.map(|cut| cut.index(moments));
    cuts.sort_unstable();
    cuts
}

fn said(moments: &[(Vec<KernelMessage>, Kernel)]) -> Vec<KernelMessage> {
    moments.iter().flat_map(|(said, _)| said.iter().cloned()).collect()
}

fn truth(kernel: &Kernel) -> BTreeSet<String> {
    let mut teller = Teller::default();
    teller.state.remember_all_routes(true);
    teller.resynchronise(Kernel::dump([kernel; 3]), vec![]);
    teller.known()
}

proptest! {
    /// While nothing is lost a dump tells nothing of links and addresses that the messages do not.
    #[test]
    fn a_dump_among_messages_is_not_heard(
        acts in prop::collection::vec(act(), 0..60),
        at in any::<[Index; 5]>(),
    ) {
        let moments = history(&acts);
        let [begun, links, addresses, routes, there] = cuts(&at, moments.len());
        let mut teller = Teller::default();
        teller.state.remember_all_routes(true);
        teller.resynchronise(Dump::default(), vec![]);
        let mut plain = Teller::default();
        plain.resynchronise(Dump::default(), vec![]);
        said(&moments).into_iter().for_each(|message| plain.apply(message));

        said(&moments[..=begun]).into_iter().for_each(|message| teller.apply(message));
        let dump = Kernel::dump([links, addresses, routes].map(|at| &moments[at].1));
        teller.resynchronise(dump, said(&moments[begun + 1..=there]));
        prop_assert_eq!(teller.known(), truth(&moments[there].1));
        said(&moments[there + 1..]).into_iter().for_each(|message| teller.apply(message));
        prop_assert_eq!(teller.lives(), plain.lives());
    }

    /// After a start or a loss the state is true, after a second dump at the latest, and no link is
    /// added that is there.
    #[test]
    fn a_dump_makes_up_for_a_loss(
        acts in prop::collection::vec(act(), 0..60),
        at in any::<[Index; 5]>(),
        receive: Index,
    ) {
        let moments = history(&acts);
        let [begun, links, addresses, routes, there] = cuts(&at, moments.len());
        let mut teller = Teller::default();
        teller.state.remember_all_routes(true);
        let receive = receive.index(begun + 1);
        if receive > 0 {
            teller.resynchronise(Dump::default(), vec![]);
            said(&moments[..receive]).into_iter().for_each(|message| teller.apply(message));
        }
        let waited = said(&moments[begun + 1..=there]);
        let is_clean = waited.is_empty();
        let dump = Kernel::dump([links, addresses, routes].map(|at| &moments[at].1));
        let needs_resync = teller.resynchronise(dump, waited);
        if is_clean {
            prop_assert!(!needs_resync);
        } else {
            teller.resynchronise(Kernel::dump([&moments[there].1; 3]), vec![]);
        }
        prop_assert_eq!(teller.known(), truth(&moments[there].1));
        let mut present = BTreeSet::new();
        for event in &teller.events {
            match event.kind.name() {
                "link-added" => prop_assert!(present.insert(teller.names[&event.link.0].clone())),
                "link-removed" => prop_assert!(present.remove(&teller.names[&event.link.0])),
                _ => {}
            }
        }
        prop_assert_eq!(present.len(), teller.state.links().count());
    }
}
