//! How a script is run as the daemon would run it: by a unit with the service's lines where systemd runs the
//! service, else as `netevd start` does it.

use super::unit::{Service, Unit};
use crate::identity::{self, Identities, Identity, Privileges};
use crate::{Failure, sys};
use netevd_worker::dispatch::{Identity as Judged, OutputSink, Trial, command, why_not_started};
use netevd_worker::model::Outcome;
use nix::unistd::Uid;

/// One of the two.
#[derive(Debug)]
pub(super) enum Execution {
    /// A transient unit.
    Unit(Unit),
    /// A child of this process.
    Child {
        identities: Identities,
        scripts: Option<Identity>,
        /// Why it is not a unit.
        because: Option<String>,
    },
}

/// What runs scripts, one after the other.
pub(super) enum Started {
    Service(Box<Service>),
    Child(Option<Identity>),
}

impl Execution {
    /// `worker` is what `--user` names, `scripts` is `scripts.user`.
    pub(super) fn choose(
        privileges: Privileges,
        worker: Option<&str>,
        scripts: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut because = None;
        if Uid::effective().is_root() && privileges.set_uid {
            match Unit::find(scripts, worker)? {
                Ok(unit) => return Ok(Self::Unit(unit)),
                Err(why) => because = Some(why),
            }
        }
        let identities = identity::choose(privileges, worker, None, None)?;
        let scripts = identity::of_scripts(&identities, scripts)?;
        Ok(Self::Child { identities, scripts, because })
    }

    /// As whom it runs.
    pub(super) fn identity(&self) -> Identity {
        match self {
            Self::Unit(unit) => unit.identity(),
            Self::Child { identities, scripts, .. } => scripts.unwrap_or(identities.worker),
        }
    }

    /// The same for the trust check.
    pub(super) fn as_whom(&self) -> Judged {
        let identity = self.identity();
        let mut gids = vec![identity.gid.as_raw()];
        if let Self::Unit(unit) = self {
            gids.extend(unit.groups());
        }
        Judged { uid: identity.uid.as_raw(), gids }
    }

    /// What it is confined by, and what differs from the daemon's run; `None` where nothing does.
    pub(super) fn confinement(&self) -> Option<String> {
        match self {
            Self::Unit(unit) => Some(unit.to_string()),
            Self::Child { because, .. } => because.as_ref().map(|because| {
                format!(
                    "it runs as `netevd start` would run it, without the service's confinement: {because}"
                )
            }),
        }
    }

    /// Gets ready.
    pub(super) fn start(&self) -> Result<Started, Failure> {
        match self {
            Self::Unit(unit) => Ok(Started::Service(Box::new(unit.start()?))),
            Self::Child { identities, .. } => {
                Ok(Started::Child(identities.separate.then_some(self.identity())))
            }
        }
    }
}

impl Started {
    /// Runs one script to its end.
    pub(super) async fn run(
        &mut self,
        trial: &Trial<'_>,
        stop: impl Future<Output = ()>,
        sink: OutputSink<'_>,
    ) -> Outcome {
        match self {
            Self::Service(service) => match trial.by(service.runner(), stop, sink).await {
                Outcome::NotStarted(why) => Outcome::NotStarted(service.explain(why)),
                outcome => outcome,
            },
            Self::Child(identity) => {
                let started = command(trial.path, trial.kind, trial.input).and_then(|(mut command, feed)| {
                    command.current_dir("/");
                    let confinement = sys::Confinement {
                        identity: *identity,
                        capabilities: 0,
                        umask: 0o022,
                        // It leads a session, and so a process group, and has no terminal.
                        own_session: true,
                        holds_hang_up: false,
                    };
                    sys::confine(&mut command, confinement, &[]);
                    Ok((command.spawn()?, feed))
                });
                match started {
                    Ok((child, feed)) => trial.of(child, feed, stop, sink).await,
                    Err(error) => Outcome::NotStarted(why_not_started(trial.path, &error)),
                }
            }
        }
    }
}
