//! systemd itself: units are started, stopped, restarted, reloaded (org.freedesktop.systemd1(5)).
//! The answer is that the job is queued; nobody waits for the job.

use super::failure::Failure;
use crate::backend::bus::Calls;
use crate::config::Verb;

/// For people.
pub(super) const NAME: &str = "systemd";
pub(super) const SERVICE: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// Queues the job, mode `replace`: a job for the same unit that contradicts it is dropped.
pub(super) async fn act(calls: &Calls, verb: Verb, unit: &str) -> Result<(), Failure> {
    let member = match verb {
        Verb::Start => "StartUnit",
        Verb::Stop => "StopUnit",
        Verb::Restart => "RestartUnit",
        Verb::Reload => "ReloadUnit",
    };
    match calls.call(SERVICE, PATH, MANAGER, member, &(unit, "replace")).await {
        Ok(_) => Ok(()),
        Err(error) if error.name() == Some("org.freedesktop.systemd1.NoSuchUnit") => {
            Err(Failure::Refused(format!("systemd knows no unit {unit}; look: systemctl cat {unit}")))
        }
        Err(error) => Err(Failure::new(NAME, &format!("{member} {unit}"), &error)),
    }
}
