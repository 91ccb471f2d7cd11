//! Why the daemon gave no answer, in words for the person who asked.

use super::Endpoint;
use netevd_worker::document::{ErrorBody, ProblemDocument};
use nix::unistd::{Gid, Group, Uid, User};
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What went wrong.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// Nobody listens at any of these places.
    Absent(Vec<(Endpoint, io::Error)>),
    /// A socket that is not for this user.
    Denied(Endpoint),
    /// The daemon says no.
    Refused(Box<ErrorBody>),
    /// The connection broke, timed out, or somebody else answers.
    Broken(Endpoint, String),
}

impl ClientError {
    /// An error of connect(2), sorted by whether somebody is there.
    pub(super) fn of_connect(endpoint: &Endpoint, error: io::Error) -> Self {
        let place = endpoint.clone();
        match (endpoint, error.kind()) {
            (Endpoint::Unix(_), io::ErrorKind::NotFound) | (_, io::ErrorKind::ConnectionRefused) => {
                Self::Absent(vec![(place, error)])
            }
            (Endpoint::Unix(_), io::ErrorKind::PermissionDenied) => Self::Denied(place),
            _ => Self::Broken(place, format!("cannot connect: {error}")),
        }
    }

    /// Nothing came in time.
    pub(super) fn late(endpoint: &Endpoint) -> Self {
        Self::Broken(endpoint.clone(), format!("no answer within {} s", super::TIMEOUT.as_secs()))
    }

    /// The problems of a configuration that was refused.
    pub(crate) fn problems(&self) -> Vec<ProblemDocument> {
        match self {
            Self::Refused(body) if body.code == "invalid_configuration" => {
                let problems = body.details.get("problems").cloned().unwrap_or_default();
                serde_json::from_value(problems).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(tried) => {
                f.write_str("no daemon answers")?;
                for (endpoint, error) in tried {
                    write!(f, "; {endpoint}: {error}")?;
                }
                match tried.iter().any(|(endpoint, _)| matches!(endpoint, Endpoint::Tcp(_))) {
                    true => f.write_str(". Is it running, with api.enabled and this port?"),
                    false => f.write_str(". Is it running? See systemctl status netevd.service"),
                }
            }
            Self::Denied(endpoint) => {
                write!(f, "{endpoint}: this user may not connect; ")?;
                match endpoint {
                    _ if Uid::effective().is_root() => f.write_str(
                        "where the socket is another user's, root needs CAP_DAC_OVERRIDE or CAP_SETGID",
                    ),
                    Endpoint::Unix(path) => write!(f, "run it as root{}", how_to_join(path)),
                    Endpoint::Tcp(_) => f.write_str("run it as root"),
                }
            }
            Self::Refused(body) => {
                f.write_str(&body.message)?;
                match &body.details {
                    serde_json::Value::Null => Ok(()),
                    details => write!(f, " ({details})"),
                }
            }
            Self::Broken(endpoint, what) => write!(f, "{endpoint}: {what}"),
        }
    }
}

/// The group that may connect, if the socket's directory shows it to this user.
fn how_to_join(socket: &Path) -> String {
    let Ok(found) = std::fs::symlink_metadata(socket) else { return String::new() };
    let group = Group::from_gid(Gid::from_raw(found.gid())).ok().flatten();
    let user = User::from_uid(Uid::effective()).ok().flatten();
    match (group, user) {
        (Some(group), Some(user)) if found.gid() != 0 => {
            let (group, user) = (group.name, user.name);
            format!(", or join its group (as root: usermod -aG {group} {user}) and log in again")
        }
        _ => String::new(),
    }
}
