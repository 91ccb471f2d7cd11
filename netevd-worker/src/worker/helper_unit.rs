//! Why the helper does not come, as systemd knows it: a helper that dies before it connects is seen
//! by nobody else. Asked only while the worker waits for one.

use crate::backend::bus::{CallError, Calls};
use nix::libc;
use nix::sys::signal::Signal;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use zbus::{OwnedVariant, Variant};

/// Between two questions. systemd starts the helper again after 250 ms.
const PERIOD: Duration = Duration::from_secs(1);
/// Deaths in a row that are a fault: one or two may be a race with a restart or a reload.
const DEATHS: u32 = 3;
/// Looks in a row without an end of the program, after which it was never started.
const NEVER: u32 = 10;

const SYSTEMD: &str = "org.freedesktop.systemd1";
/// The object of netevd-priv.service: what is no letter or digit is escaped (sd_bus_path_encode(3)).
const UNIT: &str = "/org/freedesktop/systemd1/unit/netevd_2dpriv_2eservice";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The watch over one absence of the helper.
#[derive(Debug)]
pub(super) struct HelperUnit {
    calls: Option<Calls>,
    next: Instant,
    /// `NRestarts` when the absence began.
    base: Option<u32>,
    /// How often in a row systemd knew no end of the program. It forgets the last one while it starts the
    /// next, which a slow machine takes long for.
    unknown: u32,
    reported: Option<String>,
}

/// What systemd says of the service, org.freedesktop.systemd1(5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    /// `NRestarts`: automatic restarts since somebody started the unit.
    restarts: u32,
    /// `ExecMainCode`: `CLD_EXITED` and so on of waitid(2); 0 where the program was never started.
    code: i32,
    /// `ExecMainStatus`: exit status or signal.
    status: i32,
}

impl HelperUnit {
    /// The absence begins now.
    pub(super) fn new() -> Self {
        Self { calls: None, next: Instant::now() + PERIOD, base: None, unknown: 0, reported: None }
    }

    /// The next fault that was not reported yet; pending while there is none, or no bus to ask.
    /// Cancel-safe.
    pub(super) async fn fault(&mut self) -> String {
        loop {
            sleep_until(self.next).await;
            self.next = Instant::now() + PERIOD;
            let Ok(record) = self.read().await else {
                // The bus may come; the health check says that the helper is missing all the same.
                self.calls = None;
                continue;
            };
            let base = *self.base.get_or_insert(record.restarts);
            // The unit was started by hand meanwhile, which begins the count again.
            if record.restarts < base {
                self.base = Some(record.restarts);
                continue;
            }
            let deaths = record.restarts - base;
            self.unknown = if record.is_known() { 0 } else { self.unknown + 1 };
            if deaths < DEATHS || (1..NEVER).contains(&self.unknown) {
                continue;
            }
            let fault = describe(&record);
            if self.reported.as_ref() != Some(&fault) {
                self.reported = Some(fault.clone());
                return fault;
            }
        }
    }

    async fn read(&mut self) -> Result<Record, Unread> {
        let calls = match self.calls.take().filter(|calls| !calls.is_closed()) {
            Some(calls) => self.calls.insert(calls),
            None => self.calls.insert(Calls::connect(SYSTEMD, None).await.map_err(|_| Unread)?),
        };
        let mut values = Vec::new();
        for name in ["NRestarts", "ExecMainCode", "ExecMainStatus"] {
            let answer = calls.call(SYSTEMD, UNIT, PROPERTIES, "Get", &(SERVICE, name)).await?;
            values.push(answer.body().deserialize::<OwnedVariant>().map_err(|_| Unread)?);
        }
        let number = |value: &OwnedVariant| match **value {
            Variant::I32(number) => Some(number),
            _ => None,
        };
        let restarts = match *values[0] {
            Variant::U32(number) => number,
            _ => return Err(Unread),
        };
        let (code, status) = number(&values[1]).zip(number(&values[2])).ok_or(Unread)?;
        Ok(Record { restarts, code, status })
    }
}

impl Record {
    /// Whether code and status are of one end: they are read by two calls, and a start may lie between.
    fn is_known(&self) -> bool {
        self.code == libc::CLD_EXITED || (self.code != 0 && self.status != 0)
    }
}

/// There is no bus, or systemd is not what answers on it.
#[derive(Debug)]
struct Unread;

impl From<CallError> for Unread {
    fn from(_: CallError) -> Self {
        Self
    }
}

/// What happens, and where the reason is.
fn describe(record: &Record) -> String {
    let log = "the reason: journalctl -u netevd-priv -n 20";
    match (record.code, record.status) {
        _ if !record.is_known() => format!("netevd-priv cannot be started, again and again; {log}"),
        (libc::CLD_EXITED, status) => {
            format!("netevd-priv exits with status {status}, again and again; {log}")
        }
        (_, libc::SIGSYS) => "netevd-priv is killed by SIGSYS, again and again: the SystemCallFilter= of \
             netevd-priv.service lacks a system call that it makes; its number: journalctl -k --grep type=1326; \
             permit it: systemctl edit netevd-priv.service, [Service], SystemCallFilter=NAME"
            .to_owned(),
        (_, number) => {
            let signal = Signal::try_from(number);
            let name = signal.map_or_else(|_| format!("signal {number}"), |signal| signal.as_str().to_owned());
            format!("netevd-priv is killed by {name}, again and again; {log}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_die_has_its_own_remedy() {
        for (code, status, parts) in [
            (libc::CLD_KILLED, libc::SIGSYS, ["killed by SIGSYS", "SystemCallFilter=NAME"]),
            (libc::CLD_DUMPED, libc::SIGSYS, ["killed by SIGSYS", "type=1326"]),
            (libc::CLD_KILLED, libc::SIGKILL, ["killed by SIGKILL", "journalctl -u netevd-priv"]),
            (libc::CLD_KILLED, 200, ["killed by signal 200", "journalctl -u netevd-priv"]),
            (libc::CLD_EXITED, 2, ["exits with status 2", "journalctl -u netevd-priv"]),
            (0, 0, ["cannot be started", "journalctl -u netevd-priv"]),
            (libc::CLD_KILLED, 0, ["cannot be started", "journalctl -u netevd-priv"]),
        ] {
            let text = describe(&Record { restarts: 3, code, status });
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }
}
