#![cfg(test)]

use super::*;
use nix::libc::{RTN_BROADCAST, RTN_UNICAST};
use protocol::{InterfaceName, PatternList};

const IFINDEX: u32 = 3;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn own(ifindex: u32, text: &str, usable: bool) -> Address {
    let (address, length) = text.split_once('/').expect("with a length");
    let address = self::address(address);
    let subnet = Prefix::containing(address, length.parse().expect("a number")).expect("a prefix");
    Address { ifindex, address, subnet, usable }
}

fn view(policy: Policy) -> View {
    let link = |name: &str, flags| Link { names: vec![name.into()], flags, enslaved: false };
    let links = [
        (1, link("lo", IFF_UP | IFF_LOOPBACK)),
        (3, link("eth1", IFF_UP)),
        (4, link("eth0", IFF_UP)),
        (5, link("down", 0)),
    ];
    let policy =
        Policy { interfaces: PatternList::new(["eth1", "lo", "wan*", "!*9"]).expect("good"), ..policy };
    View {
        policy: Rc::new(policy),
        family: Family::V4,
        ifindex: IFINDEX,
        table: TableId(203),
        links: links.into_iter().collect(),
        addresses: vec![own(3, "192.0.2.5/24", true), own(4, "198.51.100.5/24", true)],
        ours: Vec::new(),
        others: Vec::new(),
    }
}

fn route(to: &str, oif: u32, via: Option<&str>, onlink: bool) -> Route {
    let hop = Hop::by(oif, via.map(address), onlink);
    let mut bytes =
        Route::ours(TableId::MAIN, to.parse().expect("a prefix"), RTN_UNICAST, Some(hop)).addition(0).bytes;
    bytes[5] = 2;
    Route::read(&bytes, &|_| true).expect("legible").expect("a route")
}

#[test]
fn interfaces_that_are_served() {
    let mut view = view(Policy::default());
    let of = |view: &View, index: u32| view.link(Ifindex::try_from(index).expect("valid")).map(|_| ());
    assert_eq!(of(&view, 3), Ok(()));
    assert_eq!(
        [of(&view, 1), of(&view, 4), of(&view, 7)],
        [Err(Refusal::Loopback), Err(Refusal::NotListed), Err(Refusal::NoInterface)]
    );
    let names = &mut view.links.get_mut(&4).expect("eth0").names;
    names.push(b"wan\xff".to_vec());
    assert_eq!(of(&view, 4), Ok(()));
    view.links.get_mut(&4).expect("eth0").names.push(b"x9".to_vec());
    assert_eq!(of(&view, 4), Err(Refusal::NotListed));
    view.links.get_mut(&3).expect("eth1").enslaved = true;
    assert_eq!(of(&view, 3), Err(Refusal::Enslaved));
}

#[test]
fn sources() {
    let mut view = view(Policy::default());
    let ifindex = Ifindex::try_from(IFINDEX).expect("valid");
    let of = |view: &View, text: &str| view.source(ifindex, address(text));
    assert_eq!(of(&view, "192.0.2.5"), Ok(()));
    assert_eq!(of(&view, "198.51.100.5"), Err(Refusal::AddressAbsent));
    assert_eq!(of(&view, "127.0.0.1"), Err(Refusal::AddressUnusable));
    view.addresses.push(own(3, "192.0.2.6/24", false));
    assert_eq!(of(&view, "192.0.2.6"), Err(Refusal::AddressUnusable));
    view.addresses.push(own(3, "192.0.2.6/32", true));
    assert_eq!(of(&view, "192.0.2.6"), Ok(()), "there twice, once usable");
    for (other, verdict) in [(1, Ok(())), (5, Ok(())), (4, Err(Refusal::AddressShared))] {
        view.addresses.push(own(other, "192.0.2.5/32", false));
        assert_eq!(of(&view, "192.0.2.5"), verdict, "also on {other}");
    }
    let policy = Policy { shared: [address("192.0.2.5")].into(), ..(*view.policy).clone() };
    view.policy = Rc::new(policy);
    assert_eq!(of(&view, "192.0.2.5"), Ok(()));
}

