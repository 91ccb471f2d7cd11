//! `auto`: the first of networkd, NetworkManager and dhclient that is there; else the kernel alone,
//! until one of them appears.
//!
//! It decides for a manager once: which one has a host does not change while it runs, and a manager
//! that restarts is waited for by its backend.

use super::bus::{Bus, BusEvent, Calls, Service};
use super::{REPORTS, Report, dhclient, source};
use crate::model::Backend;
use std::time::Duration;
use tokio::sync::mpsc;

/// The bus names of managers, in order of preference.
const MANAGERS: [(&str, Backend); 2] = [
    ("org.freedesktop.network1", Backend::Networkd),
    ("org.freedesktop.NetworkManager", Backend::NetworkManager),
];
/// Between two looks for a bus where there is none: a container may never have one.
const WITHOUT_BUS: Duration = Duration::from_secs(60);

/// Decides, and runs what it decided for.
pub(super) async fn run(outbox: mpsc::Sender<Report>, lease_files: Vec<String>) {
    let mut chosen = first(&lease_files).await;
    if chosen == Backend::Kernel {
        let there_is_none = "no network manager is there: the kernel's view alone counts, until one appears";
        for report in [Report::Chosen(chosen), Report::Absent(there_is_none.to_owned())] {
            if outbox.send(report).await.is_err() {
                return;
            }
        }
        chosen = appeared(&lease_files).await;
    }
    if outbox.send(Report::Chosen(chosen)).await.is_ok() {
        source::run(chosen, outbox, lease_files).await;
    }
}

/// The bus itself.
const BUS: &str = "org.freedesktop.DBus";

/// What is there now.
async fn first(lease_files: &[String]) -> Backend {
    if let Ok(calls) = Calls::connect(BUS, None).await {
        for (name, backend) in MANAGERS {
            if is_owned(&calls, name).await {
                return backend;
            }
        }
    }
    if dhclient::has_leases(lease_files) { Backend::Dhclient } else { Backend::Kernel }
}

async fn is_owned(calls: &Calls, name: &str) -> bool {
    let answer = calls.call(BUS, "/org/freedesktop/DBus", BUS, "NameHasOwner", &(name,)).await;
    answer.is_ok_and(|message| message.body().deserialize::<bool>().unwrap_or_default())
}

/// Waits for the first that comes.
async fn appeared(lease_files: &[String]) -> Backend {
    let [(networkd, _), (networkmanager, _)] = MANAGERS;
    tokio::select! {
        () = on_the_bus(Service { name: networkd, user: Some("systemd-network"), signals: &[] }) => {
            Backend::Networkd
        }
        () = on_the_bus(Service { name: networkmanager, user: None, signals: &[] }) => Backend::NetworkManager,
        () = a_lease(lease_files) => Backend::Dhclient,
    }
}

async fn on_the_bus(service: Service) {
    loop {
        // By hand rather than with back-off: there may never be a bus.
        let Ok((mut signals, _calls)) = Bus::new(service).connect().await else {
            crate::clock::sleep(WITHOUT_BUS).await;
            continue;
        };
        while let Ok(event) = signals.next().await {
            if matches!(event, BusEvent::Appeared) {
                return;
            }
        }
    }
}

/// Lets dhclient's backend watch, and waits for its first lease.
async fn a_lease(lease_files: &[String]) {
    let (outbox, mut reports) = mpsc::channel(REPORTS);
    let watch = dhclient::run(outbox, lease_files.to_vec());
    let found = async {
        while let Some(report) = reports.recv().await {
            if matches!(report, Report::Leases(leases) if !leases.is_empty()) {
                return;
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        () = watch => std::future::pending().await,
        () = found => {}
    }
}
