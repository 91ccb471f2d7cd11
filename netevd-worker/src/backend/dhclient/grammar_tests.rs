use super::*;
use proptest::prelude::*;
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

/// Written by dhclient 4.4.3, but for the second lease's domain-name and routes.
const V4: &str = r#"lease {
  interface "up2";
  fixed-address 203.0.113.116;
  option subnet-mask 255.255.255.0;
  option routers 203.0.113.1;
  option dhcp-lease-time 120;
  option dhcp-message-type 5;
  option domain-name-servers 203.0.113.1,203.0.113.2;
  option dhcp-server-identifier 203.0.113.1;
  option dhcp-renewal-time 8;
  option ntp-servers 203.0.113.1;
  option broadcast-address 203.0.113.255;
  option dhcp-rebinding-time 14;
  option host-name "h2";
  option domain-name "up2.example";
  renew 1 2026/11/23 21:27:14;
  rebind 1 2026/11/23 21:27:21;
  expire 1 2026/11/23 21:29:07;
}
lease {
  interface "up2";
  fixed-address 203.0.113.117;
  filename "/pxe \"quoted\" {";
  server-name "boot";
  option interface-mtu 1400;
  option subnet-mask 255.255.254.0;
  option rfc3442-classless-static-routes 24,192,168,1,203,0,113,9,0,203,0,113,1;
  option ms-classless-static-routes 0,203,0,113,7;
  option domain-search "a.example.", "b.example.";
  option domain-name "up2.example b.example c.example";
  renew never;
  expire never;
}
"#;

/// Written by dhclient 4.4.3.
const V6: &str = r#"default-duid "\000\001\000\0012\227lG:\365\311\247\313\245";
lease6 {
  interface "nm1";
  ia-na c9:a7:cb:a5 {
    starts 1795469256;
    renew 60;
    rebind 105;
    iaaddr 2001:db8:9::1d5 {
      starts 1795469256;
      preferred-life 120;
      max-life 120;
    }
  }
  option dhcp6.client-id 0:1:0:1:32:97:6c:47:3a:f5:c9:a7:cb:a5;
  option dhcp6.server-id 0:3:0:1:76:2a:b5:b1:d5:21;
  option dhcp6.name-servers 2001:db8:9::1;
  option dhcp6.domain-search "a.example.", "b.example.";
  option dhcp6.status-code success "success";
}
"#;

fn blocks(input: &[u8]) -> (Vec<Block>, bool) {
    let mut blocks = Vec::new();
    let parsed = parse(input, |block| blocks.push(block));
    (blocks, parsed.incomplete)
}

/// The only lease of an input.
fn only(input: &str) -> Option<Lease> {
    let (mut blocks, incomplete) = blocks(input.as_bytes());
    assert!(!incomplete && blocks.len() == 1, "{input}: {blocks:?}");
    blocks.remove(0).lease
}

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().expect("an address")
}

