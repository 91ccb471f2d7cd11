//! docs/protocol.md: each frame that it shows decodes to what stands beside it and is the encoding of it, and
//! each that it calls a violation is refused for the reason given.

use crate::document::{is_made, part};
use protocol::{
    Addresses, Family, Ifindex, Links, MAX_FRAME, NextHop, Prefix, Prefixes, Refusal, Reply, Request, Rules,
    SessionState, TableId, Through, VERSION, decode_reply, decode_request, encode_reply, encode_request,
    permit,
};
use std::fmt::Write as _;
use std::net::IpAddr;

const PROTOCOL: &str = "docs/protocol.md";

fn hex(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// The frames of a part's table, each with the cell beside it.
fn shown(name: &str) -> Vec<(Vec<u8>, String)> {
    let part = part(PROTOCOL, name);
    let rows = part.lines().skip(2).map(|row| {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let bytes = cells[2].split(' ').filter(|text| !text.is_empty());
        let bytes = bytes.map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")).collect();
        (bytes, cells[1].to_owned())
    });
    rows.collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

fn rules(texts: &[&'static str]) -> Rules {
    Rules::Addresses(Addresses::lists(texts.iter().copied().map(address)).remove(0))
}

fn prefixes(texts: &[&'static str]) -> Prefixes {
    Prefixes::lists(texts.iter().copied().map(prefix)).remove(0)
}

/// Each request, and each form that a field of it can have.
fn requests() -> Vec<Request> {
    let index = |number| Ifindex::try_from(number).expect("valid");
    let ifindex = index(3);
    let add = |rules, through| Request::AddRules { ifindex, rules, through };
    let default = |family, next_hop| Request::SetDefault { ifindex, family, next_hop };
    let except = |numbers: &[u32]| Links::new(numbers.iter().copied().map(index)).expect("few");
    let (v4, v6) = (Family::V4, Family::V6);
    vec![
        Request::Hello { version: VERSION },
        add(rules(&["192.0.2.3", "192.0.2.4"]), Through::Table),
        add(rules(&["2001:db8::3"]), Through::MainFirst),
        add(Rules::Mark(v4), Through::Table),
        Request::DelRules { ifindex, rules: rules(&["192.0.2.3"]) },
        Request::DelRules { ifindex, rules: Rules::Mark(v6) },
        default(v4, NextHop::Gateway(address("192.0.2.1"))),
        default(v6, NextHop::PointToPoint),
        default(v4, NextHop::Table(TableId::MAIN)),
        default(v6, NextHop::Nothing),
        Request::Copy {
            ifindex,
            except: except(&[]),
            prefixes: prefixes(&["192.0.2.0/24", "172.17.0.0/16"]),
        },
        Request::Copy { ifindex, except: except(&[2]), prefixes: prefixes(&["2001:db8::/32"]) },
        Request::Follow { ifindex, prefixes: prefixes(&["10.0.1.0/24"]) },
        Request::DelRoutes { ifindex, prefixes: prefixes(&["0.0.0.0/0"]) },
        Request::SyncBegin,
        Request::SyncEnd,
    ]
}

#[test]
fn the_requests_that_are_shown_are_frames() {
    let mut table = String::from("| request | frame |\n|---|---|\n");
    for request in requests() {
        let _ = writeln!(table, "| `{request:?}` | `{}` |", hex(&encode_request(&request)));
    }
    is_made(PROTOCOL, "requests", &table);
    for (frame, words) in shown("requests") {
        let request = decode_request(&frame).unwrap_or_else(|error| panic!("{words}: {error}"));
        assert_eq!(format!("{request:?}"), words);
        assert_eq!(encode_request(&request), frame, "{words}");
    }
}

#[test]
fn the_replies_that_are_shown_are_frames() {
    let mut table = String::from("| reply | frame | meaning |\n|---|---|---|\n");
    let plain = [
        (Reply::Ok, "done"),
        (Reply::Exists, "it was there already, and is netevd's"),
        (Reply::Absent, "there was nothing of netevd's to delete"),
        (Reply::Kernel(17), "the kernel answered this errno, here EEXIST"),
        (Reply::Busy, "the write budget is used up; ask again in a tenth of a second"),
    ];
    for (reply, meaning) in plain {
        let _ = writeln!(table, "| `{reply:?}` | `{}` | {meaning} |", hex(&encode_reply(&reply)));
    }
    for refusal in Refusal::ALL {
        let reply = Reply::Refused(refusal);
        let _ = writeln!(table, "| `{reply:?}` | `{}` | {refusal} |", hex(&encode_reply(&reply)));
    }
    is_made(PROTOCOL, "replies", &table);
    for (frame, words) in shown("replies") {
        let reply = decode_reply(&frame).unwrap_or_else(|error| panic!("{words}: {error}"));
        assert_eq!(format!("{reply:?}"), words);
        assert_eq!(encode_reply(&reply), frame, "{words}");
    }
}

#[test]
fn the_violations_that_are_shown_are_refused() {
    let ifindex = Ifindex::try_from(3).expect("valid");
    let delete = encode_request(&Request::DelRules { ifindex, rules: Rules::Mark(Family::V4) });
    let mut zero = delete.clone();
    zero[4] = 0;
    let follow = |text| encode_request(&Request::Follow { ifindex, prefixes: prefix(text).into() });
    // The length is the first byte of a prefix, in front of those of its address.
    let mut beyond = follow("192.0.2.0/24");
    let length = beyond.len() - 4;
    beyond[length] = 17;
    let mut long = follow("192.0.2.1/32");
    let length = long.len() - 5;
    long[length] = 33;
    let list = encode_request(&Request::DelRules { ifindex, rules: rules(&["192.0.2.3"]) });
    let frames: [(&str, Vec<u8>); 10] = [
        ("cut short", delete[..7].to_vec()),
        ("one byte more", [&delete[..], &[0]].concat()),
        ("no such request", vec![9, 0, 0, 0]),
        ("ifindex 0", zero),
        ("192.0.2.0/17, with bits beyond the length", beyond),
        ("a length of 33 bits", long),
        ("big-endian", vec![0, 0, 0, 7]),
        ("a list of no address", [&list[..16], &[0; 8]].concat()),
        (
            "a list that only claims to have more",
            [&list[..16], &[9, 0, 0, 0, 0, 0, 0, 0], &list[24..]].concat(),
        ),
        ("an empty frame", Vec::new()),
    ];
    let mut table = String::from("| what | frame | refused as |\n|---|---|---|\n");
    for (what, frame) in &frames {
        let error = decode_request(frame).expect_err(what);
        let _ = writeln!(table, "| {what} | `{}` | {error} |", hex(frame));
    }
    is_made(PROTOCOL, "violations", &table);
}

#[test]
fn the_states_that_are_shown_are_the_table_s() {
    let mut table = String::from("| request | Fresh | Serving | Syncing |\n|---|---|---|---|\n");
    let mut names = Vec::new();
    for request in requests() {
        if names.contains(&request.name()) {
            continue;
        }
        names.push(request.name());
        let next =
            |state| permit(state, &request).map_or("ends the helper".to_owned(), |next| format!("{next:?}"));
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            request.name(),
            next(SessionState::Fresh),
            next(SessionState::Serving),
            next(SessionState::Syncing)
        );
    }
    is_made(PROTOCOL, "states", &table);
}

/// The figures that the text gives.
#[test]
fn the_limits_that_are_said_hold() {
    let text = crate::document::text(PROTOCOL);
    assert!(text.contains(&format!("at most {MAX_FRAME} bytes")));
    assert!(text.contains(&format!("version {VERSION}")));
    let ifindex = Ifindex::try_from(3).expect("valid");
    let many = |text: &str| Addresses::lists(std::iter::repeat_n(address(text), 600)).swap_remove(0);
    let lists = [many("192.0.2.3"), many("2001:db8::3")];
    let [v4, v6] = lists.each_ref().map(|list| list.iter().count());
    assert!(text.contains(&format!("at most {v4} of IPv4, {v6} of IPv6")), "{v4} and {v6}");
    let several = |text: &str| Prefixes::lists(std::iter::repeat_n(prefix(text), 600)).swap_remove(0);
    let copied = [several("192.0.2.0/24"), several("2001:db8::1/128")];
    let [short, long] = copied.each_ref().map(|list| list.iter().count());
    assert!(
        text.contains(&format!("{short} of `192.0.2.0/24`, {long} of `2001:db8::1/128`")),
        "{short}, {long}"
    );
    let all = Links::new((1..=16).map(|number| Ifindex::try_from(number).expect("valid"))).expect("16");
    let copies = copied.map(|prefixes| Request::Copy { ifindex, except: all.clone(), prefixes });
    let through = Through::Table;
    let lists =
        lists.map(|addresses| Request::AddRules { ifindex, rules: Rules::Addresses(addresses), through });
    let frames =
        requests().into_iter().chain(lists).chain(copies).map(|request| encode_request(&request).len());
    let longest = frames.max().expect("some");
    assert!(text.contains(&format!("longest request is {longest} bytes")), "it is {longest}");
    let longest = encode_reply(&Reply::Refused(Refusal::Limit)).len();
    assert!(text.contains(&format!("longest reply {longest}")), "it is {longest}");
}
