//! One look at the kernel, through the agent in the test machine.

use super::link::{Address, Link};
use super::policy::Policy;
use super::route::Route;
use super::rule::{Rule, TABLE_MAIN};
use super::wire::messages;
use crate::support::Host;
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// The agent that dumps; one for a test.
pub(crate) struct Kernel {
    agent: Child,
    pipes: RefCell<(Option<ChildStdin>, BufReader<ChildStdout>)>,
}

impl Kernel {
    pub(crate) fn new(host: &Host) -> Kernel {
        let mut command = host.command(&["/opt/netevd/netevd-test-agent", "dumps"]);
        let mut agent =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the agent starts");
        let pipes = (agent.stdin.take(), BufReader::new(agent.stdout.take().expect("piped")));
        Kernel { agent, pipes: RefCell::new(pipes) }
    }

    pub(super) fn look(&self) -> World {
        let (input, output) = &mut *self.pipes.borrow_mut();
        input.as_mut().expect("piped").write_all(b"\n").expect("the agent lives");
        let mut next = || {
            let mut line = String::new();
            output.read_line(&mut line).expect("the agent lives");
            let digits: Vec<u8> = line.trim_end().bytes().collect();
            let value = |digit: u8| (digit as char).to_digit(16).expect("a digit");
            let byte = |pair: &[u8]| u8::try_from(value(pair[0]) << 4 | value(pair[1])).expect("a byte");
            digits.chunks_exact(2).map(byte).collect::<Vec<u8>>()
        };
        let [links, addresses, rules4, rules6, routes4, routes6] = std::array::from_fn(|_| next());
        let list =
            |bytes: &[u8]| messages(bytes).into_iter().map(|(_, body)| body.to_vec()).collect::<Vec<_>>();
        let rules = [rules4, rules6].iter().flat_map(|bytes| list(bytes)).map(|b| Rule::read(&b)).collect();
        let routes =
            [routes4, routes6].iter().flat_map(|bytes| list(bytes)).map(|b| Route::read(&b)).collect();
        World {
            links: list(&links).iter().map(|body| Link::read(body)).collect(),
            addresses: list(&addresses).iter().filter_map(|body| Address::read(body)).collect(),
            rules,
            routes,
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // It ends with its input: a signal would reach nsenter alone.
        drop(self.pipes.get_mut().0.take());
        let _ = self.agent.wait();
    }
}

/// Links, addresses, rules and routes of one moment.
#[derive(Debug)]
pub(super) struct World {
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<Address>,
    pub(super) rules: Vec<Rule>,
    pub(super) routes: Vec<Route>,
}

impl World {
    /// main's routes of a family that count.
    pub(super) fn main(&self, is_v4: bool) -> impl Iterator<Item = &Route> {
        let of = move |route: &&Route| route.table == TABLE_MAIN && route.is_v4() == is_v4 && route.counts();
        self.routes.iter().filter(of)
    }

    /// Without main's routes of the protocols that the policy ignores; what stands for a default is not ignored.
    pub(super) fn without_ignored(mut self, policy: &Policy) -> World {
        self.routes.retain(|route| {
            let is_wide = route.prefix.length == 0 || route.prefix.is_default_like();
            route.table != TABLE_MAIN || is_wide || !policy.ignores(route.protocol)
        });
        self
    }

    pub(super) fn addresses_of(&self, link: u32, is_v4: bool) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |a| a.link == link && a.local.is_ipv4() == is_v4)
    }

    /// netevd's routes of a table and family, in the order of the dump.
    pub(super) fn ours(&self, table: u32, is_v4: bool) -> impl Iterator<Item = &Route> {
        let of =
            move |route: &&Route| route.table == table && route.is_v4() == is_v4 && route.protocol == 110;
        self.routes.iter().filter(of).filter(|route| !route_is_cache(route))
    }
}

fn route_is_cache(route: &Route) -> bool {
    // An exception that the kernel learnt from a redirect or a smaller mtu.
    !route.counts() && route.table != TABLE_MAIN
}
