//! The variables of a condition: what they are called and what can be done with each.

/// What a variable holds, which decides what it may be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text: `==` `!=` `in` `~`.
    Text,
    /// A number without sign: `==` `!=` `<` `<=` `>` `>=` `in`.
    Number,
    /// True or false: stands alone, or `==` `!=`.
    Switch,
    /// Addresses: `==` `!=` an address, `in` addresses and prefixes.
    Address,
}

impl Kind {
    /// For messages: `mtu` is …
    pub(super) const fn what(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Number => "a number",
            Kind::Switch => "true or false",
            Kind::Address => "an address",
        }
    }

    /// For documentation.
    pub const fn what_bare(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::Switch => "true or false",
            Kind::Address => "address",
        }
    }
}

macro_rules! fields {
    ($($member:ident $name:literal $kind:ident $doc:literal;)*) => {
        /// A variable of a condition.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field { $(#[doc = $doc] $member,)* }

        impl Field {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Field] = &[$(Field::$member,)*];

            /// As it is written.
            pub const fn name(self) -> &'static str {
                match self { $(Field::$member => $name,)* }
            }

            /// What it holds.
            pub const fn kind(self) -> Kind {
                match self { $(Field::$member => Kind::$kind,)* }
            }

            /// One line for the documentation.
            pub const fn about(self) -> &'static str {
                match self { $(Field::$member => $doc,)* }
            }
        }
    };
}

fields! {
    Interface "interface" Text "`LINK`; an event of the host has none";
    Event "event" Text "`EVENT`";
    State "state" Text "`STATE`";
    OldState "old_state" Text "`OLD_STATE`; missing where there was none";
    Backend "backend" Text "`BACKEND`";
    HasGateway "has_gateway" Switch "the link has a gateway of either family";
    DnsCount "dns_count" Number "how many name servers the link has";
    AddressCount "address_count" Number "how many usable addresses the link has (`ADDRESSES`)";
    Mtu "mtu" Number "the link's MTU in bytes";
    IpFamily "ip_family" Text "`ipv4`, `ipv6`: of the event's address, route or gateway, else of each usable address";
    Gateway "gateway" Address "the link's gateways, `GATEWAY` and `GATEWAY6`";
    Address "address" Address "the event's address (`address-added`, `address-removed`, `address-changed`), else the link's usable ones";
    RouteTable "route_table" Number "`ROUTE_TABLE` of a changed route: a number, or `main`, `local`, `default`";
    RouteProtocol "route_protocol" Number "`ROUTE_PROTOCOL` of a changed route: a number or a name such as `bgp`";
    Startup "startup" Switch "the event replays what was there before the daemon";
}

impl Field {
    /// The variable of this name.
    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.iter().copied().find(|field| field.name() == name)
    }
}
