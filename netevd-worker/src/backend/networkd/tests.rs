//! The backend against a networkd that says what the real one cannot be made to say, on a real
//! dbus-daemon.

use super::*;
use crate::backend::bus::private::PrivateBus;
use crate::backend::{HostReport, LinkReport};
use crate::model::EventKind;
use futures_util::StreamExt;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, channel};
use zbus::wire::{OwnedObjectPath, Variant};
use zbus::{Connection, Message};

/// Operational and administrative state by link.
type Links = Rc<RefCell<BTreeMap<u32, (&'static str, &'static str)>>>;

/// A networkd of two links.
struct Fake {
    connection: Connection,
    links: Links,
    directory: PathBuf,
    serving: tokio::task::JoinHandle<()>,
}

/// The bus, and the backend that listens on it.
struct Scene {
    bus: PrivateBus,
    directory: PathBuf,
    reports: Receiver<Report>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Fake {
    async fn start(scene: &Scene) -> Self {
        let (connection, mut requests) = scene.bus.service(SERVICE.name).await;
        let links: Links = Rc::new(RefCell::new(BTreeMap::new()));
        links.borrow_mut().insert(2, ("routable", "configured"));
        links.borrow_mut().insert(10, ("off", "unmanaged"));
        let (known, answering) = (links.clone(), connection.clone());
        let serving = tokio::task::spawn_local(async move {
            while let Some(Ok(message)) = requests.next().await {
                if message.message_type() == zbus::message::Type::MethodCall {
                    answer(&answering, &known, &message).await;
                }
            }
        });
        let fake = Self { connection, links, directory: scene.directory.clone(), serving };
        fake.write(2, "routable", "configured", "DNS=192.0.2.1\nDOMAINS=a.example b.example\n");
        fake.write(10, "off", "unmanaged", "");
        fake
    }

    fn write(&self, link: u32, operational: &str, administrative: &str, more: &str) {
        let text = format!("ADMIN_STATE={administrative}\nOPER_STATE={operational}\n{more}");
        let new = self.directory.join("links/.new");
        fs::write(&new, text).expect("written");
        fs::rename(new, self.directory.join(format!("links/{link}"))).expect("renamed");
    }

    async fn signal(&self, link: u32, values: &[(&str, &str)]) {
        signal(&self.connection, link, values).await;
    }

    /// Both, in the order of the file first.
    async fn moved(&self, link: u32, operational: &str, administrative: &str) {
        self.write(link, operational, administrative, "");
        self.signal(link, &[("OperationalState", operational)]).await;
    }

    async fn stop(self) {
        self.serving.abort();
        let _ = self.connection.close().await;
    }
}

async fn answer(connection: &Connection, links: &Links, message: &Message) {
    let header = message.header();
    let path = header.path().expect("a path").as_str();
    let known = path::link_of(path).and_then(|link| links.borrow().get(&link.get()).copied());
    let member = header.member().expect("a member").as_str();
    let sent = match (member, known) {
        ("ListLinks", _) => {
            let all: Vec<_> = links.borrow().keys().copied().collect();
            let entry = |link: u32| {
                let ifindex = protocol::Ifindex::try_from(link).expect("an index");
                let path = OwnedObjectPath::try_from(path::path_of(ifindex)).expect("a path");
                (i32::try_from(link).expect("small"), format!("eth{link}"), path)
            };
            let list: Vec<(i32, String, OwnedObjectPath)> = all.into_iter().map(entry).collect();
            connection.reply(&header, &list).await
        }
        ("GetAll", None) => {
            connection
                .reply(&header, &properties(&[("OperationalState", "routable"), ("OnlineState", "online")]))
                .await
        }
        ("GetAll", Some((operational, administrative))) => {
            let list = [("OperationalState", operational), ("AdministrativeState", administrative)];
            connection.reply(&header, &properties(&list)).await
        }
        ("Describe", Some(_)) => connection.reply(&header, &r#"{"Driver":"veth","Routes":[{"x":1}]}"#).await,
        _ => connection.reply_error(&header, "org.freedesktop.DBus.Error.UnknownObject", &"no").await,
    };
    sent.expect("answered");
}

fn properties<'a>(values: &[(&'a str, &'a str)]) -> HashMap<&'a str, Variant<'a>> {
    values.iter().map(|(name, value)| (*name, Variant::from(*value))).collect()
}

async fn signal(connection: &Connection, link: u32, values: &[(&str, &str)]) {
    let path = path::path_of(protocol::Ifindex::try_from(link).expect("an index"));
    let body = (LINK, properties(values), Vec::<&str>::new());
    connection.emit_signal(None::<&str>, path, PROPERTIES, "PropertiesChanged", &body).await.expect("sent");
}

/// Runs a test beside a backend.
fn run(test: impl AsyncFnOnce(&mut Scene)) {
    let bus = PrivateBus::start();
    let directory = bus.directory().join("netif");
    fs::create_dir_all(directory.join("links")).expect("made");
    let (outbox, reports) = channel(16);
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).expect("read").expect("named");
    let service = Service { user: Some(user.name.leak()), ..SERVICE };
    let backend = run_on(Bus::at(service, &bus.address()), StateDirectory::at(directory.clone()), outbox);
    let mut scene = Scene { bus, directory, reports };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        tokio::task::spawn_local(backend);
        tokio::time::timeout(Duration::from_secs(60), test(&mut scene)).await.expect("no hang");
    });
}

