//! `matrix NAMESPACE...`: who is answered by whom, by ping and by TCP, on one host and in the namespaces around it.
//!
//! It serves TCP in all of them and asks from all of them at once: from each address of a namespace to each
//! address of the host; on the host (the namespace that it starts in) unbound, bound to each of its addresses and
//! bound to each of its links, to each address of everybody and of its own.
//!
//! A line on standard input is answered by one line of JSON:
//! - `before`: all pairs once; `{answered: {PAIR: SOURCE SEEN}, lookups: {...}}`.
//! - `again SECONDS PAIR[,PAIR...]`: these pairs until all are answered; the same, of these alone. A pair with
//!   ` ping` or ` tcp` behind it need not be answered by the other.
//! - `lookups ADDRESS,...`: RTM_GETROUTE for each of the host's addresses (and none) to each of these.

mod lookups;
mod ping;
mod tcp;

use nix::ifaddrs::getifaddrs;
use nix::sched::{CloneFlags, setns};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufRead;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

/// How long no further answer may come before a pair counts as not answered.
const QUIET: Duration = Duration::from_millis(700);
/// Between two questions to one pair.
const PAUSE: Duration = Duration::from_millis(200);

/// What a question is bound to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    No,
    /// With the link, for a link-local address.
    Address(SocketAddr),
    Link(String),
}

/// One question.
#[derive(Clone, Debug)]
struct Pair {
    name: String,
    namespace: String,
    bound: Bound,
    destination: SocketAddr,
}

/// An address and the link that has it.
type Owned = (SocketAddr, String);

pub(crate) fn run(namespaces: &[String]) {
    let host = "host".to_owned();
    let names: Vec<String> = std::iter::once(host).chain(namespaces.iter().cloned()).collect();
    for name in &names {
        inside(name, tcp::serve);
    }
    println!("serving");
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let answer = match line.split_once(' ').unwrap_or((&line, "")) {
            ("before", _) => {
                let pairs = pairs(&names);
                let wanted = pairs.iter().flat_map(|pair| both(&pair.name)).collect();
                json!(ask(pairs, &wanted, Patience::Quiet))
            }
            ("again", rest) => {
                let (seconds, wanted) = rest.split_once(' ').expect("again SECONDS PAIRS");
                let is_one = |name: &str| name.ends_with(" ping") || name.ends_with(" tcp");
                let each = |name: &str| if is_one(name) { vec![name.to_owned()] } else { both(name) };
                let wanted: BTreeSet<String> = wanted.split(',').flat_map(each).collect();
                let mut pairs = pairs(&names);
                pairs.retain(|pair| both(&pair.name).iter().any(|name| wanted.contains(name)));
                let end = Instant::now() + Duration::from_secs(seconds.parse().expect("SECONDS"));
                json!(ask(pairs, &wanted, Patience::Until(end)))
            }
            ("lookups", rest) => {
                let sources: Vec<IpAddr> = owned().into_iter().map(|(address, _)| address.ip()).collect();
                json!(lookups::run(&sources, rest.split(',')))
            }
            _ => panic!("{line:?} is not among before, again, lookups"),
        };
        println!("{answer}");
    }
}

/// The names of a pair's two questions.
fn both(pair: &str) -> Vec<String> {
    vec![format!("{pair} ping"), format!("{pair} tcp")]
}

/// Runs this on a thread in a namespace.
fn inside<T: Send + 'static>(namespace: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let path = format!("/run/netns/{namespace}");
    let thread = std::thread::spawn(move || {
        if path != "/run/netns/host" {
            let file = File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
            setns(file, CloneFlags::CLONE_NEWNET).unwrap_or_else(|e| panic!("{path}: {e}"));
        }
        work()
    });
    thread.join().expect("the namespace is there")
}

/// The addresses of this thread's namespace, without 127.0.0.1 and ::1. A link that is down keeps its IPv4 ones.
fn owned() -> Vec<Owned> {
    let mut list: Vec<Owned> = Vec::new();
    for entry in getifaddrs().expect("addresses") {
        let Some(address) = entry.address else { continue };
        let address = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => SocketAddr::from((v4.ip(), 0)),
            (_, Some(v6)) => SocketAddr::V6(SocketAddrV6::new(v6.ip(), 0, 0, v6.scope_id())),
            _ => continue,
        };
        if !address.ip().is_loopback() && !list.iter().any(|(known, _)| *known == address) {
            list.push((address, entry.interface_name));
        }
    }
    list
}

