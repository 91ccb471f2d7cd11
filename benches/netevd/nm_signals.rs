//! From NetworkManager's word that a device got into another state to the first instruction of a
//! script: the floor on D-Bus, netevd, and NetworkManager's own dispatcher where it is installed; one
//! sample in each of the machines after the other, so that a slow second hits all.

use crate::figures::Figures;
use crate::goal::Goal;
use crate::networkmanager::{ACTIVATED, DISCONNECTED, DISPATCHER, LINKS, NetworkManager, Word};
use crate::report::{Report, Row};
use crate::scene::{Listener, Scene, Series, WARM_UP};
use crate::support::wait_for;
use std::path::Path;
use std::process::Stdio;

/// Half of them `disconnected`, half `activated`.
const SAMPLES: usize = 1000;
const RULE: &str = "type='signal',interface='org.freedesktop.NetworkManager.Device',member='StateChanged'";
/// Where Debian has it, and where others do.
const PROGRAMS: [&str; 2] = ["/usr/lib/NetworkManager/nm-dispatcher", "/usr/libexec/nm-dispatcher"];
const FLOOR: &str = "nm_to_script_floor";
pub(crate) const SCRIPTS: &str = "/etc/NetworkManager/dispatcher.d";

pub(crate) fn run(report: &mut Report) {
    let Some([floor, netevd, dispatcher]) = measure() else {
        return report.missing("nm_to_script", "NetworkManager to script", "it needs root, for a bus");
    };
    let row = Row::new(FLOOR, "NM signal to script: bare D-Bus read and spawn", "us", Figures::new(floor));
    report.row(row);
    let every_other = |skip: usize| netevd.iter().copied().skip(skip).step_by(2).collect();
    let what = "NM signal to script: netevd, disconnected";
    let row = Row::new("nm_to_script", what, "us", Figures::new(every_other(0)));
    report.row(row.beside(FLOOR).goal(Goal::Above(300.0)));
    // It has new addresses then, which are asked for before the script begins.
    let what = "NM signal to script: netevd, activated";
    let row = Row::new("nm_to_script_activated", what, "us", Figures::new(every_other(1)));
    report.row(row.beside(FLOOR));
    let (key, what) = ("nm_to_script_nm_dispatcher", "NM call to script: nm-dispatcher");
    if dispatcher.is_empty() {
        return report.missing(key, what, "nm-dispatcher is not installed");
    }
    report.row(Row::new(key, what, "us", Figures::new(dispatcher)).beside(FLOOR));
}

/// Nanoseconds of each sample: the floor, netevd, nm-dispatcher.
fn measure() -> Option<[Vec<i64>; 3]> {
    let bare = Scene::new("bench: floor on D-Bus", NetworkManager::start)?;
    let plain = Scene::new("bench: NetworkManager", NetworkManager::start)?;
    let _floor = bare.floor(RULE);
    plain.with_probe(&["/etc/netevd/activated.d", "/etc/netevd/disconnected.d"]);
    let config = format!(
        "system: {{ backend: NetworkManager, startup_events: false }}\nmonitoring: {{ interfaces: [{}] }}\n",
        LINKS[0]
    );
    let _daemon = plain.netevd(&config);
    let other = machine("bench: nm-dispatcher");
    let _dispatcher = other.as_ref().map(|other| {
        other.with_probe(&[SCRIPTS]);
        dispatcher(other)
    });

    let state = |scene: &Scene<Word>, number: usize| {
        scene.fake.say(Word::State(if number.is_multiple_of(2) { DISCONNECTED } else { ACTIVATED }))
    };
    let call = |scene: &Scene<Word>, number: usize| {
        let action = if number.is_multiple_of(2) { "down" } else { "up" };
        scene.fake.say(Word::Action { link: LINKS[0], action })
    };
    let mut series = vec![Series::new(&bare, state), Series::new(&plain, state)];
    series.extend(other.as_ref().map(|other| Series::new(other, call)));
    for _ in 0..WARM_UP + SAMPLES {
        series.iter_mut().for_each(Series::once);
    }
    let mut series = series.into_iter().map(Series::finish);
    Some(std::array::from_fn(|_| series.next().unwrap_or_default()))
}

/// nm-dispatcher's machine, where it is installed.
pub(crate) fn machine(name: &str) -> Option<Scene<Word>> {
    PROGRAMS.iter().find(|program| Path::new(program).exists())?;
    Scene::new(name, NetworkManager::start)
}

/// It runs, and does not leave after ten idle seconds.
pub(crate) fn dispatcher(scene: &Scene<Word>) -> Listener {
    let program = PROGRAMS.iter().find(|program| Path::new(program).exists()).expect("it is installed");
    let mut command = scene.host.command(&[program, "--persist"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nsenter starts");
    let bus = "org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus";
    let asks = format!("busctl --no-pager call {bus} GetNameOwner s {DISPATCHER}");
    let is_there = || scene.host.run(&["sh", "-c", &asks]).status == 0;
    wait_for("nm-dispatcher is on the bus", String::new, is_there);
    Listener(child)
}
