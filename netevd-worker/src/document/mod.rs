//! Every document of the API, as it stands on the wire. Times are RFC 3339 in UTC with milliseconds;
//! names of scopes, tables and protocols are those that ip(8) prints. A field that is not known is
//! null, and no field is left out but where that is said.

mod error;
mod event;
mod health;
mod interface;
mod overview;
mod reload;
mod route;
mod script;
mod status;
mod words;

pub use error::{ErrorBody, ErrorDocument};
pub use event::{
    EventDetails, EventDocument, Events, GatewayChangeDocument, MtuDocument, RouteChangeDocument, ScriptRun,
    UnitRun,
};
pub use health::{Check, Checks, Health};
pub use interface::{
    AddressDocument, GatewayDocument, InterfaceDetail, InterfaceDocument, Interfaces, QueueDocument,
    StatisticsDocument,
};
pub use overview::Overview;
pub use reload::{ProblemDocument, Reload};
pub use route::{MetricDocument, NextHopDocument, RouteDocument, Routes, RuleDocument, Rules};
pub use script::{ScriptDocument, Scripts, UnknownDirectoryDocument};
pub use status::{ConfigStatus, HelperStatus, LastEvent, Listener, Status};
