//! A networkd that says what it is told to. It answers what netevd and networkctl ask of two links.

use crate::bus::{Fake, Service};
use crate::support::Host;
use std::collections::HashMap;
use zbus::wire::{OwnedObjectPath, Variant};
use zbus::{Connection, Message};

/// A link that it knows; the kernel has it with this index.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) name: &'static str,
    index: u32,
    /// `/link/50`: the first digit of an object's name is escaped.
    path: &'static str,
}

pub(crate) const FIRST: Link = Link { name: "tst0", index: 50, path: "/org/freedesktop/network1/link/_350" };
pub(crate) const SECOND: Link = Link { name: "tst1", index: 51, path: "/org/freedesktop/network1/link/_351" };
const LINKS: [Link; 2] = [FIRST, SECOND];
/// Their state at the beginning, which is none of those that are signalled.
const BEGINNING: &str = "carrier";

/// A link, and the operational state that it is in now.
pub(crate) type Word = (Link, &'static str);

/// Its links' states.
pub(crate) struct Network1([&'static str; 2]);

impl Network1 {
    /// Appears on the bus of a machine that has one, with its links and their state files.
    pub(crate) fn start(host: &Host) -> Fake<Word> {
        for link in LINKS {
            host.veth(link.name, link.index);
            write_state(host, link, BEGINNING);
        }
        Fake::start(host, Network1([BEGINNING; 2]))
    }
}

/// Writes the state file as networkd does: a new one in place of the old.
pub(crate) fn write_state(host: &Host, link: Link, operational: &str) {
    // As long as those of a real one.
    let text = format!(
        "# This is private data. Do not parse.\nADMIN_STATE=configured\nOPER_STATE={operational}\n\
         CARRIER_STATE=carrier\nADDRESS_STATE=routable\nIPV4_ADDRESS_STATE=routable\nIPV6_ADDRESS_STATE=off\n\
         ONLINE_STATE=online\nREQUIRED_FOR_ONLINE=yes\nREQUIRED_OPER_STATE_FOR_ONLINE=degraded:routable\n\
         REQUIRED_FAMILY_FOR_ONLINE=any\nACTIVATION_POLICY=up\n\
         NETWORK_FILE=/etc/systemd/network/10-tst0.network\nDNS=192.0.2.1 192.0.2.53\nNTP=\nSIP=\n\
         DOMAINS=bench.example\nROUTE_DOMAINS=\nLLMNR=yes\nMDNS=no\n"
    );
    host.write("/run/systemd/netif/new", &text, 0o644);
    let file = host.path(&format!("/run/systemd/netif/links/{}", link.index));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::rename(host.path("/run/systemd/netif/new"), file).unwrap();
}

impl Service for Network1 {
    type Word = Word;
    const NAME: &'static str = "org.freedesktop.network1";

    fn message(&mut self, (link, state): Word) -> Message {
        self.0[usize::from(link.index != FIRST.index)] = state;
        let body =
            ("org.freedesktop.network1.Link", properties(&[("OperationalState", state)]), Vec::<&str>::new());
        let signal = Message::signal(link.path, "org.freedesktop.DBus.Properties", "PropertiesChanged");
        signal.build(&body).unwrap()
    }

    async fn answer(&self, connection: &Connection, call: &Message) -> bool {
        let header = call.header();
        let path = header.path().map(|path| path.as_str()).unwrap_or_default();
        let link = LINKS.iter().position(|link| link.path == path);
        let member = header.member().expect("a member").to_string();
        let sent = match (member.as_str(), link) {
            ("ListLinks", _) => {
                let object = |link: Link| OwnedObjectPath::try_from(link.path).unwrap();
                let list = LINKS.map(|link| (i32::try_from(link.index).unwrap(), link.name, object(link)));
                connection.reply(&header, &list.to_vec()).await
            }
            ("GetAll", None) => {
                let host = [("OperationalState", "routable"), ("OnlineState", "online")];
                connection.reply(&header, &properties(&host)).await
            }
            ("GetAll", Some(link)) => {
                let link = [("OperationalState", self.0[link]), ("AdministrativeState", "configured")];
                connection.reply(&header, &properties(&link)).await
            }
            ("Describe", Some(_)) => connection.reply(&header, &r#"{"Type":"ether","Driver":"veth"}"#).await,
            _ => connection.reply_error(&header, "org.freedesktop.DBus.Error.UnknownObject", &"no").await,
        };
        sent.expect("answered");
        // The last thing that netevd asks at the beginning.
        member == "Describe" && path == FIRST.path
    }
}

fn properties<'a>(values: &[(&'a str, &'a str)]) -> HashMap<&'a str, Variant<'a>> {
    values.iter().map(|(name, value)| (*name, Variant::from(*value))).collect()
}
