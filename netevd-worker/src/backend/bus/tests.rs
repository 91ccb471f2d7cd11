//! The bus against a real dbus-daemon.

use super::private::PrivateBus;
use super::{Absence, Bus, BusEvent, BusLost, CallError, Match, Service, Signals};
use futures_util::StreamExt;
use nix::unistd::{User, getuid};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zbus::{Connection, Message};

const NAME: &str = "org.example.Manager";
const SIGNALS: &[Match] = &[Match {
    interface: "org.example.Link",
    member: Some("Changed"),
    namespace: "/org/example",
    argument: None,
}];

/// The service, owned by whoever runs the tests.
fn service() -> Service {
    let user = User::from_uid(getuid()).expect("read").expect("this user has a name");
    Service { name: NAME, user: Some(user.name.leak()), signals: SIGNALS }
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let guarded = tokio::task::LocalSet::new();
    let limited = async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("no hang") };
    guarded.block_on(&runtime, limited)
}

async fn emit(connection: &Connection, number: u32) {
    connection
        .emit_signal(None::<&str>, "/org/example/link/_31", "org.example.Link", "Changed", &number)
        .await
        .expect("sent");
}

fn number(event: BusEvent) -> u32 {
    let BusEvent::Signal(message) = event else { panic!("{event:?} is no signal") };
    message.body().deserialize().expect("a number")
}

async fn appeared(signals: &mut Signals) {
    let event = signals.next().await.expect("the bus is there");
    assert!(matches!(event, BusEvent::Appeared), "{event:?}");
}

#[test]
fn absent_then_there_then_replaced_then_gone() {
    run(async {
        let bus = PrivateBus::start();
        let (mut signals, _calls) = Bus::at(service(), &bus.address()).connect().await.expect("connected");
        let event = signals.next().await.expect("told");
        assert!(matches!(event, BusEvent::Vanished(Absence::NoOwner)), "{event:?}");
        for round in 0..2 {
            let (server, stream) = bus.service(NAME).await;
            appeared(&mut signals).await;
            assert_eq!(signals.owner(), server.unique_name().map(|name| name.as_str()));
            emit(&server, round).await;
            assert_eq!(number(signals.next().await.expect("told")), round);
            drop((server, stream));
            let event = signals.next().await.expect("told");
            assert!(matches!(event, BusEvent::Vanished(Absence::NoOwner)), "{event:?}");
            assert_eq!(signals.owner(), None);
        }
    });
}

#[test]
fn a_signal_of_somebody_else_is_ignored_and_counted() {
    run(async {
        let bus = PrivateBus::start();
        let (server, _stream) = bus.service(NAME).await;
        let (mut signals, _calls) = Bus::at(service(), &bus.address()).connect().await.expect("connected");
        appeared(&mut signals).await;
        let forger = bus.client().await;
        let us = signals.unique_name().expect("named");
        // To all: no rule lets it pass. To us: past every rule.
        emit(&forger, 1).await;
        let path = "/org/example/link/_31";
        for (interface, member) in [("org.example.Link", "Changed"), (super::BUS, "NameOwnerChanged")] {
            let body = (NAME, signals.owner().unwrap_or_default(), "");
            forger.emit_signal(Some(us.as_str()), path, interface, member, &body).await.expect("sent");
        }
        // The bus handles one connection's messages in order; this answer comes after them.
        let asked = forger.call_method(Some(super::BUS), super::BUS_PATH, Some(super::BUS), "GetId", &());
        asked.await.expect("answered");
        emit(&server, 2).await;
        assert_eq!(number(signals.next().await.expect("told")), 2);
        assert_eq!(signals.ignored(), 2);
        assert_eq!(signals.owner(), server.unique_name().map(|name| name.as_str()));
    });
}

#[test]
fn an_owner_of_another_user_is_not_believed() {
    run(async {
        let bus = PrivateBus::start();
        let (server, _stream) = bus.service(NAME).await;
        let trusted = getuid().is_root();
        let nobody = Service { user: Some("nobody"), ..service() };
        let (mut signals, _calls) = Bus::at(nobody, &bus.address()).connect().await.expect("connected");
        let event = signals.next().await.expect("told");
        match event {
            BusEvent::Appeared => assert!(trusted, "root is always believed"),
            BusEvent::Vanished(Absence::Untrusted { uid }) => {
                assert!(!trusted);
                assert_eq!(uid, getuid().as_raw());
            }
            other => panic!("{other:?}"),
        }
        drop(server);
    });
}

