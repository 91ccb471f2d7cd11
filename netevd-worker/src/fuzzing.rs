//! The bodies of the fuzz targets: each takes any bytes as what its name says, and fails where a
//! promise does not hold. `fuzz/targets` feeds them under cargo-fuzz, the tests below with the
//! corpus. No part of the program.
#![allow(clippy::expect_used, clippy::panic, reason = "a broken promise has to end the run")]

use crate::backend::{LinkReport, Report, dhclient, networkd, networkmanager};
use crate::config::{self, Problem};
use crate::dispatch::ScriptContext;
use crate::filter::{self, Subject};
use crate::kernel::{Dump, KernelMessage};
use crate::model::{Backend, Detail, Event, Facts as _, LinkFacts};
use crate::state::{Changes, Interest, Newer, SavedState, State};
use protocol::Policy;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A file of leases as dhclient writes it, down to what scripts see of it.
pub fn lease(bytes: &[u8]) {
    let leases = dhclient::fuzz::leases(bytes);
    let mut world = World::new();
    let name = world.name();
    world.report(Report::Leases(BTreeMap::from([(name, leases)])));
    world.report(Report::Leases(BTreeMap::new()));
}

/// networkd's files of a link and its description.
pub fn networkd_state(bytes: &[u8]) {
    World::new().reports(networkd::fuzz::files(bytes));
}

/// A message of the bus, as networkd's and as NetworkManager's.
pub fn dbus(bytes: &[u8]) {
    let Ok(message) = crate::sys::bus_message(bytes.to_vec()) else { return };
    let header = message.header();
    let _ = (header.path(), header.interface(), header.member(), header.sender(), header.reply_serial());
    let mut world = World::new();
    world.reports(networkd::fuzz::message(&message));
    world.reports(networkmanager::fuzz::message(&message));
}

/// Datagrams of the kernel's multicast groups: an event for each, and what scripts see of it.
pub fn netlink_events(bytes: &[u8]) {
    let mut world = World::new();
    let mut messages = Vec::new();
    crate::kernel::parse(bytes, |message| messages.push(message));
    for message in messages {
        if let KernelMessage::Rule(rule) | KernelMessage::RuleGone(rule) = &message {
            assert!(!rule.to_string().is_empty());
        }
        world.kernel(message);
    }
    world.resynchronise();
}

/// The worker's own file of what scripts have been told.
pub fn saved_state(bytes: &[u8]) {
    const PLACE: &str = "boot";
    let saved = match SavedState::parse(bytes, PLACE) {
        Ok(saved) => saved,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let mut world = World { state: State::restore(saved), ..World::new() };
    // What is restored can be saved and is the same again.
    let text = serde_json::to_vec(&world.state.save(PLACE, &[])).expect("a state is written");
    let again = SavedState::parse(&text, PLACE).expect("and read");
    assert_eq!(again, State::restore(again.clone()).save(PLACE, &[]));
    world.resynchronise();
}

/// A condition of a filter.
pub fn filter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let condition = match filter::parse(text) {
        Ok(condition) => condition,
        Err(wrong) => {
            assert!(wrong.place.start <= wrong.place.end && wrong.place.end <= text.len(), "{wrong:?}");
            assert!(text.get(wrong.place.clone()).is_some(), "{wrong:?} is within a character");
            return assert!(!wrong.message.is_empty());
        }
    };
    let written = condition.to_string();
    if written.len() <= filter::LENGTH_MAX {
        assert_eq!(filter::parse(&written), Ok(condition.clone()), "{written}");
    }
    let mut world = World::new();
    world.resynchronise();
    let link = world.facts();
    for event in &world.seen {
        let holds = |link: Option<Arc<LinkFacts>>| {
            let look_up = || link.clone();
            let subject = Subject::new(event, Backend::Kernel, &look_up);
            if let Detail::Routes(changes) = &event.detail {
                changes.iter().for_each(|change| _ = condition.holds(&subject.of_change(change)));
            }
            condition.holds(&subject)
        };
        holds(link.clone());
        holds(None);
    }
}

/// netevd.yaml and, behind a zero byte each, further files and `NAME=value` of the environment.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut texts = Vec::new();
    let mut environment = BTreeMap::new();
    for (number, part) in text.split('\0').enumerate() {
        match part.strip_prefix("NETEVD_").and_then(|rest| rest.split_once('=')) {
            Some((name, value)) => _ = environment.insert(format!("NETEVD_{name}"), value.to_owned()),
            None => texts.push((PathBuf::from(format!("{number}.yaml")), part.to_owned())),
        }
    }
    let mut problems = Vec::new();
    let config = config::compile(&texts, &mut problems);
    for problem in &problems {
        check(problem, &texts);
    }
    if problems.iter().any(Problem::is_error) {
        return;
    }
    // What the helper gets is what was written.
    let policy = config.routing.to_string();
    match policy.parse::<Policy>() {
        Ok(read) => assert_eq!(read, config.routing),
        Err(error) => assert_eq!(error.line, 0, "{error}: {policy}"),
    }
    let source = config::Source { file: "/nonexistent/netevd.yaml".into(), required: false };
    match config::load(&source, &environment) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    }
    .iter()
    .for_each(|problem| assert!(!problem.to_string().is_empty()));
}

