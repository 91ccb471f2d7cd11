//! Properties as NetworkManager sends them, read by their types: what is missing, or of another
//! type than documented, is as if it were not there. Pure.

use super::words;
use crate::backend::ManagerFacts;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use zbus::{Message, OwnedVariant, Variant};

/// The properties of one interface of one object, as `GetAll` and `PropertiesChanged` give them.
#[derive(Debug, Default)]
pub(super) struct Properties(HashMap<String, OwnedVariant>);

/// What a device says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DeviceValues {
    /// Where packets go: `IpInterface`, then `Interface`, which is a tty for some modems.
    pub(super) names: Vec<String>,
    /// `NMDeviceState`.
    pub(super) state: Option<u32>,
    /// `NMDeviceStateReason` of it.
    pub(super) reason: Option<u32>,
    /// By [`words::device_type`].
    pub(super) device_type: Option<&'static str>,
    /// Object of the active connection.
    pub(super) connection: Option<String>,
    /// Objects of IP4Config and IP6Config.
    pub(super) configs: [Option<String>; 2],
}

impl Properties {
    /// The answer to `GetAll`.
    pub(super) fn answered(answer: &Message) -> Self {
        Self(answer.body().deserialize().unwrap_or_default())
    }

    /// What a `PropertiesChanged` carries.
    pub(super) fn changed(signal: &Message) -> Self {
        let body = signal.body();
        let parts = body.deserialize::<(String, HashMap<String, OwnedVariant>, Vec<String>)>();
        Self(parts.map(|(_, properties, _)| properties).unwrap_or_default())
    }

    /// A text that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Variant::Str(text) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        }
    }

    /// An unsigned number of 32 bits.
    pub(super) fn number(&self, key: &str) -> Option<u32> {
        match self.value(key)? {
            Variant::U32(number) => Some(*number),
            _ => None,
        }
    }

    fn value(&self, key: &str) -> Option<&Variant<'static>> {
        self.0.get(key).map(|value| &**value)
    }

    /// An object; `/` is none.
    fn object(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            Variant::ObjectPath(path) if path.as_str() != "/" => Some(path.to_string()),
            _ => None,
        }
    }

    fn list(&self, key: &str) -> &[Variant<'static>] {
        match self.value(key) {
            Some(Variant::Array(array)) => array.inner(),
            _ => &[],
        }
    }

    /// Search domains: `Searches` if there are any, else `Domains`, as NetworkManager itself does.
    /// One that begins with `~` only says where to ask.
    fn domains(&self) -> Vec<String> {
        let texts = |key| {
            let text = |value: &Variant<'_>| match value {
                Variant::Str(text) if !text.is_empty() => Some(text.to_string()),
                _ => None,
            };
            self.list(key).iter().filter_map(text).collect::<Vec<_>>()
        };
        let mut domains = texts("Searches");
        if domains.is_empty() {
            domains = texts("Domains");
        }
        domains.retain(|domain| !domain.starts_with('~'));
        domains
    }

    /// `NameserverData`; where that does not exist, for IPv6, `Nameservers`, 16 bytes each.
    fn name_servers(&self) -> Vec<IpAddr> {
        let data = self.list("NameserverData");
        if data.is_empty() {
            return self.list("Nameservers").iter().filter_map(ipv6).map(IpAddr::V6).collect();
        }
        let address = |value: &Variant<'_>| match value {
            Variant::Dict(server) => {
                let is_address =
                    |key: &Variant<'_>| matches!(key, Variant::Str(text) if text.as_str() == "address");
                let (_, value) = server.iter().find(|(key, _)| is_address(key))?;
                address(value)
            }
            _ => None,
        };
        data.iter().filter_map(address).collect()
    }
}

/// A text that is an address; `%link` and `#name` after it are left out.
fn address(value: &Variant<'_>) -> Option<IpAddr> {
    match value {
        Variant::Variant(inner) => address(inner),
        Variant::Str(text) => text.split(['%', '#']).next()?.parse().ok(),
        _ => None,
    }
}

fn ipv6(value: &Variant<'_>) -> Option<Ipv6Addr> {
    let Variant::Array(array) = value else { return None };
    let mut bytes = [0; 16];
    if array.len() != bytes.len() {
        return None;
    }
    for (byte, value) in bytes.iter_mut().zip(array.inner()) {
        let Variant::U8(value) = value else { return None };
        *byte = *value;
    }
    Some(bytes.into())
}

/// `org.freedesktop.NetworkManager.Device`.
pub(super) fn device(properties: &Properties) -> DeviceValues {
    let mut names: Vec<String> = Vec::new();
    for name in ["IpInterface", "Interface"].into_iter().filter_map(|key| properties.text(key)) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    // (state, reason); the state alone is a property of its own as well.
    let reason = match properties.value("StateReason") {
        Some(Variant::Structure(both)) => match both.fields() {
            [Variant::U32(_), Variant::U32(reason)] => Some(*reason),
            _ => None,
        },
        _ => None,
    };
    DeviceValues {
        names,
        state: properties.number("State"),
        reason,
        device_type: properties.number("DeviceType").and_then(words::device_type),
        connection: properties.object("ActiveConnection"),
        configs: [properties.object("Ip4Config"), properties.object("Ip6Config")],
    }
}

