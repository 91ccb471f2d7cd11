//! The backend against a NetworkManager of the test's own on a real dbus-daemon: what the real one
//! cannot be made to do. Both devices are the loopback link, which is everywhere.

use super::*;
use crate::backend::bus::private::PrivateBus;
use futures_util::StreamExt;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use tokio::sync::mpsc;
use zbus::{Connection, ObjectPath, Variant};

const ONE: &str = "/org/freedesktop/NetworkManager/Devices/1";
const TWO: &str = "/org/freedesktop/NetworkManager/Devices/2";

/// NetworkManager, as far as it is asked.
struct Fake {
    connection: Connection,
    /// Objects that give no answer.
    deaf: Rc<RefCell<Vec<&'static str>>>,
    /// The host's state and connectivity.
    host: Rc<Cell<(u32, u32)>>,
    task: tokio::task::JoinHandle<()>,
}

impl Fake {
    async fn start(bus: &PrivateBus) -> Self {
        let (connection, mut requests) = bus.service(NAME).await;
        let deaf: Rc<RefCell<Vec<&'static str>>> = Rc::default();
        let (server, silent) = (connection.clone(), Rc::clone(&deaf));
        let host = Rc::new(Cell::new((70, 4)));
        let state = Rc::clone(&host);
        let task = tokio::task::spawn_local(async move {
            while let Some(Ok(request)) = requests.next().await {
                let header = request.header();
                let path = header.path().map(ToString::to_string).unwrap_or_default();
                let member = header.member().map(ToString::to_string).unwrap_or_default();
                if silent.borrow().contains(&path.as_str()) {
                    continue;
                }
                let answered = match member.as_str() {
                    "GetDevices" => {
                        let devices = [ONE, TWO].map(|path| ObjectPath::try_from(path).expect("a path"));
                        server.reply(&header, &devices.to_vec()).await
                    }
                    "GetAll" => server.reply(&header, &properties(&path, state.get())).await,
                    _ => continue,
                };
                answered.expect("sent");
            }
        });
        Self { connection, deaf, host, task }
    }

    async fn change(&self, device: &str, new: u32, old: u32) {
        self.emit(device, "StateChanged", &(new, old, 39u32)).await;
    }

    async fn emit<B: serde::Serialize + zbus::DynamicType>(&self, path: &str, member: &str, body: &B) {
        self.connection.emit_signal(None::<&str>, path, DEVICE, member, body).await.expect("sent");
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn properties(path: &str, host: (u32, u32)) -> HashMap<&'static str, Variant<'static>> {
    let object = |path: String| Variant::from(ObjectPath::try_from(path).expect("a path"));
    match path {
        PATH => HashMap::from([("State", Variant::from(host.0)), ("Connectivity", Variant::from(host.1))]),
        ONE | TWO => HashMap::from([
            ("Interface", Variant::from("lo")),
            ("State", Variant::from(100u32)),
            ("DeviceType", Variant::from(32u32)),
            (
                "ActiveConnection",
                object(format!(
                    "/org/freedesktop/NetworkManager/ActiveConnection{}",
                    &path[path.len() - 2..]
                )),
            ),
        ]),
        other => HashMap::from([("Id", Variant::from(format!("connection {}", &other[other.len() - 1..])))]),
    }
}

fn service() -> Service {
    let user =
        nix::unistd::User::from_uid(nix::unistd::getuid()).expect("read").expect("this user has a name");
    Service { user: Some(user.name.leak()), ..SERVICE }
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let limited = async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("no hang") };
    tokio::task::LocalSet::new().block_on(&runtime, limited)
}

/// Starts the backend, and takes its reports as one word each.
fn follow_on(bus: &PrivateBus) -> Reports {
    let (outbox, reports) = mpsc::channel(8);
    tokio::task::spawn_local(follow(Bus::at(service(), &bus.address()), outbox));
    Reports(reports)
}

struct Reports(mpsc::Receiver<Report>);

impl Reports {
    async fn next(&mut self) -> String {
        match self.0.recv().await.expect("the backend goes on") {
            Report::Link(link) => {
                let facts = link.facts.expect("facts");
                let connection = facts.connection_id.clone().unwrap_or_default();
                format!("{} {connection}", link.administrative.map_or("facts", |word| word.name))
            }
            Report::Host(HostReport { state, connectivity }) => {
                format!("host {state} {}", connectivity.unwrap_or_default())
            }
            Report::Absent(_) => "away".to_owned(),
            Report::Synced => "synced".to_owned(),
            other => format!("{other:?}"),
        }
    }