/// What somebody asks of the API.
pub fn request(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        crate::api::server::fuzz::request(text);
    }
}

/// Every problem of a file has a place in it, and can be shown.
fn check(problem: &Problem, texts: &[(PathBuf, String)]) {
    let shown = problem.to_string();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{shown:?}");
    let config::Origin::File(path) = &problem.origin else { panic!("{shown}: of no file") };
    let text = texts.iter().find(|(known, _)| known == path).map_or("", |(_, text)| text);
    let Some(span) = problem.fault.span else { panic!("{shown}: without a place") };
    let lines = config::lines(text);
    let length = lines.get(span.line.saturating_sub(1)).map(|line| line.chars().count());
    // An end that is missing is missed behind the last line.
    let is_in_line = length.is_some_and(|length| (1..=length + 1).contains(&span.column));
    let is_at_the_end = span.line == lines.len() + 1;
    assert!(is_in_line || is_at_the_end, "{shown}: {span:?} is not in {text:?}");
}

/// A state with one link, and what became of all that it was told.
struct World {
    state: State,
    changes: Changes,
    /// Events so far.
    seen: Vec<Event>,
}

const MONITORED: fn(&str) -> bool = |_| true;

fn interest() -> Interest<'static> {
    Interest { monitors: &MONITORED, routes: true }
}

impl World {
    fn new() -> Self {
        let mut world = Self { state: State::default(), changes: Changes::default(), seen: Vec::new() };
        world.state.show_routes(true);
        world.state.remember_all_routes(true);
        world.resynchronise();
        world
    }

    fn index() -> protocol::Ifindex {
        protocol::Ifindex::try_from(2).expect("valid")
    }

    fn name(&self) -> protocol::InterfaceName {
        protocol::InterfaceName::new("eth0").expect("a name")
    }

    fn kernel(&mut self, message: KernelMessage) {
        self.state.apply(message, &interest(), &mut self.changes);
        self.scripts();
    }

    fn report(&mut self, report: Report) {
        self.state.report(report, &mut self.changes);
        self.scripts();
    }

    fn reports(&mut self, reports: Vec<LinkReport>) {
        for report in reports {
            self.report(Report::Link(report));
        }
    }

    /// The kernel has one link and nothing else, whatever was said before.
    fn resynchronise(&mut self) {
        let link = crate::kernel::Link {
            ifindex: Self::index(),
            name: Some(self.name()),
            flags: 0x1_0043,
            mtu: Some(1500),
            mac: Some("02:00:00:00:00:01".to_owned()),
            kind: None,
            operstate: Some("up"),
            controller: 0,
            extra: None,
        };
        let dump = Dump { links: vec![link], addresses: Vec::new(), routes: Vec::new() };
        self.state.resynchronise(dump, Newer::default(), &interest(), &mut self.changes);
        self.scripts();
        assert_eq!(self.state.links().count(), 1, "a dump is the whole truth");
    }

    fn facts(&self) -> Option<Arc<LinkFacts>> {
        let link = self.state.links().next()?;
        self.state.link(link.id)
    }

    /// What scripts are given for the events so far: strings that execve(2) takes, and one line of
    /// JSON, from whatever was read.
    fn scripts(&mut self) {
        let gone = std::mem::take(&mut self.changes.gone);
        for event in std::mem::take(&mut self.changes.events) {
            let last = gone.iter().find(|(id, _)| *id == event.link).map(|(_, facts)| Arc::clone(facts));
            let link = self.state.link(event.link).or(last);
            // Each backend in its turn: they differ in what they add.
            let turn = self.seen.len() % Backend::IN_FORCE.len();
            check_input(&ScriptContext {
                event: &event,
                link: link.as_deref(),
                backend: Backend::IN_FORCE[turn],
                emit_json: true,
                skipped: 0,
                truncated: false,
            });
            self.seen.push(event);
        }
    }
}

fn check_input(occasion: &ScriptContext<'_>) {
    let input = occasion.input();
    assert_eq!(input.link.is_empty(), occasion.link.is_none());
    for (name, value) in &input.environment {
        assert!(!value.contains('\0') && value.len() < 128 * 1024, "{name}={value:?}");
        // Nothing that came from outside steers a terminal or ends a line. The link's own name is the
        // kernel's word: it takes any byte that is no white space, from whom may name links.
        let is_its_name = occasion.link.is_some_and(|link| link.name.as_str() == value);
        assert!(is_its_name || !value.chars().any(char::is_control), "{name}={value:?}");
    }
    let mut names: Vec<&str> = input.environment.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a variable stands twice: {names:?}");
    let document = occasion.document().expect("a document is written");
    let text = std::str::from_utf8(&document).expect("in UTF-8");
    assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
    let read: Result<serde::de::IgnoredAny, _> = serde_json::from_str(text);
    assert!(read.is_ok(), "as JSON: {text}");
}

#[cfg(test)]
mod tests;