fn is_local(address: &SocketAddr) -> bool {
    matches!(address.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local())
}

fn pairs(names: &[String]) -> Vec<Pair> {
    let owned: Vec<(String, Vec<Owned>)> =
        names.iter().map(|name| (name.clone(), inside(name, owned))).collect();
    let (_, hosts) = &owned[0];
    let links: BTreeSet<&String> = hosts.iter().map(|(_, link)| link).filter(|link| *link != "lo").collect();
    let mut pairs = Vec::new();
    for (namespace, theirs) in &owned {
        for (destination, device) in theirs {
            let to_host = namespace == "host";
            if is_local(destination) {
                // What a link-local address is, a link says; one's own is not asked.
                let on = |link: &&&String| !to_host && namespace != "far" && link.as_str() != device;
                for link in links.iter().filter(on) {
                    let index = nix::net::if_::if_nametoindex(link.as_str()).expect("a link");
                    let IpAddr::V6(ip) = destination.ip() else { continue };
                    let destination = SocketAddr::V6(SocketAddrV6::new(ip, 0, 0, index));
                    from_host(&mut pairs, hosts, &BTreeSet::new(), destination, &format!("{ip}%{link}"));
                }
                continue;
            }
            from_host(&mut pairs, hosts, &links, *destination, &destination.ip().to_string());
            if !to_host {
                for (to, _) in hosts.iter().filter(|(to, _)| !is_local(to)) {
                    push(&mut pairs, namespace, Bound::Address(*destination), *to, &to.ip().to_string());
                }
            }
        }
    }
    pairs
}

fn from_host(
    pairs: &mut Vec<Pair>,
    hosts: &[Owned],
    links: &BTreeSet<&String>,
    destination: SocketAddr,
    name: &str,
) {
    push(pairs, "host", Bound::No, destination, name);
    for (source, _) in hosts.iter().filter(|(source, _)| !is_local(source)) {
        push(pairs, "host", Bound::Address(*source), destination, name);
    }
    for link in links {
        push(pairs, "host", Bound::Link((*link).clone()), destination, name);
    }
}

fn push(pairs: &mut Vec<Pair>, namespace: &str, bound: Bound, destination: SocketAddr, name: &str) {
    let from = match &bound {
        Bound::No => String::new(),
        Bound::Address(address) if address.is_ipv4() != destination.is_ipv4() => return,
        Bound::Address(address) => format!(" {}", address.ip()),
        Bound::Link(link) => format!(" {link}"),
    };
    let name = format!("{namespace}{from} -> {name}");
    pairs.push(Pair { name, namespace: namespace.to_owned(), bound, destination });
}

#[derive(Clone, Copy)]
enum Patience {
    /// Until nothing more is answered.
    Quiet,
    /// Until all that is wanted is answered, or this.
    Until(Instant),
}

/// Asks all pairs, each by ping and by TCP; those that were answered, with the source that was seen.
fn ask(pairs: Vec<Pair>, wanted: &BTreeSet<String>, patience: Patience) -> BTreeMap<String, String> {
    let (send, receive) = std::sync::mpsc::channel::<(String, String)>();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut by_namespace: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
    for pair in pairs {
        by_namespace.entry(pair.namespace.clone()).or_default().push(pair);
    }
    for (namespace, pairs) in by_namespace {
        let (send, stop) = (send.clone(), stop.clone());
        // Threads that a thread starts are in its namespace.
        inside(&namespace, move || {
            ping::start(&pairs, &send, &stop);
            tcp::start(pairs, &send, &stop);
        });
    }
    drop(send);
    let mut answered = BTreeMap::new();
    let mut last = Instant::now();
    while !wanted.iter().all(|name| answered.contains_key(name)) {
        let end = match patience {
            Patience::Quiet => last + QUIET,
            Patience::Until(end) => end,
        };
        match receive.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok((name, seen)) => {
                answered.insert(name, seen);
                last = Instant::now();
            }
            Err(_) => break,
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    answered
}
