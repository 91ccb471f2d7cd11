//! What the helper did for one request, in words for the audit log.

use super::TableKey;
use super::pass::target;
use protocol::{Reply, Request, Selector, TableId};

/// One request that changed something, or was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Whose table.
    pub key: TableKey,
    /// The interface's name at the time of the plan; empty when it was gone by then.
    pub interface: String,
    /// The table.
    pub table: TableId,
    /// What was asked for.
    pub request: Request,
    /// What came of it.
    pub reply: Reply,
}

impl Done {
    /// A rule; else a route.
    pub fn is_rule(&self) -> bool {
        matches!(self.request, Request::AddRule { .. } | Request::DelRule { .. })
    }

    /// `add` or `delete`; a default that replaces our own is an add.
    pub fn action(&self) -> &'static str {
        match self.request {
            Request::DelRule { .. } | Request::DelRoute { .. } | Request::Purge { .. } => "delete",
            _ => "add",
        }
    }

    /// The object nearly as ip(8) writes it: `from 192.0.2.3 lookup 203`, `default via 192.0.2.1 table 203`.
    pub fn resource(&self) -> String {
        match self.request {
            Request::AddRule { selector, address, .. } | Request::DelRule { selector, address, .. } => {
                let word = match selector {
                    Selector::From => "from",
                    Selector::To => "to",
                };
                format!("{word} {address} lookup {}", self.table)
            }
            request => format!("{} table {}", target(&request), self.table),
        }
    }

    /// Why it was not done.
    pub fn error(&self) -> Option<String> {
        match self.reply {
            Reply::Ok | Reply::Exists | Reply::Absent | Reply::Busy => None,
            Reply::Refused(refusal) => Some(refusal.to_string()),
            Reply::Kernel(errno) => Some(std::io::Error::from_raw_os_error(errno).to_string()),
        }
    }
}