impl Scene {
    async fn next(&mut self) -> Report {
        self.reports.recv().await.expect("the backend runs")
    }

    async fn next_link(&mut self) -> LinkReport {
        match self.next().await {
            Report::Link(report) => report,
            other => panic!("{other:?} is of no link"),
        }
    }

    /// The next operational word, whatever else comes.
    async fn next_word(&mut self) -> (u32, &'static str) {
        loop {
            if let Report::Link(report) = self.next().await
                && let Some(word) = report.operational
            {
                return (report.ifindex.get(), word.name);
            }
        }
    }

    async fn synced(&mut self) -> Vec<Report> {
        let mut before = Vec::new();
        loop {
            match self.next().await {
                Report::Synced => return before,
                report => before.push(report),
            }
        }
    }

    async fn away(&mut self) -> String {
        match self.next().await {
            Report::Absent(reason) => reason,
            other => panic!("{other:?} is not Away"),
        }
    }
}

#[test]
fn what_is_there_is_told_then_synced() {
    run(async |scene| {
        assert_eq!(scene.away().await, "it is not running");
        let _fake = Fake::start(scene).await;
        let before = scene.synced().await;
        let links: BTreeMap<u32, LinkReport> = before
            .iter()
            .filter_map(|report| match report {
                Report::Link(link) => Some((link.ifindex.get(), link.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(links.keys().copied().collect::<Vec<_>>(), [2, 10]);
        assert_eq!(links[&2].operational.and_then(|word| word.event), Some(EventKind::Routable));
        assert_eq!(links[&2].administrative.map(|word| word.name), Some("configured"));
        let facts = links[&2].facts.clone().expect("facts");
        assert_eq!(facts.domains, ["a.example", "b.example"]);
        assert_eq!(facts.details.get("Driver").map(String::as_str), Some("veth"));
        let host = HostReport { state: "routable", connectivity: Some("online") };
        assert!(
            before.iter().any(|report| matches!(report, Report::Host(reported) if *reported == host)),
            "{before:?}"
        );
    });
}

#[test]
fn a_burst_is_told_whole_and_in_order() {
    run(async |scene| {
        let fake = Fake::start(scene).await;
        scene.synced().await;
        let words = ["degraded", "routable", "carrier", "degraded", "off", "no-carrier"];
        // More than every queue on the way holds; the file says the last word all along.
        fake.write(2, "routable", "configured", "");
        let expected: Vec<_> = (0..1_000).map(|step| words[step % words.len()]).collect();
        let sent = expected.clone();
        let sending = tokio::task::spawn_local(async move {
            for word in sent {
                fake.signal(2, &[("OperationalState", word)]).await;
            }
            fake
        });
        for word in expected {
            assert_eq!(scene.next_word().await, (2, word));
        }
        drop(sending.await);
    });
}

#[test]
fn nobody_else_is_believed_and_no_evil_word_is_told() {
    run(async |scene| {
        let fake = Fake::start(scene).await;
        scene.synced().await;
        let forger = scene.bus.client().await;
        signal(&forger, 2, &[("OperationalState", "off")]).await;
        forger
            .call_method(Some("org.freedesktop.DBus"), "/", None::<&str>, "GetId", &())
            .await
            .expect("an answer");
        fake.signal(2, &[("OperationalState", "../../evil"), ("AdministrativeState", "configuring")]).await;
        fake.signal(2, &[("OperationalState", "routable.d/x")]).await;
        let wrong = (LINK, HashMap::from([("OperationalState", Variant::from(7u32))]), Vec::<&str>::new());
        let path = "/org/freedesktop/network1/link/_32";
        let emit = |path, body| {
            fake.connection.emit_signal(None::<&str>, path, PROPERTIES, "PropertiesChanged", body)
        };
        emit(path, &wrong).await.expect("sent");
        fake.connection
            .emit_signal(None::<&str>, path, PROPERTIES, "PropertiesChanged", &7u8)
            .await
            .expect("sent");
        emit("/org/freedesktop/network1/link/_2f", &wrong).await.expect("sent");
        let report = scene.next_link().await;
        assert_eq!(report.operational, None, "{report:?}");
        assert_eq!(report.administrative.map(|word| word.name), Some("configuring"));
        fake.moved(2, "carrier", "configuring").await;
        assert_eq!(scene.next_word().await, (2, "carrier"));
    });
}

#[test]
fn a_file_that_lags_is_waited_for() {
    run(async |scene| {
        let fake = Fake::start(scene).await;
        scene.synced().await;
        fake.signal(2, &[("OperationalState", "degraded")]).await;
        fake.write(2, "degraded", "configured", "DNS=192.0.2.9\n");
        // Word of the file can come before the signal.
        let mut dns = Vec::new();
        let report = loop {
            let report = scene.next_link().await;
            dns = report.facts.as_ref().map_or(dns, |facts| facts.dns.clone());
            if report.operational.is_some() {
                break report;
            }
        };
        assert_eq!(report.operational.map(|word| word.name), Some("degraded"));
        assert_eq!(dns, ["192.0.2.9".parse::<std::net::IpAddr>().expect("an address")]);
        fake.write(2, "degraded", "configured", "DNS=192.0.2.10\n");
        let report = scene.next_link().await;
        assert_eq!((report.operational, report.facts.expect("facts").dns.len()), (None, 1));
    });
}

#[test]
fn what_was_sent_before_the_answer_is_not_told_after_it() {
    run(async |scene| {
        scene.away().await;
        let (connection, mut requests) = scene.bus.service(SERVICE.name).await;
        let links: Links = Rc::new(RefCell::new(BTreeMap::from([(2, ("routable", "configured"))])));
        let server = connection.clone();
        tokio::task::spawn_local(async move {
            let mut sent = false;
            while let Some(Ok(message)) = requests.next().await {
                let is_state =
                    message.header().path().is_some_and(|path| path::link_of(path.as_str()).is_some());
                if is_state && !std::mem::replace(&mut sent, true) {
                    signal(&server, 2, &[("OperationalState", "degraded")]).await;
                    answer(&server, &links, &message).await;
                    signal(&server, 2, &[("OperationalState", "carrier")]).await;
                } else if message.message_type() == zbus::message::Type::MethodCall {
                    answer(&server, &links, &message).await;
                }
            }
        });
        assert_eq!(scene.next_word().await, (2, "routable"));
        assert_eq!(scene.next_word().await, (2, "carrier"));
    });
}

#[test]
fn a_restart_and_a_lost_bus_are_survived() {
    run(async |scene| {
        let fake = Fake::start(scene).await;
        scene.synced().await;
        fake.stop().await;
        assert_eq!(scene.away().await, "it is not running");
        let fake = Fake::start(scene).await;
        scene.synced().await;
        scene.bus.kill();
        assert!(scene.away().await.contains("closed the connection"));
        drop(fake);
        scene.bus.restart();
        let fake = Fake::start(scene).await;
        // Told once, however many attempts it took.
        assert!(scene.synced().await.iter().all(|report| !matches!(report, Report::Absent(_))));
        fake.moved(2, "carrier", "configured").await;
        assert_eq!(scene.next_word().await, (2, "carrier"));
    });
}

#[test]
fn a_new_link_and_one_that_goes() {
    run(async |scene| {
        let fake = Fake::start(scene).await;
        scene.synced().await;
        fake.links.borrow_mut().insert(11, ("off", "initialized"));
        fake.write(11, "off", "initialized", "");
        fake.signal(11, &[("OperationalState", "off")]).await;
        let report = scene.next_link().await;
        assert_eq!(report.ifindex.get(), 11);
        assert_eq!(report.facts.expect("facts").details.get("Driver").map(String::as_str), Some("veth"));
        fake.links.borrow_mut().remove(&11);
        fs::remove_file(fake.directory.join("links/11")).expect("removed");
        fake.signal(11, &[("AdministrativeState", "linger")]).await;
        let report = scene.next_link().await;
        assert_eq!(report.administrative.map(|word| word.name), Some("linger"));
    });
}
