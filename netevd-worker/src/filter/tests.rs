//! The language against a direct evaluator of its own, each fault with its place, and who decides.

use super::*;
use crate::fixtures::{address, index};
use crate::model::{
    Action as Change, DefaultNextHop, Detail, Event, EventId, EventValues, GatewayChange, LinkFacts, LinkId,
    RouteChange, Track,
};
use proptest::prelude::*;
use protocol::{Family, InterfaceName};
use std::time::SystemTime;

/// What happens, in the plainest form; the event and the link's values are made from it.
#[derive(Clone, Debug)]
struct World {
    kind: EventKind,
    old_state: Option<&'static str>,
    startup: bool,
    backend: Backend,
    /// Address of an address event, and of the family of a gateway's.
    address: &'static str,
    /// Destination, table, protocol of a route event.
    route: (&'static str, u32, u8),
    link: Option<Link>,
}

#[derive(Clone, Debug)]
struct Link {
    name: &'static str,
    mtu: u32,
    gateways: Vec<&'static str>,
    dns: usize,
    addresses: Vec<&'static str>,
}

const ADDRESSES: [&str; 4] = ["192.0.2.7", "198.51.100.1", "2001:db8::7", "2001:db9::1"];
const KINDS: [EventKind; 5] = [
    EventKind::Routable,
    EventKind::Gateway,
    EventKind::AddressAdded,
    EventKind::Routes,
    EventKind::NoCarrier,
];

impl World {
    fn event(&self) -> Event {
        let detail = match self.kind {
            EventKind::AddressAdded => Detail::Address(address(self.address, 0)),
            EventKind::Routes => Detail::Routes(vec![self.change()]),
            EventKind::Gateway => Detail::Gateway(GatewayChange {
                family: Family::of(self.address.parse().expect("an address")),
                old: None,
                new: Some(DefaultNextHop::OnLink),
            }),
            _ => Detail::None,
        };
        Event {
            id: EventId(7),
            kind: self.kind,
            track: Track::Operational,
            link: LinkId(u64::from(self.link.is_some())),
            state: "routable",
            old_state: self.old_state,
            startup: self.startup,
            time: SystemTime::UNIX_EPOCH,
            detail,
            then: EventValues::Present,
        }
    }

    fn change(&self) -> RouteChange {
        let (destination, table, protocol) = self.route;
        RouteChange {
            action: Change::Added,
            destination: destination.parse().expect("a prefix"),
            gateway: None,
            table,
            metric: 0,
            protocol,
            scope: 0,
            route_type: 1,
        }
    }

    fn facts(&self) -> Option<Arc<LinkFacts>> {
        let link = self.link.as_ref()?;
        let gateway = |v4: bool| {
            let all = link.gateways.iter().filter_map(|text| text.parse::<std::net::IpAddr>().ok());
            all.into_iter().find(|ip| ip.is_ipv4() == v4)
        };
        let v4 = |ip| if let Some(std::net::IpAddr::V4(ip)) = ip { Some(ip) } else { None };
        let v6 = |ip| if let Some(std::net::IpAddr::V6(ip)) = ip { Some(ip) } else { None };
        let mut addresses: Vec<_> = link.addresses.iter().map(|text| address(text, 0)).collect();
        // Not usable, so it counts nowhere.
        addresses.push(address("fe80::1", 0));
        Some(Arc::new(LinkFacts {
            ifindex: index(7),
            name: InterfaceName::new(link.name).expect("a name"),
            kind: None,
            state: "routable",
            administrative: None,
            operstate: "up",
            flags: 0,
            mtu: link.mtu,
            mac: None,
            addresses,
            gateway: v4(gateway(true)),
            gateway6: v6(gateway(false)),
            dns: vec![std::net::Ipv4Addr::LOCALHOST.into(); link.dns],
            domains: Vec::new(),
            manager: None,
            leases: Default::default(),
            controller: 0,
            extra: None,
            routes: Vec::new(),
        }))
    }