fn at(seconds: u64) -> Option<std::time::SystemTime> {
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[test]
fn leases_of_ipv4() {
    let (blocks, incomplete) = blocks(V4.as_bytes());
    assert!(!incomplete && blocks.len() == 2);
    assert!(blocks.iter().all(|block| block.interface.as_str() == "up2" && block.family == Family::V4));
    let first = blocks[0].lease.as_ref().expect("a lease");
    let expected = Lease {
        address: ip("203.0.113.116"),
        prefix_length: Some(24),
        routers: vec![ip("203.0.113.1")],
        routes: vec![],
        dns: vec![ip("203.0.113.1"), ip("203.0.113.2")],
        domain: Some("up2.example".to_owned()),
        search: vec![],
        host_name: Some("h2".to_owned()),
        server: Some(ip("203.0.113.1")),
        mtu: None,
        ntp: vec![ip("203.0.113.1")],
        expires: at(1_795_469_347),
    };
    assert_eq!((first, first.expires), (&expected, expected.expires));

    let second = blocks[1].lease.as_ref().expect("a lease");
    let expected = Lease {
        address: ip("203.0.113.117"),
        prefix_length: Some(23),
        routers: vec![],
        routes: vec![(ip("192.168.1.0"), 24, ip("203.0.113.9")), (ip("0.0.0.0"), 0, ip("203.0.113.1"))],
        dns: vec![],
        domain: Some("up2.example".to_owned()),
        search: vec!["a.example".to_owned(), "b.example".to_owned(), "c.example".to_owned()],
        host_name: None,
        server: None,
        mtu: Some(1400),
        ntp: vec![],
        expires: None,
    };
    assert_eq!((second, second.expires), (&expected, None));
}

#[test]
fn the_gateway_is_of_the_classless_routes_where_there_are_any() {
    for (options, expected) in [
        ("option routers 192.0.2.1, 192.0.2.2;", Some("192.0.2.1")),
        ("option routers 192.0.2.1; option rfc3442-classless-static-routes 0,192,0,2,9;", Some("192.0.2.9")),
        ("option routers 192.0.2.1; option rfc3442-classless-static-routes 24,10,0,0,192,0,2,9;", None),
        ("option rfc3442-classless-static-routes 0,0,0,0,0;", None),
        ("", None),
    ] {
        let text = format!("lease {{ interface \"e\"; fixed-address 192.0.2.7; expire never; {options} }}");
        let lease = only(&text).expect("a lease");
        assert_eq!(lease.gateway(), expected.map(ip), "{options}");
    }
}

#[test]
fn leases_of_ipv6() {
    let lease = only(V6).expect("a lease");
    let expected = Lease {
        address: ip("2001:db8:9::1d5"),
        prefix_length: Some(128),
        routers: vec![],
        routes: vec![],
        dns: vec![ip("2001:db8:9::1")],
        domain: None,
        search: vec!["a.example".to_owned(), "b.example".to_owned()],
        host_name: None,
        server: None,
        mtu: None,
        ntp: vec![],
        expires: at(1_795_469_376),
    };
    assert_eq!((&lease, lease.expires), (&expected, expected.expires));
    assert_eq!(only(&V6.replace("  option dhcp6.client-id", "  released;\n  option dhcp6.client-id")), None);
    assert_eq!(only(&V6.replace("max-life 120", "max-life 0")), None, "being taken away");
    let endless = only(&V6.replace("max-life 120", "max-life 4294967295")).expect("a lease");
    assert_eq!(endless.expires, None);
}

#[test]
fn the_first_living_address_of_several() {
    let more = "ia-pd 00:00:00:02 { iaprefix 2001:db8:7::/48 { starts 1; max-life 9; } }\n\
        ia-na 00:00:00:01 { starts 1;\n\
        iaaddr 2001:db8::1 { starts 1; max-life 0; }\n\
        iaaddr 2001:db8::2 { starts 1; max-life 8; }\n\
        iaaddr 2001:db8::3 { starts 1; max-life 7; } }\n";
    let lease = only(&format!("lease6 {{ interface \"eth0\"; {more} }}")).expect("a lease");
    assert_eq!((lease.address, lease.expires), (ip("2001:db8::2"), at(9)));
}

#[test]
fn the_order_of_options_means_nothing() {
    let lease = |middle: &str| {
        only(&format!(
            "lease {{ interface \"e\"; fixed-address 192.0.2.7; {middle} expire 1 2030/01/01 00:00:00; }}"
        ))
        .expect("a lease")
    };
    let one = "option domain-name \"a b\"; option domain-search \"c\"; option unknown-249 0:1:2:3:4; \
        option rfc3442-classless-static-routes 0,4,3,2,1;";
    let mut reversed: Vec<&str> = one.split_inclusive(';').collect();
    reversed.reverse();
    assert_eq!(lease(one), lease(&reversed.concat()));
    assert_eq!(lease(one).routes, [(ip("0.0.0.0"), 0, ip("4.3.2.1"))]);
    let early = lease("option x 1; renew 1 2029/01/01 00:00:00;");
    assert_eq!(early, lease("rebind 1 2029/06/01 00:00:00; option dhcp-lease-time 5;"));
}

#[test]
fn blocks_that_are_no_lease() {
    for (input, expected) in [
        // The server's file.
        ("lease 192.0.2.7 { starts 1 2026/11/23 10:00:00; binding state active; client-hostname \"x\"; }", 0),
        ("ia-na \"\\001\\000\" { cltt 1 2026/11/23 10:00:00; iaaddr 2001:db8::1 { } }", 0),
        ("server-duid \"\\000\\001\";", 0),
        ("# lease { interface \"eth0\"; }\n", 0),
        ("alias { interface \"eth0\"; fixed-address 192.0.2.7; }", 0),
        ("pool { lease { interface \"eth0\"; fixed-address 192.0.2.7; expire never; } }", 0),
        ("lease { fixed-address 192.0.2.7; expire never; }", 0),
        ("lease { interface \"../../etc\"; fixed-address 192.0.2.7; expire never; }", 0),
        ("lease { interface \"eth0\"; }", 1),
        ("lease { interface \"eth0\"; fixed-address 192.0.2.7; }", 1),
        ("lease { interface \"eth0\"; fixed-address 192.0.2.7; expire soon; }", 1),
        ("lease { interface \"eth0\"; fixed-address example.com; expire never; }", 1),
        ("lease { interface \"eth0\"; expire never; on expiry { fixed-address 192.0.2.7; } }", 1),
        ("} ; lease { interface \"eth0\"; } }", 1),
    ] {
        let (blocks, incomplete) = blocks(input.as_bytes());
        assert!(!incomplete, "{input}");
        assert_eq!(blocks.len(), expected, "{input}");
        assert!(blocks.iter().all(|block| block.lease.is_none()), "{input}: {blocks:?}");
    }
}

#[test]
fn words_without_quotes_and_keywords_in_capitals() {
    let lease = only("LEASE{INTERFACE eth0;Fixed-Address 192.0.2.7;EXPIRE NEVER;}").expect("a lease");
    assert_eq!(lease.address, ip("192.0.2.7"));
}

#[test]
fn a_statement_that_is_not_known_is_skipped_with_its_braces() {
    let deep = "a { ".repeat(40) + "fixed-address 192.0.2.9; } " + &"} ".repeat(39);
    let input = format!(
        "lease {{ interface \"eth0\"; {deep} bootp; option foo.bar \"}}\", 1; fixed-address 192.0.2.7; \
         expire epoch 1795428000; # Mon Nov 23 10:00:00 2026\n }}"
    );
    let lease = only(&input).expect("a lease");
    assert_eq!((lease.address, lease.expires), (ip("192.0.2.7"), at(1_795_428_000)));
}

#[test]
fn names_that_are_no_text_do_not_pass_as_one() {
    let mut input =
        b"lease { interface \"eth0\"; fixed-address 192.0.2.7; expire never; option host-name \"".to_vec();
    input.extend(b"\xff\xfe\"; }");
    let (blocks, _) = blocks(&input);
    let lease = blocks[0].lease.as_ref().expect("a lease");
    assert_eq!(lease.host_name.as_deref(), Some("\u{fffd}\u{fffd}"));
}

#[test]
fn four_megabytes_of_anything_take_no_time() {
    let hostile = [
        "{".repeat(4 << 20),
        "lease{".repeat(700_000),
        "lease { a ".to_owned() + &"b,".repeat(2 << 20),
        "\"".to_owned() + &"\\0".repeat(2 << 20),
        "lease { interface \"e\"; option routers ".to_owned() + &"1.1.1.1,".repeat(500_000) + "; }",
    ];
    for input in hostile {
        parse(input.as_bytes(), |block| assert!(block.lease.is_none()));
    }
}

/// Files of several leases, good ones and others.
fn file() -> impl Strategy<Value = String> {
    let v4 = (0..4_u8, any::<[u8; 4]>(), "[a-z#{};\\\\\"]{0,9}", 1970..2200_u16).prop_map(
        |(link, address, name, year)| {
            let mut text = format!("lease {{\n  interface \"eth{link}\";\n  fixed-address ");
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            let address = std::net::Ipv4Addr::from(address);
            write!(text, "{address};\n  option host-name \"{name}\";\n  # {{\n").expect("to a string");
            text + &format!("  expire 2 {year}/01/01 00:00:00;\n}}\n")
        },
    );
    let other = prop::sample::select(vec![V6, "default-duid \"\\000}\";\n", "lease {\n}\n", "# }\n"]);
    let part = prop_oneof![v4, other.prop_map(str::to_owned)];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_survived(input in prop::collection::vec(any::<u8>(), 0..400)) {
        blocks(&input);
    }

    #[test]
    fn any_pieces_of_the_grammar_are_survived(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "lease", "lease6", " { ", "}", ";", ",", "\"", "\\", "#", "\n", " ", "interface", "eth0", "ia-na",
            "iaaddr", "2001:db8::1", "option", "routers", "192.0.2.1", "expire", "never", "epoch", "1", "starts",
            "max-life", "rfc3442-classless-static-routes", "24", "fixed-address", "released", "\u{e9}",
        ]), 0..80),
    ) {
        blocks(pieces.concat().as_bytes());
        blocks(pieces.join(" ").as_bytes());
    }

    #[test]
    fn a_prefix_of_a_file_gives_a_prefix_of_its_leases(text in file(), cut in any::<prop::sample::Index>()) {
        let (whole, incomplete) = blocks(text.as_bytes());
        prop_assert!(!incomplete);
        let length = cut.index(text.len() + 1);
        let (some, incomplete) = blocks(&text.as_bytes()[..length]);
        prop_assert_eq!(&some[..], &whole[..some.len()]);
        // Whoever is told that nothing is missing has all that began before the cut.
        let begun = text[..length].matches("interface \"").count();
        prop_assert!(incomplete || some.len() == begun, "{} of {}", some.len(), begun);
    }
}
