//! Which files run, in which order, and what is said of the others.

use super::super::*;
use super::support::{Fixture, Log, event, local, owner};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

fn names(done: &[Completion]) -> Vec<String> {
    done.iter().map(|d| d.script.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect()
}

const TELL: &str = "#!/bin/sh\necho \"$0\" >>@DIR@/ran\n";

#[test]
fn order_and_precedence_over_all_directories() {
    let Some(mut fixture) = Fixture::new("order") else { return };
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
        fixture.script(path, TELL);
    }
    symlink("/dev/null", fixture.path("etc/routable.d/50-masked")).expect("writable");
    local(async {
        assert!(fixture.dispatcher.wanted(EventKind::Routable) && !fixture.dispatcher.wanted(EventKind::Mtu));
        fixture.submit(event(1, EventKind::Routable, 2));
        let done = fixture.finish().await;
        assert_eq!(names(&done), ["10-first", "20-second", "30-third", "B-upper", "a-lower"]);
    });
    let expected: String = [
        "lib/routable.d/10-first",
        "etc/routable.d/20-second",
        "lib/routable.d/30-third",
        "etc/routable.d/B-upper",
        "etc/routable.d/a-lower",
    ]
    .map(|path| format!("{}\n", fixture.path(path).display()))
    .concat();
    assert_eq!(fixture.written("ran"), expected);
}

#[test]
fn a_refused_script_is_told_once_and_masks_all_the_same() {
    let Some(mut fixture) = Fixture::new("told") else { return };
    let path = fixture.script("etc/routable.d/a", TELL);
    fixture.script("lib/routable.d/a", TELL);
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("ours");
    mode(0o777);
    let (log, _guard) = Log::take();
    local(async {
        for id in 1..=3 {
            fixture.submit(event(id, EventKind::Routable, 2));
            assert!(fixture.finish().await.is_empty(), "neither it nor the one beneath it");
        }
        let line = format!(
            "{0} is writable by group and others (mode 0777); to fix it: chmod go-w {0}",
            path.display()
        );
        assert_eq!(log.with(&line).len(), 1, "{:?}", log.lines());
        mode(0o644);
        fixture.submit(event(4, EventKind::Routable, 2));
        assert_eq!(log.with("is not executable").len(), 1, "the verdict has changed");
        mode(0o755);
        fixture.submit(event(5, EventKind::Routable, 2));
        assert_eq!(fixture.finish().await.len(), 1);
        assert_eq!(log.with("no longer refused").len(), 1);
    });
    assert_eq!(fixture.dispatcher.counts(), Counts { runs: 1, refused_scripts: 4, ..Counts::default() });
}

/// CVE-2022-29800: between the discovery of scripts and their run one could be exchanged.
#[test]
fn what_is_exchanged_after_its_discovery_is_judged_as_it_is_then() {
    let Some(mut fixture) = Fixture::new("exchanged") else { return };
    let exchange = "#!/bin/sh\ncd @DIR@/etc/routable.d && chmod o+w 20-second && mv 30-third ../../aside && chmod o+w ../../aside &&
        ln -s ../../aside 30-third\n";
    fixture.script("etc/routable.d/10-first", exchange);
    for name in ["20-second", "30-third", "40-fourth"] {
        fixture.script(&format!("etc/routable.d/{name}"), TELL);
    }
    local(async {
        fixture.submit(event(1, EventKind::Routable, 2));
        assert_eq!(names(&fixture.finish().await), ["10-first", "40-fourth"]);
    });
    assert_eq!(fixture.dispatcher.counts(), Counts { runs: 2, refused_scripts: 2, ..Counts::default() });
}

#[test]
fn a_survey_names_every_file_and_every_stray_directory() {
    let Some(fixture) = Fixture::new("survey") else { return };
    for path in
        ["etc/routable.d/20-b", "lib/routable.d/20-b", "lib/routable.d/10-a", "etc/routable.d/c.rpmsave"]
    {
        fixture.script(path, TELL);
    }
    fixture.script("etc/routeable.d/a", TELL);
    fixture.script("etc/netevd.yaml.d/a", TELL);
    let roots = ScriptRoots::new([fixture.path("etc"), fixture.path("lib")]);
    let found = survey(&roots, owner(), &Identity::current());
    let entries: Vec<(PathBuf, String)> =
        found.entries.into_iter().map(|entry| (entry.path, entry.verdict.to_string())).collect();
    let masked = format!("masked by {}", fixture.path("etc/routable.d/20-b").display());
    assert_eq!(
        entries,
        [
            (fixture.path("lib/routable.d/10-a"), "runs".to_owned()),
            (fixture.path("etc/routable.d/20-b"), "runs".to_owned()),
            (fixture.path("lib/routable.d/20-b"), masked),
            (
                fixture.path("etc/routable.d/c.rpmsave"),
                "skipped: left by the package manager (.dpkg-*, .rpm*, .ucf-*, .pacnew)".to_owned()
            ),
        ]
    );
    assert_eq!(
        found.strays,
        [UnknownDirectory { path: fixture.path("etc/routeable.d"), nearest: Some("routable.d") }]
    );
}

#[test]
fn what_is_skipped_is_told_to_the_script_and_counted() {
    let Some(mut fixture) = Fixture::new("skipped") else { return };
    fixture.script("etc/link-added.d/a", "#!/bin/sh\nwhile ! test -e @DIR@/go; do sleep 0.01; done\n");
    for kind in ["carrier", "routable", "no-carrier"] {
        fixture.script(&format!("etc/{kind}.d/a"), "#!/bin/sh\necho \"$EVENT $SKIPPED\" >>@DIR@/ran\n");
    }
    local(async {
        fixture.submit(event(1, EventKind::LinkAdded, 2));
        for (id, kind) in (2..).zip([EventKind::Carrier, EventKind::Routable, EventKind::NoCarrier]) {
            fixture.submit(event(id, kind, 2));
        }
        fixture.submit(event(5, EventKind::Carrier, 2));
        std::fs::write(fixture.path("go"), "").expect("writable");
        fixture.finish().await;
    });
    assert_eq!(fixture.written("ran"), "no-carrier 2\ncarrier 0\n");
    assert_eq!(fixture.dispatcher.counts().skipped, 2);
}

#[test]
fn a_full_queue_is_told_once_and_counted() {
    let Some(mut fixture) = Fixture::new("full") else { return };
    let (log, _guard) = Log::take();
    for id in 0..10_000 {
        fixture.dispatcher.submit(event(id, EventKind::AddressAdded, 2), &fixture.facts);
    }
    assert_eq!(fixture.dispatcher.pending(), 8_192);
    assert_eq!(fixture.dispatcher.counts().refused_events, 10_000 - 8_192);
    let reported = log.with("an event queue is full");
    assert!(
        reported.len() == 1 && reported[0].contains("number 2") && reported[0].contains("8192"),
        "{reported:?}"
    );
    // Without a script for them they are gone in no time, and nothing was run.
    local(async {
        fixture.dispatcher.start_due(&fixture.facts);
        assert!(fixture.dispatcher.is_idle());
    });
}