    /// Asks something of the subject that this world makes.
    fn ask<T>(&self, question: impl FnOnce(&Subject<'_>) -> T) -> T {
        let (event, change) = (self.event(), self.change());
        let look_up = || self.facts();
        let subject = Subject::new(&event, self.backend, &look_up);
        let of_change = subject.of_change(&change);
        question(if self.kind == EventKind::Routes { &of_change } else { &subject })
    }

    fn holds(&self, condition: &str) -> bool {
        let condition = parse(condition).unwrap_or_else(|wrong| panic!("{condition}: {wrong:?}"));
        self.ask(|subject| condition.holds(subject))
    }

    /// The values of a variable as text, by the documentation alone.
    fn values(&self, field: &str) -> Vec<String> {
        let link = self.link.as_ref();
        let of_link = |value: fn(&Link) -> String| link.map(value).into_iter().collect();
        let family = |text: &str| if text.contains(':') { "ipv6" } else { "ipv4" }.to_owned();
        let addresses = || -> Vec<String> {
            match (self.kind, link) {
                (EventKind::AddressAdded, _) => vec![self.address.to_owned()],
                (_, Some(link)) => link.addresses.iter().map(|text| (*text).to_owned()).collect(),
                (_, None) => vec![],
            }
        };
        let is_route = self.kind == EventKind::Routes;
        match field {
            "interface" => of_link(|link| link.name.to_owned()),
            "event" => vec![self.kind.name().to_owned()],
            "state" => vec!["routable".to_owned()],
            "old_state" => self.old_state.map(str::to_owned).into_iter().collect(),
            "backend" => vec![self.backend.name().to_owned()],
            "has_gateway" => vec![link.is_some_and(|link| !link.gateways.is_empty()).to_string()],
            "dns_count" => of_link(|link| link.dns.to_string()),
            "address_count" => of_link(|link| link.addresses.len().to_string()),
            "mtu" => of_link(|link| link.mtu.to_string()),
            "ip_family" if is_route => vec![family(self.route.0)],
            "ip_family" if self.kind == EventKind::Gateway => vec![family(self.address)],
            "ip_family" => addresses().iter().map(|text| family(text)).collect(),
            "gateway" => {
                link.map(|link| link.gateways.iter().map(|g| (*g).to_owned()).collect()).unwrap_or_default()
            }
            "address" => addresses(),
            "route_table" if is_route => vec![self.route.1.to_string()],
            "route_protocol" if is_route => vec![self.route.2.to_string()],
            "startup" => vec![self.startup.to_string()],
            _ => vec![],
        }
    }
}

fn world() -> impl Strategy<Value = World> {
    let some_addresses = || prop::sample::subsequence(ADDRESSES.to_vec(), 0..=3);
    let link = (
        prop::sample::select(vec!["wg0", "wg9", "eth0"]),
        0u32..4,
        any::<[bool; 2]>(),
        0usize..3,
        some_addresses(),
    );
    let link = link.prop_map(|(name, mtu, [v4, v6], dns, addresses)| {
        let mut gateways = Vec::new();
        gateways.extend(v4.then_some("192.0.2.7"));
        gateways.extend(v6.then_some("2001:db8::7"));
        Link { name, mtu: 1400 + mtu, gateways, dns, addresses }
    });
    let route = prop::sample::select(vec![
        ("10.0.0.0/8", 254, 186),
        ("2001:db8::/32", 100, 4),
        ("0.0.0.0/0", 255, 250),
    ]);
    (
        prop::sample::select(KINDS.to_vec()),
        prop::option::of(prop::sample::select(vec!["carrier", "degraded"])),
        any::<bool>(),
        prop::sample::select(Backend::IN_FORCE.to_vec()),
        prop::sample::select(ADDRESSES.to_vec()),
        route,
        prop::option::weighted(0.8, link),
    )
        .prop_map(|(kind, old_state, startup, backend, address, route, link)| World {
            kind,
            old_state,
            startup,
            backend,
            address,
            route,
            link,
        })
}

/// A condition as people think of it.
#[derive(Clone, Debug)]
enum Thought {
    Both(Box<Thought>, Box<Thought>),
    Either(Box<Thought>, Box<Thought>),
    Not(Box<Thought>),
    Parentheses(Box<Thought>),
    Switch(&'static str),
    Compare(&'static str, &'static str, Vec<&'static str>),
}

/// Variables with what they may be compared with; a name that stands for a number has it behind `=`.
const LEAVES: [(&str, &[&str], &[&str]); 13] = [
    ("interface", &["==", "!=", "in"], &["wg0", "\"wg9\"", "'eth0'"]),
    ("interface", &["~"], &["\"wg*\"", "'*'", "eth*"]),
    ("event", &["==", "!=", "in"], &["routable", "address-added", "\"routes\""]),
    ("old_state", &["==", "!=", "in"], &["carrier", "'degraded'"]),
    ("backend", &["==", "!=", "in"], &["kernel", "systemd-networkd"]),
    ("ip_family", &["==", "!=", "in"], &["ipv4", "ipv6"]),
    ("mtu", &["==", "!=", "<", "<=", ">", ">=", "in"], &["1400", "1401", "1402"]),
    ("dns_count", &["==", "!=", "<", "<=", ">", ">="], &["0", "1", "2"]),
    ("address_count", &["==", ">", "in"], &["0", "1", "2"]),
    ("gateway", &["in"], &["192.0.2.0/24", "2001:db8::7", "198.51.100.1"]),
    ("address", &["==", "!=", "in"], &["192.0.2.7", "2001:db8::7", "\"198.51.100.1\""]),
    ("route_table", &["==", "!=", "in"], &["main=254", "100", "local=255"]),
    ("route_protocol", &["==", "!=", "in"], &["bgp=186", "250", "static=4"]),
];

fn thought() -> impl Strategy<Value = Thought> {
    let compare = prop::sample::select(LEAVES.to_vec()).prop_flat_map(|(field, signs, values)| {
        (prop::sample::select(signs.to_vec()), prop::sample::subsequence(values.to_vec(), 1..=values.len()))
            .prop_map(move |(sign, mut values)| {
                values.truncate(if sign == "in" { 9 } else { 1 });
                Thought::Compare(field, sign, values)
            })
    });
    let switch = prop::sample::select(vec!["has_gateway", "startup"]).prop_map(Thought::Switch);
    prop_oneof![4 => compare, 1 => switch].prop_recursive(5, 40, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Thought::Both(Box::new(a), Box::new(b))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Thought::Either(Box::new(a), Box::new(b))),
            inner.clone().prop_map(|a| Thought::Not(Box::new(a))),
            inner.prop_map(|a| Thought::Parentheses(Box::new(a))),
        ]
    })
}

impl Thought {
    /// With no parentheses but those that are needed, and those that were thought of.
    fn written(&self, blank: &str) -> String {
        let inner = |part: &Thought, wants: fn(&Thought) -> bool| match part.written(blank) {
            text if wants(part) => format!("({text})"),
            text => text,
        };
        match self {
            Thought::Both(a, b) => {
                let wants = |part: &Thought| matches!(part, Thought::Either(..));
                format!("{}{blank}&&{blank}{}", inner(a, wants), inner(b, wants))
            }
            Thought::Either(a, b) => format!("{}{blank}||{blank}{}", a.written(blank), b.written(blank)),
            Thought::Not(a) => {
                let wants = |part: &Thought| {
                    matches!(part, Thought::Both(..) | Thought::Either(..) | Thought::Compare(..))
                };
                format!("!{blank}{}", inner(a, wants))
            }
            Thought::Parentheses(a) => format!("({blank}{}{blank})", a.written(blank)),
            Thought::Switch(field) => (*field).to_owned(),
            Thought::Compare(field, sign, values) => {
                let written: Vec<_> = values.iter().map(|v| v.split('=').next().expect("one")).collect();
                match *sign {
                    "in" => format!("{field} in{blank}[{}]", written.join(&format!("{blank},"))),
                    sign => format!("{field}{blank}{sign}{blank}{}", written[0]),
                }
            }
        }
    }