/// `org.freedesktop.NetworkManager.Connection.Active`.
pub(super) fn connection(properties: &Properties, facts: &mut ManagerFacts) {
    facts.connection_id = properties.text("Id").map(str::to_owned);
    facts.connection_uuid = properties.text("Uuid").map(str::to_owned);
}

/// `org.freedesktop.NetworkManager.IP4Config` or `IP6Config`, beside what is there from the other.
pub(super) fn config(properties: &Properties, facts: &mut ManagerFacts) {
    facts.dns.extend(properties.name_servers());
    for domain in properties.domains() {
        if !facts.domains.contains(&domain) {
            facts.domains.push(domain);
        }
    }
    match properties.text("Gateway").and_then(|text| text.parse().ok()) {
        Some(IpAddr::V4(gateway)) if gateway != Ipv4Addr::UNSPECIFIED => facts.gateway = Some(gateway),
        Some(IpAddr::V6(gateway)) if gateway != Ipv6Addr::UNSPECIFIED => facts.gateway6 = Some(gateway),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zbus::{ObjectPath, Structure};

    fn properties<const N: usize>(list: [(&str, Variant<'static>); N]) -> Properties {
        let owned = |value: Variant<'static>| OwnedVariant::try_from(value).expect("no descriptor");
        Properties(list.into_iter().map(|(key, value)| (key.to_owned(), owned(value))).collect())
    }

    fn servers(list: &[&str]) -> Variant<'static> {
        let server = |text: &&str| HashMap::from([("address".to_owned(), Variant::from((*text).to_owned()))]);
        Variant::from(list.iter().map(server).collect::<Vec<_>>())
    }

    fn object(path: &'static str) -> Variant<'static> {
        Variant::from(ObjectPath::try_from(path).expect("a path"))
    }

    #[test]
    fn a_device() {
        let read = device(&properties([
            ("Interface", Variant::from("cdc-wdm0")),
            ("IpInterface", Variant::from("wwan0")),
            ("State", Variant::from(100u32)),
            ("StateReason", Variant::from(Structure::from((100u32, 39u32)))),
            ("DeviceType", Variant::from(8u32)),
            ("ActiveConnection", object("/active/1")),
            ("Ip4Config", object("/ip4/2")),
            ("Ip6Config", object("/")),
        ]));
        assert_eq!(read.names, ["wwan0", "cdc-wdm0"]);
        assert_eq!((read.state, read.reason, read.device_type), (Some(100), Some(39), Some("modem")));
        assert_eq!(read.connection.as_deref(), Some("/active/1"));
        assert_eq!(read.configs, [Some("/ip4/2".to_owned()), None]);
    }

    #[test]
    fn a_device_of_wrong_types_is_an_empty_one() {
        let read = device(&properties([
            ("Interface", Variant::from(7u32)),
            ("IpInterface", Variant::from("")),
            ("State", Variant::from("activated")),
            ("StateReason", Variant::from(Structure::from((100u32, "evil")))),
            ("DeviceType", Variant::from(1000u32)),
            ("ActiveConnection", Variant::from("/active/1")),
        ]));
        assert_eq!(read, DeviceValues::default());
    }

    #[test]
    fn both_configs_add_up() {
        let mut facts = ManagerFacts::default();
        config(
            &properties([
                ("NameserverData", servers(&["192.0.2.53", "../../evil", "192.0.2.54"])),
                ("Domains", Variant::from(vec!["one.example", "~only.example"])),
                ("Gateway", Variant::from("192.0.2.1")),
            ]),
            &mut facts,
        );
        let link_local: Ipv6Addr = "fe80::53".parse().expect("an address");
        config(
            &properties([
                ("Nameservers", Variant::from(vec![link_local.octets().to_vec(), vec![1, 2, 3]])),
                ("Domains", Variant::from(vec!["not.example"])),
                ("Searches", Variant::from(vec!["one.example", "two.example"])),
                ("Gateway", Variant::from("fe80::1")),
            ]),
            &mut facts,
        );
        let dns: Vec<_> = facts.dns.iter().map(ToString::to_string).collect();
        assert_eq!(dns, ["192.0.2.53", "192.0.2.54", "fe80::53"]);
        assert_eq!(facts.domains, ["one.example", "two.example"]);
        assert_eq!(facts.gateway, "192.0.2.1".parse().ok());
        assert_eq!(facts.gateway6, "fe80::1".parse().ok());
    }

    #[test]
    fn an_address_may_say_by_which_link() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("192.0.2.1#dns.example", Some("192.0.2.1")),
            ("", None),
            ("dns.example", None),
        ] {
            let read = address(&Variant::from(text)).map(|address| address.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_is_survived(text in ".*") {
            let properties = properties([
                ("Id", Variant::from(text.clone())),
                ("Gateway", Variant::from(text.clone())),
                ("Domains", Variant::from(vec![text.clone()])),
                ("NameserverData", servers(&[&text])),
            ]);
            let mut facts = ManagerFacts::default();
            config(&properties, &mut facts);
            connection(&properties, &mut facts);
            prop_assert_eq!(facts.connection_id.unwrap_or_default(), text);
        }
    }
}
