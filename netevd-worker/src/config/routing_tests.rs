//! Values of `routing:`, good and bad.

use super::*;
use crate::config::yaml::parse;

fn node(text: &str) -> Node {
    parse(text).0.expect("a document")
}

#[test]
fn gateways_are_unicast_or_the_first() {
    let mut faults = Vec::new();
    assert_eq!(gateways(&node("192.0.2.1"), &mut faults).map(|g| g.len()), Some(1));
    assert_eq!(gateways(&node("[192.0.2.1, first, 'fe80::1']"), &mut faults).map(|g| g.len()), Some(3));
    assert_eq!(gateways(&node("first"), &mut faults), Some(vec![GatewayName::First]));
    assert!(faults.is_empty());
    for text in [
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "0.1.2.3",
        "'::'",
        "'::1'",
        "'ff02::1'",
        "'::ffff:192.0.2.1'",
        "192.0.2.1/24",
        "fe80::1%eth0",
        "gateway",
        "First",
        "[]",
        "[192.0.2.1, 192.0.2.1]",
        "[first, first]",
        "~",
    ] {
        let mut faults = Vec::new();
        assert_eq!(gateways(&node(text), &mut faults), None, "{text}");
        assert_eq!(faults.len(), 1, "{text}");
    }
}

#[test]
fn marks_are_a_value_within_a_mask() {
    for (text, value, mask) in [
        ("0x650000/0xff0000", 0x65_0000, 0xff_0000),
        ("7/255", 7, 255),
        ("0x1/0xffffffff", 1, u32::MAX),
        ("'1/1'", 1, 1),
    ] {
        assert_eq!(mark(&node(text)), Ok(Mark { value, mask }), "{text}");
    }
    for (text, message, help) in [
        ("0x650000", "expected a mark and its mask, found `0x650000`", "write 0x650000/0xffffffff"),
        ("0/0xff", "the mark 0 is that of packets", ""),
        ("0x100/0xff", "the mark 0x100 has bits outside", "write 0x100/0x1ff"),
        ("0x1/0x1ffffffff", "expected a mark", ""),
        ("0x+1/0x1", "expected a mark", ""),
        ("+1/1", "expected a mark", ""),
        ("1/", "expected a mark", ""),
        ("[1]", "expected a mark and its mask, found a list", ""),
        ("~", "expected a mark and its mask, found nothing", ""),
    ] {
        let fault = mark(&node(text)).expect_err(text);
        assert!(fault.message.starts_with(message) && fault.help.contains(help), "{text}: {fault:?}");
    }
    let mark = |value, mask| Mark { value, mask };
    assert!(may_both_hold(mark(1, 0xff), mark(0x101, 0xf0f)), "0x101 is both");
    assert!(!may_both_hold(mark(1, 0xff), mark(2, 0xf)));
    assert!(may_both_hold(mark(1, 0xf), mark(0x10, 0xf0)), "0x11 is both");
}

#[test]
fn protocols_go_by_name_or_number() {
    for (text, number) in [("bird", 12), ("zebra", 11), ("186", 186), ("bgp", 186), ("80", 80), ("'80'", 80)]
    {
        assert_eq!(route_protocol_number(&node(text)), Ok(number), "{text}");
    }
    for text in ["kernel", "2", "netevd", "110", "256", "-1", "Bird", "ospf6", "~", "[]"] {
        assert!(route_protocol_number(&node(text)).is_err(), "{text}");
    }
    let help = route_protocol_number(&node("brid")).expect_err("a typing mistake").help;
    assert_eq!(help, "did you mean `bird`?");
}
