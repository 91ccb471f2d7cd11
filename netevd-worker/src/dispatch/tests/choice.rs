//! Which files run, in which order, and what is said of the others.

use super::super::*;
use super::support::{Bench, Log, event, local, owner};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

fn names(done: &[Completion]) -> Vec<String> {
    done.iter().map(|d| d.script.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect()
}

const TELL: &str = "#!/bin/sh\necho \"$0\" >>@DIR@/ran\n";

#[test]
fn order_and_precedence_over_all_directories() {
    let Some(mut bench) = Bench::new("order") else { return };
    for path in [
        "lib/routable.d/10-first",
        "etc/routable.d/20-second",
        "lib/routable.d/30-third",
        "etc/routable.d/B-upper",
        "etc/routable.d/a-lower",
        "lib/routable.d/20-second",
        "lib/routable.d/50-masked",
        "etc/routable.d/20-second.dpkg-old",
        "etc/routable.d/a~",
        "etc/routable.d/.hidden",
    ] {
        bench.script(path, TELL);
    }
    symlink("/dev/null", bench.path("etc/routable.d/50-masked")).expect("writable");
    local(async {
        assert!(bench.dispatcher.wanted(EventKind::Routable) && !bench.dispatcher.wanted(EventKind::Mtu));
        bench.submit(event(1, EventKind::Routable, 2));
        let done = bench.finish().await;
        assert_eq!(names(&done), ["10-first", "20-second", "30-third", "B-upper", "a-lower"]);
    });
    let expected: String = [
        "lib/routable.d/10-first",
        "etc/routable.d/20-second",
        "lib/routable.d/30-third",
        "etc/routable.d/B-upper",
        "etc/routable.d/a-lower",
    ]
    .map(|path| format!("{}\n", bench.path(path).display()))
    .concat();
    assert_eq!(bench.written("ran"), expected);
}

#[test]
fn a_refused_script_is_told_once_and_masks_all_the_same() {
    let Some(mut bench) = Bench::new("told") else { return };
    let path = bench.script("etc/routable.d/a", TELL);
    bench.script("lib/routable.d/a", TELL);
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("ours");
    mode(0o777);
    let (log, _guard) = Log::take();
    local(async {
        for id in 1..=3 {
            bench.submit(event(id, EventKind::Routable, 2));
            assert!(bench.finish().await.is_empty(), "neither it nor the one beneath it");
        }
        let line = format!(
            "{0} is writable by group and others (mode 0777); to fix it: chmod go-w {0}",
            path.display()
        );
        assert_eq!(log.with(&line).len(), 1, "{:?}", log.lines());
        mode(0o644);
        bench.submit(event(4, EventKind::Routable, 2));
        assert_eq!(log.with("is not executable").len(), 1, "the verdict has changed");
        mode(0o755);
        bench.submit(event(5, EventKind::Routable, 2));
        assert_eq!(bench.finish().await.len(), 1);
        assert_eq!(log.with("no longer refused").len(), 1);
    });
    assert_eq!(bench.dispatcher.counts(), Counts { runs: 1, refused_scripts: 4, ..Counts::default() });
}

/// CVE-2022-29800: between the discovery of scripts and their run one could be exchanged.
#[test]
fn what_is_exchanged_after_its_discovery_is_judged_as_it_is_then() {
    let Some(mut bench) = Bench::new("exchanged") else { return };
    let exchange = "#!/bin/sh\ncd @DIR@/etc/routable.d && chmod o+w 20-second && mv 30-third ../../aside && chmod o+w ../../aside &&
        ln -s ../../aside 30-third\n";
    bench.script("etc/routable.d/10-first", exchange);
    for name in ["20-second", "30-third", "40-fourth"] {
        bench.script(&format!("etc/routable.d/{name}"), TELL);
    }
    local(async {
        bench.submit(event(1, EventKind::Routable, 2));
        assert_eq!(names(&bench.finish().await), ["10-first", "40-fourth"]);
    });
    assert_eq!(bench.dispatcher.counts(), Counts { runs: 2, refused_scripts: 2, ..Counts::default() });
}

#[test]
fn a_survey_names_every_file_and_every_stray_directory() {
    let Some(bench) = Bench::new("survey") else { return };
    for path in
        ["etc/routable.d/20-b", "lib/routable.d/20-b", "lib/routable.d/10-a", "etc/routable.d/c.rpmsave"]
    {
        bench.script(path, TELL);
    }
    bench.script("etc/routeable.d/a", TELL);
    bench.script("etc/netevd.yaml.d/a", TELL);
    let roots = ScriptRoots::new([bench.path("etc"), bench.path("lib")]);
    let found = survey(&roots, owner(), &Identity::current());
    let entries: Vec<(PathBuf, String)> =
        found.entries.into_iter().map(|entry| (entry.path, entry.verdict.to_string())).collect();
    let masked = format!("masked by {}", bench.path("etc/routable.d/20-b").display());
    assert_eq!(
        entries,
        [
            (bench.path("lib/routable.d/10-a"), "runs".to_owned()),
            (bench.path("etc/routable.d/20-b"), "runs".to_owned()),
            (bench.path("lib/routable.d/20-b"), masked),
            (
                bench.path("etc/routable.d/c.rpmsave"),
                "skipped: left by the package manager (.dpkg-*, .rpm*, .ucf-*, .pacnew)".to_owned()
            ),
        ]
    );
    assert_eq!(found.strays, [Stray { path: bench.path("etc/routeable.d"), nearest: Some("routable.d") }]);
}

#[test]
fn what_is_skipped_is_told_to_the_script_and_counted() {
    let Some(mut bench) = Bench::new("skipped") else { return };
    bench.script("etc/link-added.d/a", "#!/bin/sh\nwhile ! test -e @DIR@/go; do sleep 0.01; done\n");
    for kind in ["carrier", "routable", "no-carrier"] {
        bench.script(&format!("etc/{kind}.d/a"), "#!/bin/sh\necho \"$EVENT $SKIPPED\" >>@DIR@/ran\n");
    }
    local(async {
        bench.submit(event(1, EventKind::LinkAdded, 2));
        for (id, kind) in (2..).zip([EventKind::Carrier, EventKind::Routable, EventKind::NoCarrier]) {
            bench.submit(event(id, kind, 2));
        }
        bench.submit(event(5, EventKind::Carrier, 2));
        std::fs::write(bench.path("go"), "").expect("writable");
        bench.finish().await;
    });
    assert_eq!(bench.written("ran"), "no-carrier 2\ncarrier 0\n");
    assert_eq!(bench.dispatcher.counts().skipped, 2);
}

#[test]
fn a_full_queue_is_told_once_and_counted() {
    let Some(mut bench) = Bench::new("full") else { return };
    let (log, _guard) = Log::take();
    for id in 0..10_000 {
        bench.dispatcher.submit(event(id, EventKind::AddressAdded, 2), &bench.facts);
    }
    assert_eq!(bench.dispatcher.pending(), 8_192);
    assert_eq!(bench.dispatcher.counts().refused_events, 10_000 - 8_192);
    let told = log.with("an event queue is full");
    assert!(told.len() == 1 && told[0].contains("number 2") && told[0].contains("8192"), "{told:?}");
    // Without a script for them they are gone in no time, and nothing was run.
    local(async {
        bench.dispatcher.pump(&bench.facts);
        assert!(bench.dispatcher.is_idle());
    });
}
