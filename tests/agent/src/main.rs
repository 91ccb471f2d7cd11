//! The integration tests' hand inside a test machine: a program of several roles.
//!
//! - `record`: the interpreter of test scripts; notes what a script was given.
//! - `lookup`: asks the kernel for a route as fast as it answers, and counts the answers.
//! - `networkd`: says on the bus what the real networkd cannot be made to say.
//! - `flood`: a user of the bus who sends descriptors and very long signals.
//! - `sniff`: which echo request or reply crossed which link, and in which direction.
//! - `relay`: stands between worker and helper, and kills at the n-th request.
//! - `try`: one system call that a unit forbids or permits.
//! - `reach`: what a process of the worker's user can reach of netevd.
//! - `trespass`, `window`, `usurp`: what one process can do to another, at any time, at its start, and
//!   with a socket taken from it.
//! - `terminal`: whose terminal a script has, and whether it can type into it.
//! - `raw`, `requests`, `hold`: clients of the API: one that says anything, a steady one, bad ones.
//! - `poke`, `roundtrip`, `starts`: what the benchmark times.
//! - `routes`, `tally`: a storm of changes of routes, and a script that counts what it is told of one.
//! - `greet`, `meet`: a TCP server and its client.
//! - `matrix`: who is answered by whom, by ping and by TCP, on a host and in the namespaces around it.
//! - `dumps`: what rtnetlink says, as bytes. `advertise`: one router advertisement.
//! - `bulk`: links, addresses and routes by the thousand.
//! - `tunnel`: a point-to-point link with a carrier.
//!
//! It is a test tool: a failing step ends it with a message, which fails the test.
#![allow(clippy::expect_used, clippy::panic, reason = "a test tool that cannot go on has to say why and end")]

mod advertise;
mod attempt;
mod bulk;
mod dumps;
mod flood;
mod greet;
mod hold;
mod http;
mod lookup;
mod matrix;
mod networkd;
mod poke;
mod raw;
mod reach;
mod record;
mod relay;
mod requests;
mod roundtrip;
mod routes;
mod sniff;
mod starts;
mod sys;
mod tally;
mod terminal;
mod trespass;
mod tunnel;
mod usurp;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // A `#!` line hands over everything after the interpreter as one argument.
    let role: Vec<&str> = arguments.first().map(|first| first.split(' ').collect()).unwrap_or_default();
    match role.first().copied() {
        Some("record") => record::run(&role[1..], &arguments[1..]),
        Some("lookup") => lookup::run(&arguments[1..]),
        Some("networkd") => networkd::run(&arguments[1..]),
        Some("flood") => flood::run(&arguments[1..]),
        Some("greet") => greet::greet(&arguments[1..]),
        Some("meet") => greet::meet(&arguments[1..]),
        Some("advertise") => advertise::run(&arguments[1..]),
        Some("dumps") => dumps::run(),
        Some("matrix") => matrix::run(&arguments[1..]),
        Some("try") => attempt::run(&arguments[1..]),
        Some("raw") => raw::run(&arguments[1..]),
        Some("requests") => requests::run(&arguments[1..]),
        Some("hold") => hold::run(&arguments[1..]),
        Some("sniff") => sniff::run(),
        Some("relay") => relay::run(&arguments[1..]),
        Some("bulk") => bulk::run(&arguments[1..]),
        Some("poke") => poke::run(&arguments[1..]),
        Some("reach") => reach::run(&arguments[1..]),
        Some("roundtrip") => roundtrip::run(&arguments[1..]),
        Some("routes") => routes::run(&arguments[1..]),
        Some("tally") => tally::run(&role[1..]),
        Some("terminal") => terminal::run(),
        Some("trespass") => trespass::run(&arguments[1..]),
        Some("window") => trespass::window(&arguments[1..]),
        Some("tunnel") => tunnel::run(&arguments[1..]),
        Some("usurp") => usurp::run(&arguments[1..]),
        Some("starts") => starts::run(&arguments[1..]),
        _ => {
            eprintln!(
                "usage: netevd-test-agent record|lookup|networkd|flood|greet|meet|sniff|relay|poke|raw|reach|requests|hold|\
                 bulk|roundtrip|routes|starts|matrix|dumps|advertise|tally|terminal|trespass|try|tunnel|window|usurp ..."
            );
            std::process::exit(2);
        }
    }
}
