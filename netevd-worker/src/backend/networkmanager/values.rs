//! Properties as NetworkManager sends them, read by their types: what is missing, or of another
//! type than documented, is as if it were not there. Pure.

use super::words;
use crate::model::ManagerFacts;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
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
    /// Objects of DHCP4Config and DHCP6Config.
    pub(super) dhcps: [Option<String>; 2],
}

/// What IP4Config or IP6Config says, as far as it concerns scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    servers: Vec<IpAddr>,
    searches: Vec<String>,
    domains: Vec<String>,
    gateway: Option<IpAddr>,
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

    /// A truth value.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Variant::Bool(flag) => Some(*flag),
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

    /// The texts of a dictionary, by name; `None` where there is none.
    pub(super) fn texts_by_name(&self, key: &str) -> Option<HashMap<String, String>> {
        let Variant::Dict(dict) = self.value(key)? else { return None };
        fn text(value: &Variant<'_>) -> Option<String> {
            match value {
                Variant::Variant(inner) => text(inner),
                Variant::Str(text) => Some(text.to_string()),
                _ => None,
            }
        }
        Some(dict.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect())
    }

    fn list(&self, key: &str) -> &[Variant<'static>] {
        match self.value(key) {
            Some(Variant::Array(array)) => array.inner(),
            _ => &[],
        }
    }

    fn texts(&self, key: &str) -> Vec<String> {
        let text = |value: &Variant<'_>| match value {
            Variant::Str(text) if !text.is_empty() => Some(text.to_string()),
            _ => None,
        };
        self.list(key).iter().filter_map(text).collect()
    }

    /// `NameserverData`; where that does not exist, for IPv6, `Nameservers`, 16 bytes each.
    fn name_servers(&self) -> Option<Vec<IpAddr>> {
        if self.value("NameserverData").is_some() {
            return Some(self.list("NameserverData").iter().filter_map(server).collect());
        }
        match self.value("Nameservers")? {
            Variant::Array(array) if array.element_signature().to_string() == "ay" => {
                Some(array.inner().iter().filter_map(ipv6).map(IpAddr::V6).collect())
            }
            _ => None,
        }
    }
}

/// One entry of `NameserverData`.
fn server(value: &Variant<'_>) -> Option<IpAddr> {
    let Variant::Dict(server) = value else { return None };
    let is_address = |key: &Variant<'_>| matches!(key, Variant::Str(text) if text.as_str() == "address");
    server.iter().find(|(key, _)| is_address(key)).and_then(|(_, value)| address(value))
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
        dhcps: [properties.object("Dhcp4Config"), properties.object("Dhcp6Config")],
    }
}

/// `org.freedesktop.NetworkManager.Connection.Active`.
pub(super) fn connection(properties: &Properties, facts: &mut ManagerFacts) {
    facts.connection_id = properties.text("Id").map(str::to_owned);
    facts.connection_uuid = properties.text("Uuid").map(str::to_owned);
}

impl Config {
    /// Takes over what is in a signal; what is not in it has not changed.
    pub(super) fn update(&mut self, properties: &Properties) {
        if let Some(servers) = properties.name_servers() {
            self.servers = servers;
        }
        for (key, list) in [("Searches", &mut self.searches), ("Domains", &mut self.domains)] {
            if properties.value(key).is_some() {
                *list = properties.texts(key);
            }
        }
        if properties.value("Gateway").is_some() {
            let gateway = properties.text("Gateway").and_then(|text| text.parse().ok());
            self.gateway = gateway.filter(|gateway: &IpAddr| !gateway.is_unspecified());
        }
    }

    /// `IP4Config` or `IP6Config` as a whole.
    pub(super) fn read(properties: &Properties) -> Self {
        let mut config = Self::default();
        config.update(properties);
        config
    }

    /// Adds this to what is there of the other family.
    pub(super) fn add_to(&self, facts: &mut ManagerFacts) {
        facts.dns.extend(&self.servers);
        // Domains count where there are no searches, as NetworkManager itself has it; one that
        // begins with ~ only says where to ask.
        let domains = if self.searches.is_empty() { &self.domains } else { &self.searches };
        for domain in domains.iter().filter(|domain| !domain.starts_with('~')) {
            if !facts.domains.contains(domain) {
                facts.domains.push(domain.clone());
            }
        }
        match self.gateway {
            Some(IpAddr::V4(gateway)) => facts.gateway = Some(gateway),
            Some(IpAddr::V6(gateway)) => facts.gateway6 = Some(gateway),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zbus::{ObjectPath, Structure};

    impl<const N: usize> From<[(&str, Variant<'static>); N]> for Properties {
        fn from(list: [(&str, Variant<'static>); N]) -> Self {
            let owned = |value: Variant<'static>| OwnedVariant::try_from(value).expect("no descriptor");
            Self(list.into_iter().map(|(key, value)| (key.to_owned(), owned(value))).collect())
        }
    }

    fn properties<const N: usize>(list: [(&str, Variant<'static>); N]) -> Properties {
        Properties::from(list)
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
        let mut ip4 = Config::read(&properties([
            ("NameserverData", servers(&["192.0.2.53", "../../evil", "192.0.2.54"])),
            ("Nameservers", Variant::from(vec![7u32])),
            ("Domains", Variant::from(vec!["one.example", "~only.example"])),
            ("Gateway", Variant::from("192.0.2.1")),
        ]));
        let link_local: Ipv6Addr = "fe80::53".parse().expect("an address");
        let ip6 = Config::read(&properties([
            ("Nameservers", Variant::from(vec![link_local.octets().to_vec(), vec![1, 2, 3]])),
            ("Domains", Variant::from(vec!["not.example"])),
            ("Searches", Variant::from(vec!["one.example", "two.example"])),
            ("Gateway", Variant::from("fe80::1")),
        ]));
        ip4.add_to(&mut facts);
        ip6.add_to(&mut facts);
        let dns: Vec<_> = facts.dns.iter().map(ToString::to_string).collect();
        assert_eq!(dns, ["192.0.2.53", "192.0.2.54", "fe80::53"]);
        assert_eq!(facts.domains, ["one.example", "two.example"]);
        assert_eq!(facts.gateway, "192.0.2.1".parse().ok());
        assert_eq!(facts.gateway6, "fe80::1".parse().ok());

        // A signal has what changed, by itself.
        ip4.update(&properties([("Addresses", Variant::from(vec![1u32]))]));
        ip4.update(&properties([("Nameservers", Variant::from(Vec::<u32>::new()))]));
        ip4.update(&properties([("Gateway", Variant::from(""))]));
        let mut facts = ManagerFacts::default();
        ip4.add_to(&mut facts);
        assert_eq!((facts.dns.len(), facts.domains.len(), facts.gateway), (2, 1, None));
        ip4.update(&properties([("NameserverData", servers(&[]))]));
        assert_eq!(ip4.servers, [] as [IpAddr; 0]);
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
            Config::read(&properties).add_to(&mut facts);
            connection(&properties, &mut facts);
            prop_assert_eq!(facts.connection_id.unwrap_or_default(), text);
        }
    }
}
