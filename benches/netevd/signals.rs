//! From a signal of networkd to the first instruction of a script: the floor on D-Bus, netevd with
//! the state file there before the signal and without, and networkd-dispatcher where it is
//! installed; one sample in each of the machines after the other, so that a slow second hits all.

use crate::bus::Fake;
use crate::figures::Figures;
use crate::goal::Goal;
use crate::network1::{FIRST, Network1, Word, write_state};
use crate::report::{Report, Row};
use crate::scene::{Scene, Series, WARM_UP};
use crate::support::Host;
use std::path::Path;

const SAMPLES: usize = 1000;
/// The slow ones are sampled once in so many rounds.
const SELDOM: usize = 10;
/// The two states that are signalled in turn, and their directories.
const WORDS: [&str; 2] = ["routable", "degraded"];
pub(crate) const DISPATCHER: &str = "/usr/bin/networkd-dispatcher";
pub(crate) const RULE: &str =
    "type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'";
const FLOOR: &str = "signal_to_script_floor";

pub(crate) fn run(report: &mut Report) {
    let Some([floor, netevd, held, dispatcher]) = measure() else {
        return report.missing("signal_to_script", "signal to script", "it needs root, for a bus");
    };
    let row = Row::new(FLOOR, "signal to script: bare D-Bus read and spawn", "us", Figures::new(floor));
    report.row(row);
    let row = Row::new("signal_to_script", "signal to script: netevd", "us", Figures::new(netevd));
    report.row(row.beside(FLOOR).goal(Goal::Above(300.0)));
    let what = "signal to script: netevd, no state file";
    report.row(Row::new("signal_to_script_held", what, "us", Figures::new(held)));
    let (key, what) = ("signal_to_script_networkd_dispatcher", "signal to script: networkd-dispatcher");
    if dispatcher.is_empty() {
        return report.missing(key, what, "networkd-dispatcher is not installed");
    }
    report.row(Row::new(key, what, "us", Figures::new(dispatcher)).beside(FLOOR));
}

/// Signals one of the two states, in turn, with the state file written before or never.
fn series(scene: &Scene<Word>, writes: bool) -> Series<'_, Word> {
    Series::new(scene, move |Scene { host, fake }, number| {
        let word = WORDS[number % WORDS.len()];
        if writes {
            write_state(host, FIRST, word);
        }
        fake.say((FIRST, word))
    })
}

/// netevd's configuration.
fn config() -> String {
    let link = FIRST.name;
    format!(
        "system: {{ backend: systemd-networkd, startup_events: false }}\n\
         monitoring: {{ interfaces: [{link}] }}\n"
    )
}

/// networkd-dispatcher's machine, where it is installed.
pub(crate) fn dispatcher(name: &str) -> Option<Scene<Word>> {
    if !Path::new(DISPATCHER).exists() {
        return None;
    }
    scene(name)
}

fn scene(name: &str) -> Option<Scene<Word>> {
    Scene::new(name, |host: &Host| -> Fake<Word> { Network1::start(host) })
}

/// Nanoseconds of each sample: the floor, netevd, netevd without a state file, networkd-dispatcher.
fn measure() -> Option<[Vec<i64>; 4]> {
    let bare = scene("bench: floor on D-Bus")?;
    let plain = scene("bench: signals")?;
    let held = scene("bench: signals without a state file")?;
    let _floor = bare.floor(RULE);
    for scene in [&plain, &held] {
        scene.with_probe(&["/etc/netevd/routable.d", "/etc/netevd/degraded.d"]);
    }
    let _daemons = [plain.netevd(&config()), held.netevd(&config())];
    let other = dispatcher("bench: networkd-dispatcher");
    let _dispatcher = other.as_ref().map(|other| {
        other.with_probe(&["/etc/networkd-dispatcher/routable.d", "/etc/networkd-dispatcher/degraded.d"]);
        other.listener(&format!("{DISPATCHER} --verbose"), "Startup complete")
    });

    let mut often = [series(&bare, true), series(&plain, true)];
    let mut seldom = vec![series(&held, false)];
    seldom.extend(other.as_ref().map(|other| series(other, true)));
    for round in 0..WARM_UP + SAMPLES {
        often.iter_mut().for_each(Series::once);
        if round % SELDOM == 0 || round < WARM_UP {
            seldom.iter_mut().for_each(Series::once);
        }
    }
    let [floor, netevd] = often.map(Series::finish);
    let mut seldom = seldom.into_iter().map(Series::finish);
    Some([floor, netevd, seldom.next().unwrap_or_default(), seldom.next().unwrap_or_default()])
}
