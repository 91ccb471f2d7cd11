//! systemd itself: units are started, stopped, restarted, reloaded (org.freedesktop.systemd1(5)).
//! The answer is the job that is queued; whether it is over is asked for where something waits for its end.

use super::failure::Failure;
use crate::backend::bus::Calls;
use crate::config::Verb;
use std::collections::HashSet;
use zbus::{ObjectPath, OwnedObjectPath};

/// For people.
pub(super) const NAME: &str = "systemd";
pub(super) const SERVICE: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// Queues the job, mode `replace`: a job for the same unit that contradicts it is dropped. The job's number,
/// where the answer has one.
pub(super) async fn act(calls: &Calls, verb: Verb, unit: &str) -> Result<Option<u32>, Failure> {
    let member = match verb {
        Verb::Start => "StartUnit",
        Verb::Stop => "StopUnit",
        Verb::Restart => "RestartUnit",
        Verb::Reload => "ReloadUnit",
    };
    match calls.call(SERVICE, PATH, MANAGER, member, &(unit, "replace")).await {
        Ok(answer) => Ok(answer.body().deserialize::<ObjectPath<'_>>().ok().and_then(|path| number(&path))),
        Err(error) if error.name() == Some("org.freedesktop.systemd1.NoSuchUnit") => {
            Err(Failure::Refused(format!("systemd knows no unit {unit}; look: systemctl cat {unit}")))
        }
        Err(error) => Err(Failure::new(NAME, &format!("{member} {unit}"), &error)),
    }
}

/// `/org/freedesktop/systemd1/job/519`
fn number(path: &str) -> Option<u32> {
    path.strip_prefix(PATH)?.strip_prefix("/job/")?.parse().ok()
}

/// A job as ListJobs has it: its number, unit, type, state, and two objects.
type ListedJob = (u32, String, String, String, OwnedObjectPath, OwnedObjectPath);

/// The numbers of the jobs that there are. Any user may ask.
pub(super) async fn jobs(calls: &Calls) -> Result<HashSet<u32>, Failure> {
    let failed = |error| Failure::new(NAME, "ListJobs", &error);
    let answer = calls.call(SERVICE, PATH, MANAGER, "ListJobs", &()).await.map_err(failed)?;
    let listed: Vec<ListedJob> = answer
        .body()
        .deserialize()
        .map_err(|error| Failure::Refused(format!("{NAME}: ListJobs: {error}")))?;
    Ok(listed.into_iter().map(|(number, ..)| number).collect())
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_job_s_number_is_in_its_path() {
        assert_eq!(number("/org/freedesktop/systemd1/job/519"), Some(519));
        for path in ["/", "/org/freedesktop/systemd1/job/", "/org/freedesktop/systemd1/unit/1", "/job/5"] {
            assert_eq!(number(path), None, "{path}");
        }
    }
}
