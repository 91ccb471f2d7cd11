//! systemd-networkd: link and host states from its signals (org.freedesktop.network1(5)), the rest
//! from its files and descriptions.
//!
//! The signal's own values decide. networkd writes its files about then, before or after, and
//! reading states from them loses one transition in six.

mod changes;
mod describe;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod link;
mod link_table;
mod path;
mod session;
mod state_directory;
mod words;

use super::Report;
use super::bus::{Bus, Match, Service};
use session::{Closed, Session};
use state_directory::StateDirectory;
use tokio::sync::mpsc::Sender;

/// The manager's object; the links are beneath it.
const MANAGER_PATH: &str = "/org/freedesktop/network1";
const MANAGER: &str = "org.freedesktop.network1.Manager";
const LINK: &str = "org.freedesktop.network1.Link";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

const SERVICE: Service = Service {
    name: "org.freedesktop.network1",
    user: Some("systemd-network"),
    signals: &[Match {
        interface: PROPERTIES,
        member: Some("PropertiesChanged"),
        namespace: MANAGER_PATH,
        argument: None,
    }],
};

/// Reports what networkd says, as long as somebody listens. Without networkd, or without a bus, it
/// says so once and waits.
pub async fn run(outbox: Sender<Report>) {
    run_on(Bus::new(SERVICE), StateDirectory::system(), outbox).await;
}

async fn run_on(mut bus: Bus, place: StateDirectory, outbox: Sender<Report>) {
    let mut reporter = AbsenceReporter { outbox: outbox.clone(), reported: false };
    loop {
        let reported = match bus.connect().await {
            Ok((signals, calls)) => {
                let mut session = Session::new(signals, calls, place.clone(), outbox.clone());
                match session.run(&mut reporter).await {
                    Ok(lost) => {
                        bus.lost(&lost);
                        reporter.report(lost.to_string()).await
                    }
                    Err(closed) => Err(closed),
                }
            }
            Err(lost) => reporter.report(lost.to_string()).await,
        };
        if reported.is_err() {
            return;
        }
    }
}

/// Tells once that networkd is not there.
struct AbsenceReporter {
    outbox: Sender<Report>,
    reported: bool,
}

impl AbsenceReporter {
    async fn report(&mut self, reason: String) -> Result<(), Closed> {
        if std::mem::replace(&mut self.reported, true) {
            return Ok(());
        }
        self.outbox.send(Report::Absent(reason)).await.map_err(|_| Closed)
    }

    fn is_over(&mut self) {
        self.reported = false;
    }
}

#[cfg(test)]
mod tests;
