//! A NetworkManager that says what it is told to: the signal of a device's state, which netevd listens
//! to, or the call of its dispatcher, which the real one makes at the same moment. It answers what
//! netevd asks of one device, as the real one does: a device has addresses while it is activated.

use crate::bus::{Fake, Service};
use crate::support::Host;
use std::collections::HashMap;
use zbus::wire::{ObjectPath, Variant};
use zbus::{Connection, Message};

/// The kernel's links; the first is the device's.
pub(crate) const LINKS: [&str; 2] = ["tst0", "tst1"];
/// `NMDeviceState`.
pub(crate) const ACTIVATED: u32 = 100;
pub(crate) const DISCONNECTED: u32 = 30;
/// `NMDeviceStateReason`: none given, and asked for by the user.
const REASONS: [u32; 2] = [0, 39];
const DEVICE: &str = "/org/freedesktop/NetworkManager/Devices/1";
const CONNECTION: &str = "/org/freedesktop/NetworkManager/ActiveConnection/1";
const CONFIGS: [&str; 2] =
    ["/org/freedesktop/NetworkManager/IP4Config/1", "/org/freedesktop/NetworkManager/IP6Config/1"];
/// As NetworkManager names it.
pub(crate) const DISPATCHER: &str = "org.freedesktop.nm_dispatcher";
const UUID: &str = "8f0c2c7e-6a53-4e0a-9d0b-0e5b7a3c1d42";

/// What it can be told to say.
pub(crate) enum Word {
    /// The device is in this state now; the signal.
    State(u32),
    /// This link is `up` or `down`; the call of the dispatcher.
    Action { link: &'static str, action: &'static str },
}

type Properties = HashMap<&'static str, Variant<'static>>;

/// The device's state.
pub(crate) struct NetworkManager(u32);

impl NetworkManager {
    /// Appears on the bus of a machine that has one, with its device.
    pub(crate) fn start(host: &Host) -> Fake<Word> {
        for (index, link) in (50..).zip(LINKS) {
            host.veth(link, index);
        }
        Fake::start(host, NetworkManager(ACTIVATED))
    }

    /// Of an object, by its interface.
    fn properties(&self, interface: &str) -> Properties {
        let up = self.0 == ACTIVATED;
        let object = |path: &'static str| path_of(if up { path } else { "/" });
        match interface.rsplit('.').next() {
            Some("NetworkManager") => {
                HashMap::from([("State", Variant::from(70u32)), ("Connectivity", Variant::from(4u32))])
            }
            Some("Device") => HashMap::from([
                ("Interface", Variant::from(LINKS[0])),
                ("IpInterface", Variant::from(if up { LINKS[0] } else { "" })),
                ("State", Variant::from(self.0)),
                ("DeviceType", Variant::from(1u32)),
                ("ActiveConnection", object(CONNECTION)),
                ("Ip4Config", object(CONFIGS[0])),
                ("Ip6Config", object(CONFIGS[1])),
            ]),
            Some("Active") => HashMap::from([("Id", Variant::from("bench")), ("Uuid", Variant::from(UUID))]),
            Some("IP4Config") => HashMap::from([
                ("Gateway", Variant::from("192.0.2.1")),
                ("Domains", Variant::from(vec!["bench.example"])),
            ]),
            _ => HashMap::from([("Gateway", Variant::from(""))]),
        }
    }
}

impl Service for NetworkManager {
    type Word = Word;
    const NAME: &'static str = "org.freedesktop.NetworkManager";

    fn message(&mut self, word: Word) -> Message {
        match word {
            Word::State(new) => {
                let old = std::mem::replace(&mut self.0, new);
                let body = (new, old, REASONS[usize::from(new == DISCONNECTED)]);
                let interface = "org.freedesktop.NetworkManager.Device";
                Message::signal(DEVICE, interface, "StateChanged").build(&body).unwrap()
            }
            Word::Action { link, action } => {
                let call = Message::method_call("/org/freedesktop/nm_dispatcher", "Action");
                let call = call.destination(DISPATCHER).interface(DISPATCHER);
                call.build(&arguments(link, action)).unwrap()
            }
        }
    }

    async fn answer(&self, connection: &Connection, call: &Message) -> bool {
        let header = call.header();
        let member = header.member().expect("a member").to_string();
        if member == "GetDevices" {
            connection.reply(&header, &vec![ObjectPath::try_from(DEVICE).unwrap()]).await.expect("answered");
            return false;
        }
        let interface: String = call.body().deserialize().unwrap_or_default();
        connection.reply(&header, &self.properties(&interface)).await.expect("answered");
        // The last thing that netevd asks at the beginning.
        interface.ends_with(".IP6Config")
    }
}

/// What NetworkManager 1.42 hands to its dispatcher: action; connection, its properties; the device's,
/// and of its proxy; configurations, leases; connectivity; the same of a VPN; whether to be talkative.
#[allow(clippy::type_complexity, reason = "it is what it is, once")]
fn arguments(
    link: &'static str,
    action: &'static str,
) -> (
    &'static str,
    HashMap<&'static str, Properties>,
    Properties,
    Properties,
    Properties,
    Properties,
    Properties,
    Properties,
    Properties,
    &'static str,
    &'static str,
    Properties,
    Properties,
    Properties,
    bool,
) {
    let settings = HashMap::from([("id", Variant::from("bench")), ("uuid", Variant::from(UUID))]);
    let connection = HashMap::from([
        ("path", path_of("/org/freedesktop/NetworkManager/Settings/1")),
        ("filename", Variant::from("/etc/NetworkManager/system-connections/bench.nmconnection")),
    ]);
    let state = if action == "up" { ACTIVATED } else { DISCONNECTED };
    let device = HashMap::from([
        ("interface", Variant::from(link)),
        ("ip-interface", Variant::from(link)),
        ("type", Variant::from(1u32)),
        ("state", Variant::from(state)),
        ("path", path_of(DEVICE)),
    ]);
    let none = HashMap::new;
    let settings = HashMap::from([("connection", settings)]);
    #[rustfmt::skip]
    let all = (
        action, settings, connection, device, none(), none(), none(), none(), none(), "FULL", "", none(), none(),
        none(), false,
    );
    all
}

fn path_of(path: &'static str) -> Variant<'static> {
    Variant::from(ObjectPath::try_from(path).unwrap())
}
