//! What is permitted is exactly what would be asked for.

use super::*;
use crate::config::compile;
use proptest::prelude::*;
use regex::Regex;

fn config(text: &str) -> Config {
    let mut problems = Vec::new();
    let config = compile(&[("n.yaml".into(), text.to_owned())], &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    config
}

/// As polkit judges by the rule that is made of them.
fn is_permitted(config: &Config, unit: &str) -> bool {
    let matches = |pattern: &String, text: &str| Regex::new(pattern).expect("an expression").is_match(text);
    config.units.iter().flat_map(|rule| rule.unit_names(config)).any(|names| {
        // This engine has no reference to an earlier group: the groups are compared afterwards.
        let form = names.unit.replace(r"\1", &format!("({WHOLE})"));
        let Some(found) = Regex::new(&form).expect("an expression").captures(unit) else { return false };
        let Some(link) = names.has_link.then(|| &found[1]) else { return true };
        if found.iter().skip(2).flatten().any(|other| other.as_str() != link) {
            return false;
        }
        names.one_of.iter().all(|list| list.iter().any(|pattern| matches(pattern, link)))
            && !names.none_of.iter().any(|pattern| matches(pattern, link))
    })
}

/// What the worker asks for when this link has become routable.
fn asked(config: &Config, link: &str) -> Option<String> {
    let rule = &config.units[0];
    let is_told = config.monitors(link) && rule.is_triggered(EventKind::Routable, Some(link));
    (is_told && may_name_a_unit(link)).then(|| rule.unit.name(EventKind::Routable, link))
}

/// A name of a link, most often one that may be in a unit's name.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab0_][ab0_.+,=@~-]{0,16}", 1 => "[ab.$;'`{}\"\\\\ü -]{1,16}", 1 => Just("lo".to_owned())]
}

fn pattern() -> impl Strategy<Value = String> {
    "!?([ab0_.+=@~-]|\\*|\\?|\\[!?[]ab]?[ab0.-]\\]|\\[a-c0-9\\]|[$ü]){1,6}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn the_expressions_permit_what_the_patterns_match(
        links in proptest::collection::vec(pattern(), 0..3),
        monitored in proptest::collection::vec(pattern(), 0..2),
        name in name(),
    ) {
        let Ok(links) = PatternList::new(&links) else { return Ok(()) };
        let Ok(monitoring) = PatternList::new(&monitored) else { return Ok(()) };
        let mut config = config("units: [{on: routable, start: \"firewall@%i.service\"}]");
        config.units[0].links = links;
        config.monitoring = monitoring;
        let unit = config.units[0].unit.name(EventKind::Routable, &name);
        let is_asked_for = asked(&config, &name).is_some();
        prop_assert_eq!(is_permitted(&config, &unit), is_asked_for, "{} of {}", unit, name);
    }

    #[test]
    fn no_other_text_is_a_permitted_instance(instance in "[ab\\\\x2dc40.\\-]{1,40}") {
        let config = config("units: [{on: routable, link: \"a*\", start: \"firewall@%i.service\"}]");
        let unit = format!("firewall@{instance}.service");
        let link = unescaped(&instance);
        let is_asked_for = link.is_some_and(|link| asked(&config, &link).as_ref() == Some(&unit));
        prop_assert_eq!(is_permitted(&config, &unit), is_asked_for, "{}", unit);
    }
}

/// systemd-escape --unescape
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                (u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?, after)
            }
            (b'\\', _) => return None,
            (b'-', after) => (b'/', after),
            (other, after) => (other, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[test]
fn names_that_a_command_could_misread_are_neither_asked_for_nor_permitted() {
    let config = config("units: [{on: routable, start: \"firewall@%i.service\"}]");
    for bad in [
        "a b",
        "a;b",
        "a$b",
        "a{b",
        "a}b",
        "a\"b",
        "a'b",
        "a`b",
        "a\\b",
        "a|b",
        "a&b",
        "a(b",
        "a<b",
        "a>b",
        "a#b",
        "a%b",
        "a*b",
        "a?b",
        "a[b",
        "a!b",
        "a^b",
        "a\u{9b}b",
        "wlän0",
        "-x",
        "@x",
        ".x",
        "~x",
        "=x",
        "0123456789abcdef",
        "",
    ] {
        assert!(!may_name_a_unit(bad), "{bad:?}");
        let unit = format!("firewall@{}.service", escape(bad));
        assert!(!is_permitted(&config, &unit), "{unit}");
    }
    for good in ["eth0", "wg-home", "br0.100", "veth@x", "we+b", "_x", "0", "a,b=c~d", "0123456789abcde"] {
        assert!(may_name_a_unit(good), "{good:?}");
        assert!(is_permitted(&config, &asked(&config, good).expect("asked for")), "{good}");
    }
    // The review's: what no command line of 15 bytes could hold.
    let long = r#"x"}; table inet filter { chain input { policy accept"#;
    assert!(!is_permitted(&config, &format!("firewall@{}.service", escape(long))));
    assert!(!is_permitted(&config, "firewall@eth0.socket") && !is_permitted(&config, "firewall@.service"));
    assert!(
        !is_permitted(&config, "firewall@eth0.service\n") && !is_permitted(&config, "xfirewall@eth0.service")
    );
}

#[test]
fn a_name_has_one_reading_whatever_the_template() {
    let text =
        "units: [{on: [carrier, no-carrier], link: [\"wg*\", \"!wg9\"], start: \"a-%i%e@%i.service\"}]";
    let config = config(text);
    let unit = |kind, link| config.units[0].unit.name(kind, link);
    for kind in [EventKind::Carrier, EventKind::NoCarrier] {
        assert!(is_permitted(&config, &unit(kind, "wg0")));
        assert!(!is_permitted(&config, &unit(kind, "wg9")) && !is_permitted(&config, &unit(kind, "eth0")));
    }
    assert!(!is_permitted(&config, &unit(EventKind::Off, "wg0")));
    assert!(!is_permitted(&config, "a-wg0carrier@wg1.service"), "two links");
}

#[test]
fn a_pattern_that_no_such_name_matches_permits_nothing() {
    let config = config("units: [{on: routable, link: \"wl$*\", start: \"a@%i.service\"}]");
    assert_eq!(config.units[0].unit_names(&config), []);
    let fixed = self::config("units: [{on: routable, link: \"wl$*\", start: a.service}]");
    assert!(is_permitted(&fixed, "a.service"), "the link is in no name there");
    assert!(!is_permitted(&fixed, "b.service") && !is_permitted(&fixed, "aXservice"));
}
