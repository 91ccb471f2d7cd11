//! Which request is permitted in which state, as data.

use crate::Request;
use std::fmt;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Nothing said yet.
    Fresh,
    /// Greeted.
    Serving,
    /// Between `SyncBegin` and `SyncEnd`.
    Syncing,
}

/// A request outside the table below; it ends the helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The state it was made in.
    pub state: SessionState,
    /// Which request.
    pub request: &'static str,
}

use SessionState::{Fresh, Serving, Syncing};

/// One row a request: its name, and the state that follows from Fresh, Serving and Syncing
/// (`None`: a violation). `Hello` leads away from the only state that permits it, hence once.
#[rustfmt::skip]
const TABLE: [(&str, [Option<SessionState>; 3]); 9] = [
    //                from Fresh      from Serving    from Syncing
    ("Hello",      [Some(Serving),  None,           None]),
    ("AddRules",   [None,           Some(Serving),  Some(Syncing)]),
    ("DelRules",   [None,           Some(Serving),  None]),
    ("SetDefault", [None,           Some(Serving),  Some(Syncing)]),
    ("Copy",       [None,           Some(Serving),  Some(Syncing)]),
    ("Follow",     [None,           Some(Serving),  Some(Syncing)]),
    ("DelRoutes",  [None,           Some(Serving),  None]),
    ("SyncBegin",  [None,           Some(Syncing),  None]),
    ("SyncEnd",    [None,           None,           Some(Serving)]),
];

impl Request {
    fn row(&self) -> usize {
        match self {
            Request::Hello { .. } => 0,
            Request::AddRules { .. } => 1,
            Request::DelRules { .. } => 2,
            Request::SetDefault { .. } => 3,
            Request::Copy { .. } => 4,
            Request::Follow { .. } => 5,
            Request::DelRoutes { .. } => 6,
            Request::SyncBegin => 7,
            Request::SyncEnd => 8,
        }
    }

    /// The request's name, for logs and metrics.
    pub fn name(&self) -> &'static str {
        TABLE[self.row()].0
    }
}

/// The state after `request`, if it is permitted in `state`.
pub fn permit(state: SessionState, request: &Request) -> Result<SessionState, Violation> {
    let (name, next) = TABLE[request.row()];
    let column = match state {
        Fresh => 0,
        Serving => 1,
        Syncing => 2,
    };
    next[column].ok_or(Violation { state, request: name })
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not permitted while {:?}", self.request, self.state)
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, Ifindex, Links, NextHop, Prefix, Prefixes, Rules, Through};
    use std::net::{IpAddr, Ipv4Addr};

    fn every_request() -> [Request; 9] {
        let ifindex = Ifindex::try_from(2).expect("valid");
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
        let rules = Rules::Addresses(address.into());
        let prefixes = Prefixes::from(Prefix::host(address));
        [
            Request::Hello { version: 1 },
            Request::AddRules { ifindex, rules: rules.clone(), through: Through::Table },
            Request::DelRules { ifindex, rules },
            Request::SetDefault { ifindex, family: Family::V4, next_hop: NextHop::PointToPoint },
            Request::Copy { ifindex, except: Links::default(), prefixes: prefixes.clone() },
            Request::Follow { ifindex, prefixes: prefixes.clone() },
            Request::DelRoutes { ifindex, prefixes },
            Request::SyncBegin,
            Request::SyncEnd,
        ]
    }

    #[test]
    fn rows_carry_the_names_of_their_requests() {
        for request in every_request() {
            let told = format!("{request:?}");
            assert_eq!(told.split(' ').next(), Some(request.name()));
        }
    }

    #[test]
    fn only_hello_opens_and_only_once() {
        for request in every_request() {
            let hello = request.name() == "Hello";
            assert_eq!(permit(Fresh, &request).is_ok(), hello);
            if hello {
                assert!(permit(Serving, &request).is_err() && permit(Syncing, &request).is_err());
            }
        }
    }

    #[test]
    fn nothing_is_deleted_by_name_during_a_synchronisation() {
        for request in every_request() {
            let name = request.name();
            let expected = ["AddRules", "SetDefault", "Copy", "Follow", "SyncEnd"].contains(&name);
            assert_eq!(permit(Syncing, &request).is_ok(), expected, "{name}");
        }
        assert_eq!(
            permit(Serving, &Request::SyncEnd).map_err(|v| v.to_string()),
            Err("SyncEnd is not permitted while Serving".to_owned())
        );
    }
}