#[test]
fn gateways() {
    let view_of = |names: &[&str], gateway_check| {
        let names = names.iter().map(|text| text.parse().expect("a gateway")).collect();
        let gateways = [(InterfaceName::new("eth1").expect("a name"), names)].into();
        view(Policy { gateways, gateway_check, ..Policy::default() })
    };
    let plain = view_of(&[], GatewayCheck::Known);
    let net = route("192.0.2.0/24", 3, None, false);
    let by = [net.clone(), route("0.0.0.0/0", 3, Some("192.0.2.1"), false)];
    let check =
        |view: &View, text: &str, local: &[Route], by: &[Route]| view.gateway(address(text), local, by);
    assert_eq!(check(&plain, "192.0.2.1", &[], &by), Ok(false));
    for (text, refusal) in [
        ("224.0.0.1", Refusal::GatewayNotUnicast),
        ("192.0.2.5", Refusal::GatewayOwn),
        ("198.51.100.5", Refusal::GatewayOwn),
        ("203.0.113.1", Refusal::GatewayOffLink),
        ("192.0.2.2", Refusal::GatewayUnknown),
    ] {
        assert_eq!(check(&plain, text, &[], &by), Err(refusal), "{text}");
    }
    // Table local leads there: an own address, or the subnet's broadcast address.
    let mut local = route("192.0.2.1/32", 3, None, false).addition(0).bytes;
    for (kind, refusal) in [(RTN_LOCAL, Refusal::GatewayOwn), (RTN_BROADCAST, Refusal::GatewayNotUnicast)] {
        local[7] = kind;
        let local = Route::read(&local, &|_| true).expect("legible").expect("a route");
        assert_eq!(check(&plain, "192.0.2.1", &[local], &by), Err(refusal));
    }
    // The best way there counts: by a router it is not on-link, by a default or a half neither.
    let behind = [by[0].clone(), by[1].clone(), route("192.0.2.0/25", 3, Some("192.0.2.200"), false)];
    assert_eq!(check(&plain, "192.0.2.1", &[], &behind), Err(Refusal::GatewayOffLink));
    let half = [route("128.0.0.0/1", 3, None, false), by[1].clone()];
    assert_eq!(check(&plain, "192.0.2.1", &[], &half), Err(Refusal::GatewayOffLink));
    // On trust, if the kernel has it so.
    let trust = [route("0.0.0.0/0", 3, Some("203.0.113.1"), true)];
    assert_eq!(check(&plain, "203.0.113.1", &[], &trust), Ok(true));
    // By the policy's word.
    assert_eq!(check(&view_of(&["192.0.2.2"], GatewayCheck::Known), "192.0.2.2", &[], &by), Ok(false));
    assert_eq!(check(&view_of(&["first"], GatewayCheck::Known), "192.0.2.1", &[], &by[..1]), Ok(false));
    assert_eq!(
        check(&view_of(&["first"], GatewayCheck::Known), "192.0.2.2", &[], &by),
        Err(Refusal::GatewayUnknown)
    );
    assert_eq!(check(&view_of(&[], GatewayCheck::OnLink), "192.0.2.2", &[], &by), Ok(false));
}

#[test]
fn no_gateway_is_needed_on_a_point_to_point_link_or_where_another_default_has_none() {
    let mut view = view(Policy::default());
    assert_eq!(view.no_gateway(&[]), Err(Refusal::NotPointToPoint));
    assert_eq!(view.no_gateway(&[route("0.0.0.0/0", 3, None, false)]), Ok(()));
    assert_eq!(view.no_gateway(&[route("0.0.0.0/0", 4, None, false)]), Err(Refusal::NotPointToPoint));
    assert_eq!(view.no_gateway(&[route("192.0.2.0/24", 3, None, false)]), Err(Refusal::NotPointToPoint));
    view.links.get_mut(&3).expect("eth1").flags |= IFF_POINTOPOINT;
    assert_eq!(view.no_gateway(&[]), Ok(()));
}

fn address_message(scope: u8, attributes: &[(u16, Vec<u8>)]) -> Option<Address> {
    let head = vec![2, 24, 0x80, scope, 3, 0, 0, 0];
    let object = Object { head, attributes: attributes.iter().cloned().collect() };
    Address::read(&object.bytes()).expect("legible")
}

#[test]
fn a_peer_s_subnet_is_the_peer_s_and_flags_say_what_is_usable() {
    let own = vec![10, 0, 0, 1];
    let both =
        address_message(0, &[(IFA_ADDRESS, vec![10, 9, 0, 2]), (IFA_LOCAL, own.clone())]).expect("one");
    assert_eq!((both.address, both.subnet), (address("10.0.0.1"), "10.9.0.0/24".parse().expect("a prefix")));
    let alone = address_message(0, &[(IFA_ADDRESS, own.clone())]).expect("one");
    assert_eq!((alone.subnet, alone.usable), ("10.0.0.0/24".parse().expect("a prefix"), true));
    assert_eq!(address_message(0, &[]), None);
    let usable = |scope, flags: u32| {
        let flags = (IFA_FLAGS, flags.to_ne_bytes().to_vec());
        address_message(scope, &[(IFA_ADDRESS, own.clone()), flags]).expect("one").usable
    };
    assert!(usable(0, 0x80) && !usable(0, IFA_F_TENTATIVE) && !usable(0, IFA_F_DADFAILED | 0x80));
    assert!(!usable(253, 0x80) && !usable(200, 0x80));
}

#[test]
fn a_link_has_its_name_and_its_alternative_names() {
    let name = |kind: u16, name: &[u8]| Object::default().with(kind, [name, &[0]].concat()).bytes();
    let names = [name(IFLA_ALT_IFNAME, b"one"), name(IFLA_ALT_IFNAME, b"t\xffo")].concat();
    let head = [vec![0; 4], vec![7, 0, 0, 0], vec![0x11, 0, 0, 0], vec![0; 4]].concat();
    let object = Object { head, ..Object::default() };
    let object =
        object.with(IFLA_IFNAME, *b"eth1\0").with(IFLA_PROP_LIST, names).with(IFLA_MASTER, [9, 0, 0, 0]);
    let (index, link) = Link::read(&object.bytes()).expect("legible");
    assert_eq!((index, link.enslaved, link.flags), (7, true, IFF_UP | IFF_POINTOPOINT));
    assert_eq!(link.names, [&b"eth1"[..], b"one", b"t\xffo"]);
    assert!(Link::read(&[0; 16]).is_err(), "no name");
}