#[test]
fn a_burst_beyond_the_queue_arrives_whole_and_calls_go_through_meanwhile() {
    run(async {
        let bus = PrivateBus::start();
        let (server, mut requests) = bus.service(NAME).await;
        let (mut signals, calls) = Bus::at(service(), &bus.address()).connect().await.expect("connected");
        appeared(&mut signals).await;
        for sent in 0..5_000 {
            emit(&server, sent).await;
        }
        let answering = tokio::task::spawn_local(async move {
            while let Some(Ok(message)) = requests.next().await {
                if message.header().member().is_some_and(|member| member.as_str() == "Ask") {
                    server.reply(&message.header(), &"answer").await.expect("sent");
                }
            }
        });
        let answer = calls.call(NAME, "/org/example", "org.example.Link", "Ask", &()).await;
        let answer: Message = answer.expect("an answer past the burst");
        assert_eq!(answer.body().deserialize::<&str>().expect("a string"), "answer");
        for expected in 0..5_000 {
            assert_eq!(number(signals.next().await.expect("told")), expected);
        }
        answering.abort();
    });
}

#[test]
fn next_can_be_given_up_at_any_time() {
    run(async {
        let bus = PrivateBus::start();
        let (mut signals, _calls) = Bus::at(service(), &bus.address()).connect().await.expect("connected");
        assert!(matches!(signals.next().await, Ok(BusEvent::Vanished(_))));
        let (server, _stream) = bus.service(NAME).await;
        // Sent before its owner is known: not told, and no offence.
        emit(&server, 1_000).await;
        let mut told = Vec::new();
        let mut there = false;
        while told.last() != Some(&99) {
            // Most of these futures are dropped unfinished.
            let next = tokio::time::timeout(Duration::from_micros(50), signals.next()).await;
            match next {
                Ok(Ok(BusEvent::Appeared)) if !there => {
                    there = true;
                    for sent in 0..100 {
                        emit(&server, sent).await;
                    }
                }
                Ok(Ok(event)) => told.push(number(event)),
                Ok(Err(error)) => panic!("{error}"),
                Err(_) => {}
            }
        }
        // The bus may have been late with the first one.
        told.retain(|number| *number != 1_000);
        assert_eq!(told, (0..100).collect::<Vec<_>>());
        assert_eq!(signals.ignored(), 0);
    });
}

#[test]
fn a_bus_that_is_restarted_is_found_again() {
    run(async {
        let mut bus = PrivateBus::start();
        let mut way = Bus::at(service(), &bus.address());
        let (mut signals, calls) = way.connect().await.expect("connected");
        bus.kill();
        let lost = loop {
            match signals.next().await {
                Ok(_) => {}
                Err(lost) => break lost,
            }
        };
        assert!(matches!(lost, BusLost::Closed(_)), "{lost}");
        calls.closed().await;
        let answer = calls.call(NAME, "/", "org.example.Link", "Ask", &()).await;
        assert!(matches!(answer, Err(CallError::Lost(_))), "{answer:?}");
        way.lost(&lost);
        let refused = way.connect().await.map(|_| ()).expect_err("nothing listens");
        assert!(matches!(refused, BusLost::Connect(_)), "{refused}");
        bus.restart();
        let (_server, _stream) = bus.service(NAME).await;
        let (mut signals, _calls) = way.connect().await.expect("connected again");
        appeared(&mut signals).await;
    });
}

