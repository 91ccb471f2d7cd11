//! A service that says what it is told to, owned by root on the real bus of a machine: the real ones
//! cannot be made to say a thing at a given moment. It puts a time to each message.

use crate::support::{Host, wait_for};
use futures_util::StreamExt;
use nix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream};

/// What is faked.
pub(crate) trait Service: Send + 'static {
    /// What it can be told to say.
    type Word: Send + 'static;
    /// The name that it owns.
    const NAME: &'static str;

    /// Answers a call; true when whoever asked this has asked for all that there is.
    fn answer(&self, connection: &Connection, call: &Message) -> impl Future<Output = bool>;

    /// The message that says the word, from then on true.
    fn message(&mut self, word: Self::Word) -> Message;
}

/// The fake; it leaves the bus with this value.
pub(crate) struct Fake<W> {
    words: Option<UnboundedSender<W>>,
    times: Receiver<i64>,
    heard: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<W: Send + 'static> Fake<W> {
    /// Appears on the bus of a machine that has one.
    pub(crate) fn start<S: Service<Word = W>>(host: &Host, service: S) -> Fake<W> {
        // The packages permit the name to the service's own user alone.
        let policy = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\"\n \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
             <busconfig><policy user=\"root\"><allow own=\"{}\"/></policy></busconfig>\n",
            S::NAME
        );
        host.write("/etc/dbus-1/system.d/bench.conf", &policy, 0o644);
        let bus = "org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus";
        host.sh(&format!("busctl --no-pager call {bus} ReloadConfig"));
        let address = format!("unix:path={}", host.path("/run/dbus/system_bus_socket").display());
        let (words, inbox) = unbounded_channel();
        let (outbox, times) = channel();
        let heard = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = channel();
        let known = heard.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connection = Builder::address(address.as_str()).build().await.expect("the bus answers");
                let requests = MessageStream::from(&connection);
                connection.request_name(S::NAME).await.expect("the name is free, and permitted to root");
                ready.send(()).unwrap();
                serve(service, &connection, requests, inbox, &outbox, &known).await;
            });
        });
        is_ready.recv().expect("the fake appears");
        Fake { words: Some(words), times, heard, thread: Some(thread) }
    }

    /// Waits until somebody has asked for all that there is, and so hears every signal.
    pub(crate) fn await_listener(&self, host: &Host) {
        wait_for("the service was asked", || host.log(), || self.heard.load(Ordering::Relaxed));
    }

    /// Says it. The time right before, CLOCK_MONOTONIC.
    pub(crate) fn say(&self, word: W) -> i64 {
        self.words.as_ref().unwrap().send(word).expect("the fake is there");
        self.times.recv().expect("it was sent")
    }
}

impl<W> Drop for Fake<W> {
    fn drop(&mut self) {
        drop(self.words.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// CLOCK_MONOTONIC in nanoseconds.
pub(crate) fn now() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    now.tv_sec() * 1_000_000_000 + now.tv_nsec()
}

async fn serve<S: Service>(
    mut service: S,
    connection: &Connection,
    mut requests: MessageStream,
    mut words: UnboundedReceiver<S::Word>,
    times: &Sender<i64>,
    heard: &AtomicBool,
) {
    loop {
        tokio::select! {
            message = requests.next() => {
                let message = message.expect("the bus stays").expect("a message");
                if message.message_type() == Type::MethodCall && service.answer(connection, &message).await {
                    heard.store(true, Ordering::Relaxed);
                }
            }
            word = words.recv() => {
                let Some(word) = word else { return };
                let message = service.message(word);
                let before = now();
                connection.send(&message).await.expect("sent");
                times.send(before).unwrap();
            }
        }
    }
}