    async fn expect(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.next().await, *expected);
        }
    }

    async fn beginning(&mut self) {
        let mut devices = [self.next().await, self.next().await];
        devices.sort();
        assert_eq!(devices, ["activated connection 1", "activated connection 2"]);
        self.expect(&["host connected-global full", "synced"]).await;
    }
}

#[test]
fn a_burst_of_two_hundred_is_told_whole_and_in_order() {
    run(async {
        let bus = PrivateBus::start();
        let fake = Fake::start(&bus).await;
        let mut reported = follow_on(&bus);
        reported.beginning().await;
        // Nobody takes reports while they come: what does not fit waits in order.
        for _ in 0..100 {
            fake.change(ONE, 30, 100).await;
            fake.change(ONE, 100, 30).await;
        }
        let mut states = Vec::new();
        while states.len() < 200 {
            let report = reported.next().await;
            if !report.starts_with("facts") {
                states.push(report);
            }
        }
        for pair in states.chunks(2) {
            assert_eq!(pair, ["disconnected connection 1", "activated connection 1"]);
        }
    });
}

#[test]
fn a_device_that_gives_no_answer_delays_itself_alone_and_not_for_long() {
    run(async {
        let bus = PrivateBus::start();
        let fake = Fake::start(&bus).await;
        let mut reported = follow_on(&bus);
        reported.beginning().await;
        fake.deaf.borrow_mut().push(ONE);
        // The first waits for a reading, the second behind it.
        fake.change(ONE, 40, 100).await;
        fake.change(ONE, 50, 40).await;
        fake.change(TWO, 40, 100).await;
        reported.expect(&["prepare connection 2", "prepare connection 1", "config connection 1"]).await;
    });
}

#[test]
fn the_host_s_state_and_its_connectivity_are_of_one_moment() {
    run(async {
        let bus = PrivateBus::start();
        let fake = Fake::start(&bus).await;
        let mut reported = follow_on(&bus);
        reported.beginning().await;
        // A portal lets one through: the state is signalled before the connectivity, and both are so by then.
        let say = async |state: u32, connectivity: u32| {
            fake.host.set((state, connectivity));
            fake.connection
                .emit_signal(None::<&str>, PATH, NAME, "StateChanged", &state)
                .await
                .expect("sent");
            let changed = HashMap::from([("Connectivity", Variant::from(connectivity))]);
            let body = (NAME, changed, Vec::<&str>::new());
            let sent =
                fake.connection.emit_signal(None::<&str>, PATH, PROPERTIES, "PropertiesChanged", &body);
            sent.await.expect("sent");
        };
        say(60, 2).await;
        reported.expect(&["host connected-site portal"]).await;
        say(70, 4).await;
        reported.expect(&["host connected-global full"]).await;
    });
}

#[test]
fn forgers_unknown_states_and_wrong_types_are_survived() {
    run(async {
        let bus = PrivateBus::start();
        let fake = Fake::start(&bus).await;
        let mut reported = follow_on(&bus);
        reported.beginning().await;
        let forger = bus.client().await;
        let body = (30u32, 100u32, 39u32);
        forger.emit_signal(None::<&str>, ONE, DEVICE, "StateChanged", &body).await.expect("sent");
        // The bus handles one connection's messages in order; this answer comes after it.
        let bus_name = Some("org.freedesktop.DBus");
        let asked = forger.call_method(bus_name, "/org/freedesktop/DBus", bus_name, "GetId", &());
        asked.await.expect("answered");
        fake.emit(ONE, "StateChanged", &"../../evil").await;
        fake.emit(ONE, "StateChanged", &(30u32, "100")).await;
        fake.change(ONE, 99, 100).await;
        fake.change(ONE, u32::MAX, 99).await;
        fake.change(ONE, 110, u32::MAX).await;
        reported.expect(&["deactivating connection 1"]).await;
    });
}

#[test]
fn absence_is_told_once_and_what_there_is_after_each_return() {
    run(async {
        let mut bus = PrivateBus::start();
        let mut reported = follow_on(&bus);
        reported.expect(&["away"]).await;
        let fake = Fake::start(&bus).await;
        reported.beginning().await;
        drop(fake);
        reported.expect(&["away"]).await;
        let fake = Fake::start(&bus).await;
        reported.beginning().await;
        bus.kill();
        reported.expect(&["away"]).await;
        drop(fake);
        bus.restart();
        let _fake = Fake::start(&bus).await;
        reported.beginning().await;
    });
}