/// What is logged in this thread until the guard goes.
fn log() -> (Arc<Mutex<Vec<u8>>>, tracing::subscriber::DefaultGuard) {
    let text = Arc::<Mutex<Vec<u8>>>::default();
    let writer = tracing_subscriber::fmt().with_ansi(false).with_writer(Writer::of(&text)).finish();
    (Arc::clone(&text), tracing::subscriber::set_default(writer))
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl Writer {
    fn of(text: &Arc<Mutex<Vec<u8>>>) -> impl Fn() -> Writer + use<> {
        let text = Arc::clone(text);
        move || Writer(Arc::clone(&text))
    }
}

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("whole").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_bus_that_goes_and_comes_is_told_once_a_minute() {
    run(async {
        let (text, _guard) = log();
        let mut bus = PrivateBus::start();
        let mut way = Bus::at(service(), &bus.address());
        let mut connected = way.connect().await.expect("connected");
        for _ in 0..5 {
            bus.kill();
            connected.1.closed().await;
            let lost = BusLost::Closed("killed".to_owned());
            way.lost(&lost);
            bus.restart();
            connected = way.connect().await.expect("connected again");
        }
        let text = String::from_utf8(text.lock().expect("whole").clone()).expect("UTF-8");
        for part in ["the system bus closed the connection", "connected to the system bus again"] {
            assert_eq!(text.matches(part).count(), 1, "{text}");
        }
    });
}

#[test]
fn an_error_answer_keeps_its_name() {
    run(async {
        let bus = PrivateBus::start();
        let (_signals, calls) = Bus::at(service(), &bus.address()).connect().await.expect("connected");
        let error = calls.call(NAME, "/", "org.example.Link", "Ask", &()).await.expect_err("nobody is there");
        assert_eq!(error.name(), Some("org.freedesktop.DBus.Error.ServiceUnknown"), "{error}");
        let error = calls.call(NAME, "no path", "org.example.Link", "Ask", &()).await.expect_err("no path");
        assert!(matches!(error, CallError::Lost(_)), "{error}");
    });
}

/// How many descriptors of this process are of a file of this name.
fn open_here(name: &str) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").expect("procfs").flatten();
    links.filter_map(|fd| std::fs::read_link(fd.path()).ok()).filter(|link| link.ends_with(name)).count()
}

/// The bus has handled all that this connection sent before.
async fn settle(connection: &Connection) {
    let asked = connection.call_method(Some(super::BUS), super::BUS_PATH, Some(super::BUS), "GetId", &());
    asked.await.expect("answered");
}

#[test]
fn descriptors_of_a_stranger_do_not_arrive() {
    run(async {
        let bus = PrivateBus::start();
        let (server, _stream) = bus.service(NAME).await;
        let (mut signals, calls) = Bus::at(service(), &bus.address()).connect().await.expect("connected");
        appeared(&mut signals).await;
        let stranger = bus.client().await;
        let bait = format!("netevd-bait-{}", std::process::id());
        let file = std::fs::File::create(bus.directory().join(&bait)).expect("made");
        let (us, path) = (signals.unique_name().expect("named"), "/org/example/link/_31");
        for _ in 0..200 {
            let sixteen: Vec<_> = (0..16).map(|_| zbus::Fd::from(file.as_fd())).collect();
            let sent = stranger.emit_signal(Some(us.as_str()), path, "org.example.Link", "Changed", &sixteen);
            sent.await.expect("sent");
        }
        settle(&stranger).await;
        drop(stranger);
        // What was let in would wait here until the next look. Ours is the one that made the file.
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!(open_here(&bait) - 1, 0, "descriptors that a stranger sent are here");
        }
        emit(&server, 7).await;
        assert_eq!(number(signals.next().await.expect("the bus is there")), 7);
        assert!(!calls.is_closed());
    });
}

#[test]
fn what_a_stranger_says_takes_no_room_however_long_it_is() {
    run(async {
        let bus = PrivateBus::start();
        let (server, _stream) = bus.service(NAME).await;
        let (mut signals, calls) = Bus::at(service(), &bus.address()).connect().await.expect("connected");
        appeared(&mut signals).await;
        let stranger = bus.client().await;
        let (us, them) = (signals.unique_name().expect("named"), calls.unique_name().expect("named"));
        let path = "/org/example/link/_31";
        let before = memory();
        // Nobody takes what arrives meanwhile: 200 MB to each connection.
        let long = "x".repeat(1 << 20);
        for _ in 0..200 {
            for to in [&us, &them] {
                let sent =
                    stranger.emit_signal(Some(to.as_str()), path, "org.example.Link", "Changed", &long);
                sent.await.expect("sent");
            }
            tokio::task::yield_now().await;
        }
        settle(&stranger).await;
        emit(&server, 8).await;
        // The loop of this connection goes on for as long as it takes to read them all.
        assert_eq!(number(signals.next().await.expect("the bus is there")), 8);
        let after = memory();
        assert!(after < before + 64 * 1024, "{before} KiB, then {after} KiB");
        assert_eq!(signals.ignored(), 200);
        assert!(!calls.is_closed());
        let answer = calls.call(super::BUS, super::BUS_PATH, super::BUS, "GetId", &()).await;
        assert!(answer.is_ok(), "{answer:?}");
    });
}

/// The most that this process has had, in KiB.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
