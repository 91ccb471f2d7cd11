//! A networkd that says what it is told to, owned by root on the real bus of a machine. It answers
//! what netevd and networkctl ask of one link, and puts a time to each signal.

use crate::support::{Host, wait_for};
use futures_util::StreamExt;
use nix::time::{ClockId, clock_gettime};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::wire::{OwnedObjectPath, Variant};
use zbus::{Connection, Message, MessageStream};

/// The link that it knows; the kernel has it with this index.
pub(crate) const LINK: &str = "tst0";
pub(crate) const INDEX: u32 = 50;
/// `/link/50`: the first digit of an object's name is escaped.
const PATH: &str = "/org/freedesktop/network1/link/_350";
const NAME: &str = "org.freedesktop.network1";
const STATE_FILE: &str = "/run/systemd/netif/links/50";
/// Its state at the beginning, which is none of those that are signalled.
const FIRST: &str = "carrier";
/// What root has to be permitted on this bus: the packages permit it to systemd-network alone.
const POLICY: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><policy user="root"><allow own="org.freedesktop.network1"/></policy></busconfig>
"#;

/// The fake; it leaves the bus with this value.
pub(crate) struct Network1 {
    words: Option<UnboundedSender<&'static str>>,
    times: Receiver<i64>,
    described: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Network1 {
    /// Appears on the bus of a machine that has one, with its link and its state file.
    pub(crate) fn start(host: &Host) -> Network1 {
        host.veth(LINK, INDEX);
        write_state(host, FIRST);
        host.write("/etc/dbus-1/system.d/bench.conf", POLICY, 0o644);
        let bus = "org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus";
        host.sh(&format!("busctl --no-pager call {bus} ReloadConfig"));
        let address = format!("unix:path={}", host.path("/run/dbus/system_bus_socket").display());
        let (words, inbox) = unbounded_channel();
        let (outbox, times) = channel();
        let described = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = channel();
        let known = described.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connection = Builder::address(address.as_str()).build().await.expect("the bus answers");
                let requests = MessageStream::from(&connection);
                connection.request_name(NAME).await.expect("the name is free, and permitted to root");
                ready.send(()).unwrap();
                serve(&connection, requests, inbox, &outbox, &known).await;
            });
        });
        is_ready.recv().expect("the fake appears");
        Network1 { words: Some(words), times, described, thread: Some(thread) }
    }

    /// Waits until somebody has asked for all that there is, and so hears every signal.
    pub(crate) fn await_listener(&self, host: &Host) {
        wait_for("networkd was asked", || host.log(), || self.described.load(Ordering::Relaxed));
    }

    /// Signals that the link is in this operational state. The time right before, CLOCK_MONOTONIC.
    pub(crate) fn signal(&self, word: &'static str) -> i64 {
        self.words.as_ref().unwrap().send(word).unwrap();
        self.times.recv().expect("it was sent")
    }
}

impl Drop for Network1 {
    fn drop(&mut self) {
        drop(self.words.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes the state file as networkd does: a new one in place of the old.
pub(crate) fn write_state(host: &Host, operational: &str) {
    let text = format!("ADMIN_STATE=configured\nOPER_STATE={operational}\nDNS=192.0.2.1\n");
    host.write("/run/systemd/netif/new", &text, 0o644);
    let file = host.path(STATE_FILE);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::rename(host.path("/run/systemd/netif/new"), file).unwrap();
}

/// CLOCK_MONOTONIC in nanoseconds.
pub(crate) fn now() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    now.tv_sec() * 1_000_000_000 + now.tv_nsec()
}

async fn serve(
    connection: &Connection,
    mut requests: MessageStream,
    mut words: UnboundedReceiver<&'static str>,
    times: &Sender<i64>,
    described: &AtomicBool,
) {
    let mut state = FIRST;
    loop {
        tokio::select! {
            message = requests.next() => {
                let message = message.expect("the bus stays").expect("a message");
                if message.message_type() == Type::MethodCall {
                    answer(connection, state, &message, described).await;
                }
            }
            word = words.recv() => {
                let Some(word) = word else { return };
                state = word;
                let body =
                    ("org.freedesktop.network1.Link", properties(&[("OperationalState", word)]), Vec::<&str>::new());
                let signal = Message::signal(PATH, "org.freedesktop.DBus.Properties", "PropertiesChanged");
                let signal = signal.build(&body).unwrap();
                let before = now();
                connection.send(&signal).await.expect("sent");
                times.send(before).unwrap();
            }
        }
    }
}

async fn answer(connection: &Connection, state: &str, message: &Message, described: &AtomicBool) {
    let header = message.header();
    let is_link = header.path().is_some_and(|path| path.as_str() == PATH);
    let sent = match (header.member().expect("a member").as_str(), is_link) {
        ("ListLinks", _) => {
            let path = OwnedObjectPath::try_from(PATH).unwrap();
            connection.reply(&header, &vec![(i32::try_from(INDEX).unwrap(), LINK, path)]).await
        }
        ("GetAll", false) => {
            let host = [("OperationalState", "routable"), ("OnlineState", "online")];
            connection.reply(&header, &properties(&host)).await
        }
        ("GetAll", true) => {
            let link = [("OperationalState", state), ("AdministrativeState", "configured")];
            connection.reply(&header, &properties(&link)).await
        }
        ("Describe", true) => {
            described.store(true, Ordering::Relaxed);
            connection.reply(&header, &r#"{"Type":"ether","Driver":"veth"}"#).await
        }
        _ => connection.reply_error(&header, "org.freedesktop.DBus.Error.UnknownObject", &"no").await,
    };
    sent.expect("answered");
}

fn properties<'a>(values: &[(&'a str, &'a str)]) -> HashMap<&'a str, Variant<'a>> {
    values.iter().map(|(name, value)| (*name, Variant::from(*value))).collect()
}