    fn is_true(&self, world: &World) -> bool {
        match self {
            Thought::Both(a, b) => a.is_true(world) & b.is_true(world),
            Thought::Either(a, b) => a.is_true(world) | b.is_true(world),
            Thought::Not(a) => !a.is_true(world),
            Thought::Parentheses(a) => a.is_true(world),
            Thought::Switch(field) => world.values(field) == ["true"],
            Thought::Compare(field, sign, wanted) => {
                let meant = |value: &str| {
                    value.rsplit('=').next().unwrap_or_default().trim_matches(['"', '\'']).to_owned()
                };
                let values = world.values(field);
                let some = |is: &dyn Fn(&str, &str) -> bool| {
                    values.iter().any(|value| wanted.iter().any(|wanted| is(value, &meant(wanted))))
                };
                let number = |text: &str| text.parse::<u32>().expect("a number");
                match *sign {
                    "==" => some(&|a, b| a == b),
                    "!=" => !some(&|a, b| a == b),
                    "in" => {
                        some(&|a, b| a == b || b.strip_suffix("0/24").is_some_and(|net| a.starts_with(net)))
                    }
                    "~" => some(&|a, b| a.starts_with(b.trim_end_matches('*'))),
                    "<" => some(&|a, b| number(a) < number(b)),
                    "<=" => some(&|a, b| number(a) <= number(b)),
                    ">" => some(&|a, b| number(a) > number(b)),
                    _ => some(&|a, b| number(a) >= number(b)),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn agrees_with_the_direct_evaluator(world in world(), thought in thought(), blank in "[ \n\t]{0,2}") {
        let text = thought.written(&blank);
        let condition = parse(&text).map_err(|wrong| TestCaseError::fail(format!("{text}: {wrong:?}")))?;
        prop_assert_eq!(world.ask(|subject| condition.holds(subject)), thought.is_true(&world), "{}", text);
        // Printed and read again it is the same, operators of equal rank aside.
        let again = parse(&condition.to_string()).map_err(|wrong| TestCaseError::fail(format!("{condition}: {wrong:?}")))?;
        prop_assert_eq!(again, condition);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        check_place(&text)?;
    }

    #[test]
    fn no_row_of_tokens_panics(tokens in prop::collection::vec(prop::sample::select(vec![
        "mtu", "interface", "address", "in", "[", "]", "(", ")", "!", "&&", "||", "&", "==", "!=", "<", "~", "\"", "'", "é",
        "1400", "wg*", "192.0.2.0/24", ",", " ", "=", "not", "\n",
    ]), 0..14)) {
        check_place(&tokens.concat())?;
        check_place(&tokens.join(" "))?;
    }
}

/// A fault lies within the text and says something.
fn check_place(text: &str) -> Result<(), TestCaseError> {
    if let Err(wrong) = parse(text) {
        prop_assert!(text.get(wrong.place.clone()).is_some(), "{:?} of {:?}", wrong, text);
        prop_assert!(!wrong.message.is_empty());
        prop_assert!(!wrong.message.contains("cannot be understood"), "{:?} of {:?}", wrong, text);
    }
    Ok(())
}

#[test]
fn faults_have_their_place() {
    // Condition, the text that is pointed at (and where), message, help.
    #[rustfmt::skip]
    let cases = [
        ("", 0, "", "expected a variable, `!` or `(`, found the end", "such as"),
        ("has_gatway", 0, "has_gatway", "unknown variable `has_gatway`", "did you mean `has_gateway`?"),
        ("mtu > 1 && colour == 2", 11, "colour", "unknown variable `colour`", "there is: interface, event"),
        ("not startup", 0, "not", "unknown variable `not`", "write `!`"),
        ("true", 0, "true", "unknown variable `true`", "begins with a variable"),
        ("mtu", 0, "mtu", "`mtu` is a number, so it has to be compared", "such as `mtu >= 1`"),
        ("startup && interface", 11, "interface", "`interface` is a text", "such as `interface =="),
        ("mtu = 1400", 4, "=", "`=` compares nothing", "write `==`"),
        ("mtu => 1400", 4, "=>", "`=>` compares nothing", "write `>=`"),
        ("mtu == \"1400\"", 7, "\"1400\"", "`mtu` is a number", "write 1400 without"),
        ("mtu == many", 7, "many", "expected a number for `mtu`, found `many`", "such as"),
        ("mtu == -1", 7, "-1", "expected a number", ""),
        ("mtu == 4294967296", 7, "4294967296", "expected a number", ""),
        ("mtu ~ \"14*\"", 4, "~", "`~` does not suit `mtu`, which is a number", "such as"),
        ("state < \"a\"", 6, "<", "`<` does not suit `state`, which is a text", "such as"),
        ("startup in [true]", 8, "in", "`in` does not suit `startup`", "`startup`, `!startup`"),
        ("startup == \"true\"", 11, "\"true\"", "expected true or false", "without quotation marks"),
        ("startup == yes", 11, "yes", "expected true or false, found `yes`", ""),
        ("event == routabel", 9, "routabel", "`event` is never `routabel`", "did you mean `routable`?"),
        ("event in [routable, \"rutes\"]", 20, "\"rutes\"", "`event` is never `rutes`", "did you mean `routes`?"),
        ("backend == auto", 11, "auto", "`backend` is never `auto`", "there is: systemd-networkd"),
        ("backend == networkd", 11, "networkd", "`backend` is never `networkd`", ""),
        ("ip_family == ipv5", 13, "ipv5", "`ip_family` is never `ipv5`", "did you mean `ipv4`?"),
        ("state == old_state", 9, "old_state", "the right side is a value", "quotation marks"),
        ("gateway == 192.0.2.300", 11, "192.0.2.300", "expected an address, found `192.0.2.300`", "such as"),
        ("gateway == 192.0.2.0/24", 11, "192.0.2.0/24", "one address is compared", "write `gateway in [192.0.2.0/24]`"),
        ("address in [192.0.2.1/24]", 12, "192.0.2.1/24", "192.0.2.1/24 is no network prefix", "write 192.0.2.0/24"),
        ("route_table > main", 14, "main", "`main` has no place in an order", "write a number"),
        ("route_protocol == 256", 18, "256", "there is no protocol 256", "255"),
        ("interface ~ \"eth[\"", 12, "\"eth[\"", "the pattern \"eth[\" opens a set", ""),
        ("interface in \"eth0\"", 13, "\"", "expected a list in brackets behind `in`", "such as"),
        ("interface in []", 13, "[", "nothing is in an empty list", ""),
        ("interface in [a, b", 13, "[", "this list is not closed", "write `]`"),
        ("interface in [a b]", 16, "b", "expected `,` or `]`, found `b`", ""),
        ("interface in [a,]", 16, "]", "expected a value, found `]`", ""),
        ("interface == [a]", 13, "[", "a list stands behind `in` alone", ""),
        ("interface ==", 12, "", "expected a value, found the end", ""),
        ("interface == \"a", 13, "\"", "this quotation mark is not closed", ""),
        ("interface == é(", 15, "(", "expected `&&`, `||` or the end, found `(`", ""),
        ("(startup", 0, "(", "this parenthesis is not closed", "write `)`"),
        ("(startup has_gateway)", 9, "has_gateway", "expected `&&`, `||` or the end", ""),
        ("startup)", 7, ")", "expected `&&`, `||` or the end, found `)`", "no `(`"),
        ("startup & has_gateway", 8, "&", "expected `&&`, `||` or the end, found `&`", "write `&&`"),
        ("startup and has_gateway", 8, "and", "expected `&&`, `||` or the end, found `and`", "write `&&`"),
        ("startup or has_gateway", 8, "or", "expected `&&`", "write `||`"),
        ("startup && ", 11, "", "expected a variable, `!` or `(`, found the end", ""),
        ("\"wg0\" == interface", 0, "\"wg0\"", "a comparison begins with a variable", ""),
        ("interface not in [a]", 10, "not", "expected a comparison, found `not`", "write `!("),
    ];
    for (condition, start, pointed, message, help) in cases {
        let wrong = parse(condition).expect_err(condition);
        assert_eq!(
            (wrong.place.start, &condition[wrong.place.clone()]),
            (start, pointed),
            "{condition}: {wrong:?}"
        );
        assert!(wrong.message.starts_with(message), "{condition}: {wrong:?}");
        assert!(wrong.help.contains(help), "{condition}: {wrong:?}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize| format!("{}startup{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(DEPTH_MAX)).is_ok());
    let wrong = parse(&nested(DEPTH_MAX + 1)).expect_err("too deep");
    assert_eq!((wrong.place.start, wrong.message.contains("more than 32 deep")), (DEPTH_MAX + 1, true));
    for (end, length) in [("", 0), ("x", 1), ("é", 2)] {
        let text = format!("{}{end}", "!".repeat(DEPTH_MAX + 1));
        let wrong = parse(&text).expect_err("too deep");
        assert_eq!(wrong.place, DEPTH_MAX + 1..DEPTH_MAX + 1 + length, "{text}");
    }
    for sign in ["(", "!", "!(", "(!"] {
        assert!(parse(&sign.repeat(LENGTH_MAX / sign.len())).is_err(), "{sign}");
    }
    let wide = "startup||".repeat(LENGTH_MAX / 9 - 1) + "startup";
    assert!(parse(&wide).is_ok());
    assert!(
        parse(&format!("{wide}{}", " ".repeat(LENGTH_MAX))).expect_err("long").message.contains("longer")
    );
}

fn routable() -> World {
    let addresses = vec!["192.0.2.7", "2001:db8::7"];
    World {
        kind: EventKind::Routable,
        old_state: None,
        startup: false,
        backend: Backend::Kernel,
        address: "192.0.2.9",
        route: ("10.0.0.0/8", 254, 186),
        link: Some(Link { name: "wg0", mtu: 1420, gateways: vec!["192.0.2.1"], dns: 1, addresses }),
    }
}

#[test]
fn ands_bind_closer_than_ors_and_nots_closest() {
    let world = routable();
    assert!(world.holds("has_gateway || startup && startup"));
    assert!(!world.holds("(has_gateway || startup) && startup"));
    assert!(world.holds("!startup && has_gateway"));
    assert!(!world.holds("!(startup || has_gateway)"));
    assert!(world.holds("!!has_gateway"));
}

#[test]
fn what_is_missing_compares_to_nothing() {
    let mut world = routable();
    for (condition, with, without) in [
        ("gateway == 192.0.2.1", true, false),
        ("gateway != 192.0.2.1", false, true),
        ("gateway != 192.0.2.2", true, true),
        ("!(gateway in [192.0.2.0/24])", false, true),
        ("mtu < 9000", true, false),
        ("mtu != 1420", false, true),
        ("interface ~ \"*\"", true, false),
        ("has_gateway", true, false),
        ("has_gateway == false", false, true),
        ("ip_family == ipv6", true, false),
        ("route_table == main", false, false),
        ("route_table != main", true, true),
    ] {
        world.link = routable().link;
        assert_eq!(world.holds(condition), with, "{condition}");
        world.link = None;
        assert_eq!(world.holds(condition), without, "{condition} of the host");
    }
}

#[test]
fn addresses_of_address_events_are_their_own() {
    let mut world = routable();
    assert!(world.holds("address == 2001:db8::7 && ip_family == ipv6 && address_count == 2"));
    world.kind = EventKind::AddressAdded;
    assert!(world.holds("address == 192.0.2.9 && ip_family != ipv6 && address_count == 2"));
    world.kind = EventKind::Gateway;
    assert!(
        world.holds("event == gateway && ip_family == ipv4 && ip_family != ipv6 && address == 2001:db8::7")
    );
    world.kind = EventKind::Routes;
    assert!(world.holds("route_table == 254 && route_protocol == bgp && ip_family != ipv6"));
}

fn filter(action: Action) -> Filter {
    Filter { action, ..Filter::default() }
}

#[test]
fn the_first_decides_and_who_logs_goes_on() {
    let world = routable();
    let judge = |list: Vec<Filter>, default_action| {
        let verdict = world.ask(|subject| Filters { list, default_action }.judge(subject));
        (verdict.selection, verdict.filters, verdict.logs)
    };
    let on =
        |name: &str, action| Filter { interface: PatternList::new([name]).expect("good"), ..filter(action) };
    assert_eq!(judge(vec![], DefaultAction::Unsaid), (ScriptSelection::All, vec![], vec![]));
    assert_eq!(judge(vec![], DefaultAction::Ignore), (ScriptSelection::Nothing, vec![1], vec![]));
    assert_eq!(
        judge(vec![filter(Action::Log)], DefaultAction::Execute),
        (ScriptSelection::All, vec![1, 2], vec![1])
    );
    let list = vec![
        filter(Action::Log),
        on("eth*", Action::Ignore),
        on("wg*", Action::Execute),
        filter(Action::Ignore),
    ];
    assert_eq!(judge(list.clone(), DefaultAction::Unsaid), (ScriptSelection::All, vec![1, 3], vec![1]));
    assert_eq!(
        judge(vec![on("!wg*", Action::Execute)], DefaultAction::Ignore),
        (ScriptSelection::Nothing, vec![2], vec![])
    );
    let only = Filter { scripts: Some(vec!["10-vpn.sh".to_owned()].into()), ..on("wg0", Action::Execute) };
    let (selection, ..) = judge([vec![only], list].concat(), DefaultAction::Unsaid);
    assert!(
        selection.permits("10-vpn.sh") && !selection.permits("20-other") && !selection.permits("10-vpn.sh~")
    );
}

#[test]
fn each_part_of_a_match_has_to_be_so() {
    let world = routable();
    let matches = |filter: Filter| world.ask(|subject| filter.matches(subject));
    let all = Filter {
        interface: PatternList::new(["wg*", "!wg9"]).expect("good"),
        events: vec![EventKind::Configured, EventKind::Routable],
        family: Some(Family::V6),
        backends: vec![Backend::Kernel],
        condition: Some(parse("mtu == 1420").expect("good")),
        ..filter(Action::Execute)
    };
    assert!(matches(all.clone()));
    let but = |change: fn(&mut Filter)| {
        let mut other = all.clone();
        change(&mut other);
        assert!(!matches(other.clone()), "{other:?}");
    };
    but(|f| f.interface = PatternList::new(["eth*"]).expect("good"));
    but(|f| f.events = vec![EventKind::Configured]);
    but(|f| f.backends = vec![Backend::Networkd, Backend::Dhclient]);
    but(|f| f.condition = Some(parse("mtu != 1420").expect("good")));
    let host = World { link: None, ..routable() };
    assert!(!host.ask(|subject| all.matches(subject)), "the host has no name");
    assert!(host.ask(|subject| filter(Action::Execute).matches(subject)));
}
