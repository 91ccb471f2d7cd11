#![cfg(test)]

use super::*;
use proptest::prelude::*;
use protocol::{Policy, Through};
use std::net::IpAddr;

fn read(message: &Message) -> Rule {
    Rule::read(&message.bytes).expect("legible")
}

fn rules(who: Who, behind: bool) -> Vec<Rule> {
    let prefixes = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().expect("a prefix")).to_vec();
    let policy = Policy { main_prefixes: prefixes, ..Policy::default() };
    let family = if let Who::Address(address) = who { Family::of(address) } else { Family::V4 };
    let shapes = policy.rules(family, TableId(70_000), who, behind, Through::MainFirst);
    shapes.iter().map(|shape| Rule::ours(family, shape)).collect()
}

proptest! {
    #[test]
    fn ours_reads_back_as_itself(address: IpAddr, behind: bool) {
        for rule in rules(Who::Address(address), behind) {
            let back = read(&rule.addition());
            prop_assert_eq!(&back, &rule);
            prop_assert!(back.is_ours() && back.who() == Some(Who::Address(address)));
            prop_assert_eq!(rule.deletion().bytes, rule.addition().bytes);
        }
    }
}

#[test]
fn a_mark_reads_back_as_itself() {
    let who = Who::Mark(Mark { value: 7, mask: 15 });
    for rule in rules(who, true) {
        assert_eq!(read(&rule.addition()), rule);
        assert!(rule.is_marked() && rule.who() == Some(who));
    }
}

/// `rule` as the kernel dumps it, changed.
fn with(rule: &Rule, change: impl FnOnce(&mut Object)) -> Rule {
    let mut object = rule.0.clone();
    change(&mut object);
    Rule::read(&object.bytes()).expect("legible")
}

#[test]
fn a_rule_that_asks_more_is_another_one() {
    const FRA_IIFNAME: u16 = 3;
    const FRA_IP_PROTO: u16 = 22;
    let rule = rules(Who::Address([192, 0, 2, 5].into()), false).remove(0);
    let all = |object: &mut Object| object.attributes.extend([(fra::SUPPRESS_PREFIXLEN, vec![255; 4])]);
    assert_eq!(with(&rule, all), rule, "all ones suppress nothing");
    for attribute in
        [(FRA_IIFNAME, b"eth0\0".to_vec()), (FRA_IP_PROTO, vec![6]), (fra::SUPPRESS_PREFIXLEN, vec![0; 4])]
    {
        assert_ne!(with(&rule, |object| object.attributes.extend([attribute])), rule);
    }
    assert_ne!(with(&rule, |object| object.head[2] = 24), rule);
    assert_ne!(with(&rule, |object| object.head[3] = 16), rule);
    assert_ne!(with(&rule, |object| object.head[8] = 2), rule);
}

#[test]
fn what_is_marked_and_what_precedes_as_local() {
    let local = RuleShape {
        priority: Priority(0),
        table: TableId::LOCAL,
        source: None,
        destination: None,
        mark: None,
        suppress: None,
    };
    let foreign = |shape: RuleShape| {
        with(&Rule::ours(Family::V4, &shape), |o| o.attributes.extend([(fra::PROTOCOL, vec![2])]))
    };
    let precedes = |rule: &Rule| rule.precedes_as_local(Priority(32_002));
    assert!(
        precedes(&foreign(local)) && precedes(&foreign(RuleShape { priority: Priority(32_002), ..local }))
    );
    let host = "192.0.2.5".parse().ok();
    for other in [
        RuleShape { priority: Priority(32_003), ..local },
        RuleShape { table: TableId::MAIN, ..local },
        RuleShape { source: host, ..local },
        RuleShape { destination: host, ..local },
        RuleShape { mark: Some(Mark { value: 1, mask: 1 }), ..local },
    ] {
        assert!(!precedes(&foreign(other)), "{other:?}");
    }
    assert!(!precedes(&with(&foreign(local), |object| object.head[8] = 2)), "inverted");
    let marked =
        |value, mask| Rule::ours(Family::V4, &RuleShape { mark: Some(Mark { value, mask }), ..local });
    assert!(marked(7, 15).is_marked());
    assert!(!marked(0, 15).is_marked() && !marked(7, 0).is_marked() && !foreign(local).is_marked());
    assert!(!with(&marked(7, 15), |object| object.head[8] = 2).is_marked(), "not fwmark 7");
    assert_eq!(with(&foreign(local), |object| object.head[7] = 6).table(), TableId(0), "a blackhole");
}
