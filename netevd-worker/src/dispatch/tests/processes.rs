//! Processes that do not behave: slow, endless, forking, talkative, impossible to start.

use super::super::*;
use super::support::{Fixture, Log, event, local};
use crate::model::Outcome;
use std::num::NonZeroUsize;

fn settings(timeout: Duration) -> Scripts {
    Scripts { timeout, ..Scripts::default() }
}

/// True while a process lives (a zombie does not).
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

#[test]
fn a_timeout_ends_the_whole_group() {
    let Some(mut fixture) = Fixture::with("timeout", settings(Duration::from_secs(2))) else { return };
    fixture.script(
        "etc/routable.d/a",
        "#!/bin/sh\nsleep 300 &\necho $! >@DIR@/child\necho $$ >@DIR@/leader\nwait\n",
    );
    fixture.script("etc/routable.d/b", "#!/bin/sh\n:\n");
    fixture.dispatcher.grace = Duration::from_secs(50);
    let (log, _guard) = Log::take();
    local(async {
        let clock = Instant::now();
        fixture.submit(event(1, EventKind::Routable, 2));
        let done = fixture.next().await;
        assert_eq!(done.outcome, Outcome::TimedOut);
        assert!(clock.elapsed() < fixture.dispatcher.grace, "TERM was enough: {:?}", clock.elapsed());
        assert!(!lives(&fixture.written("child")) && !lives(&fixture.written("leader")));
        assert_eq!(fixture.next().await.outcome, Outcome::Exited(0), "the event goes on");
    });
    assert_eq!(fixture.dispatcher.counts(), Counts { runs: 2, timeouts: 1, ..Counts::default() });
    assert_eq!(log.with("raise scripts.timeout").len(), 1, "{:?}", log.lines());
}

#[test]
fn what_ignores_term_is_killed_after_the_grace_even_without_its_leader() {
    let Some(mut fixture) = Fixture::new("kill") else { return };
    fixture.dispatcher.reconfigure(settings(Duration::from_secs(1)));
    // The leader dies of TERM, its child ignores it.
    fixture.script(
        "etc/routable.d/a",
        "#!/bin/sh\ntrap '' TERM\n(while :; do sleep 0.05; done) &\necho $! >@DIR@/child\ntrap - TERM\nwait\n",
    );
    fixture.dispatcher.grace = Duration::from_millis(400);
    local(async {
        let clock = Instant::now();
        fixture.submit(event(1, EventKind::Routable, 2));
        let done = fixture.next().await;
        assert_eq!(done.outcome, Outcome::TimedOut);
        assert!(
            clock.elapsed() >= Duration::from_millis(1_400),
            "the grace was given: {:?}",
            clock.elapsed()
        );
        let child = fixture.written("child");
        while lives(&child) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_background_child_that_keeps_its_output_stalls_nothing() {
    let Some(mut fixture) = Fixture::new("background") else { return };
    fixture.script(
        "etc/routable.d/a",
        "#!/bin/sh\n(while ! test -e @DIR@/go; do sleep 0.01; done; echo late line; echo done >@DIR@/done) &\necho early line\n",
    );
    let (log, _guard) = Log::take();
    local(async {
        fixture.submit(event(1, EventKind::Routable, 2));
        let done = fixture.next().await;
        assert_eq!(done.outcome, Outcome::Exited(0));
        assert!(fixture.dispatcher.is_idle() && fixture.written("done").is_empty());
        assert_eq!(log.with("early line").len(), 1);
        std::fs::write(fixture.path("go"), "").expect("writable");
        fixture.appears("done").await;
        while log.with("late line").is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
}

#[test]
fn of_very_many_background_children_the_oldest_lose_their_output() {
    let Some(mut fixture) = Fixture::new("many") else { return };
    fixture.script(
        "etc/address-added.d/a",
        "#!/bin/sh\n(while ! test -e @DIR@/go; do sleep 0.05; done; echo x && echo $EVENT_ID >>@DIR@/alive) &\necho $! >>@DIR@/pids\n",
    );
    local(async {
        for id in 1..=34 {
            fixture.submit(event(id, EventKind::AddressAdded, 2));
        }
        fixture.finish().await;
        std::fs::write(fixture.path("go"), "").expect("writable");
        for pid in fixture.written("pids").lines() {
            while lives(pid) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        let mut alive: Vec<u32> = fixture.written("alive").lines().filter_map(|id| id.parse().ok()).collect();
        alive.sort_unstable();
        assert_eq!(alive, (3..=34).collect::<Vec<_>>());
    });
}

#[test]
fn output_is_labelled_escaped_and_capped() {
    let Some(mut fixture) = Fixture::new("output") else { return };
    fixture.script(
        "etc/routable.d/a",
        "#!/bin/sh\nprintf 'to stdout \\033[31m\\n'; printf 'to stderr \\377\\n' >&2\nprintf 'no newline' \n",
    );
    fixture.script(
        "etc/configured.d/a",
        "#!/bin/sh\ni=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done\n",
    );
    let (log, _guard) = Log::take();
    local(async {
        fixture.submit(event(1, EventKind::Routable, 2));
        fixture.finish().await;
        fixture.submit(event(2, EventKind::Configured, 2));
        fixture.finish().await;
    });
    let out = log.with("to stdout").join("");
    for part in [
        " INFO script: to stdout \\u{1b}[31m",
        "link=\"eth2\"",
        "event=routable",
        "event_id=1",
        "routable.d/a",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(log.with("to stderr \u{fffd}").join("").contains(" WARN script: "));
    assert_eq!(log.with("no newline").len(), 1);
    assert_eq!(log.with("script: line ").len(), 200);
    assert_eq!(log.with("... 800 more lines dropped").len(), 1);
}

#[test]
fn an_endless_printer_neither_hides_its_timeout_nor_stops_others() {
    let Some(mut fixture) = Fixture::with("endless", settings(Duration::from_secs(3))) else { return };
    fixture.script("etc/routable.d/a", "#!/bin/sh\nexec yes\n");
    fixture.script("etc/configured.d/a", "#!/bin/sh\n:\n");
    local(async {
        fixture.submit(event(1, EventKind::Routable, 2));
        fixture.submit(event(2, EventKind::Configured, 3));
        assert_eq!(fixture.next().await.link, LinkId(3));
        assert_eq!(fixture.next().await.outcome, Outcome::TimedOut);
    });
}

#[test]
fn a_slow_script_delays_its_own_link_alone() {
    let Some(mut fixture) = Fixture::new("slow") else { return };
    fixture.script("etc/configured.d/a", "#!/bin/sh\nwhile ! test -e @DIR@/go; do sleep 0.01; done\n");
    fixture.script("etc/routable.d/a", "#!/bin/sh\n:\n");
    local(async {
        fixture.submit(event(1, EventKind::Configured, 2));
        fixture.submit(event(2, EventKind::Routable, 2));
        fixture.submit(event(3, EventKind::Routable, 3));
        let first = fixture.next().await;
        assert_eq!((first.link, first.event.0), (LinkId(3), 3));
        std::fs::write(fixture.path("go"), "").expect("writable");
        let rest: Vec<u64> = fixture.finish().await.iter().map(|done| done.event.0).collect();
        assert_eq!(rest, [1, 2], "in order on its own link");
    });
}

#[test]
fn no_more_processes_than_allowed_and_links_take_turns() {
    let two = Scripts { max_parallel: NonZeroUsize::new(2).expect("not zero"), ..Scripts::default() };
    let Some(mut fixture) = Fixture::with("parallel", two) else { return };
    fixture.script("etc/address-added.d/a", "#!/bin/sh\nsleep 0.03\n");
    local(async {
        for id in 0..9 {
            fixture.dispatcher.submit(event(id, EventKind::AddressAdded, 1 + id / 3), &fixture.facts);
        }
        fixture.dispatcher.start_due(&fixture.facts);
        let (mut most, mut done) = (0, Vec::new());
        while !fixture.dispatcher.is_idle() {
            most = most.max(fixture.dispatcher.running());
            done.push(fixture.next().await);
        }
        assert_eq!(most, 2);
        done.sort_by_key(|done| done.started);
        let order: Vec<u64> = done.iter().map(|done| done.event.0).collect();
        assert_eq!(order.len(), 9);
        assert_eq!(order[..3], [0, 3, 6], "no link waits for another's second event: {order:?}");
    });
}

#[test]
fn a_start_that_fails_says_why_and_how_to_mend_it() {
    let Some(mut fixture) = Fixture::new("unstartable") else { return };
    let missing = fixture.script("etc/routable.d/a", "#!/no/such/interpreter -x\n");
    fixture.script("etc/routable.d/b", "echo no first line\n");
    fixture.script("etc/routable.d/c", "#!/bin/sh\n:\n");
    let (log, _guard) = Log::take();
    local(async {
        fixture.submit(event(1, EventKind::Routable, 2));
        let done = fixture.finish().await;
        let cause = |index: usize| match &done[index].outcome {
            Outcome::NotStarted(cause) => cause.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            cause(0),
            format!(
                "its interpreter /no/such/interpreter is not there; install it, or change the first line of {}",
                missing.display()
            )
        );
        assert!(cause(1).starts_with("it has no first line like #!/bin/sh: sed -i"), "{}", cause(1));
        assert_eq!(done[2].outcome, Outcome::Exited(0), "the others still run");
    });
    assert_eq!(fixture.dispatcher.counts(), Counts { runs: 1, not_started: 2, ..Counts::default() });
    assert_eq!(log.with("not started: ").len(), 2);
}

#[test]
fn a_script_that_is_still_being_written_is_tried_again() {
    let Some(mut fixture) = Fixture::new("busy") else { return };
    let path = fixture.script("etc/routable.d/a", "#!/bin/sh\n:\n");
    std::fs::copy("/bin/true", &path).expect("/bin/true is a binary");
    local(async {
        let writer = std::fs::OpenOptions::new().append(true).open(&path).expect("ours");
        fixture.submit(event(1, EventKind::Routable, 2));
        tokio::time::sleep(Duration::from_millis(30)).await;
        drop(writer);
        assert_eq!(fixture.next().await.outcome, Outcome::Exited(0));
        let _writer = std::fs::OpenOptions::new().append(true).open(&path).expect("ours");
        fixture.submit(event(2, EventKind::Routable, 2));
        let outcome = fixture.next().await.outcome;
        assert!(matches!(&outcome, Outcome::NotStarted(cause) if cause.contains("fuser -v")), "{outcome:?}");
    });
}

#[test]
fn shutdown_ends_what_runs_and_takes_nothing_more() {
    let Some(mut fixture) = Fixture::new("shutdown") else { return };
    fixture.script(
        "etc/routable.d/a",
        "#!/bin/sh\ntrap 'echo ended >@DIR@/ended; exit 0' TERM\n>@DIR@/ready\nsleep 300 & wait\n",
    );
    fixture.script(
        "etc/configured.d/a",
        "#!/bin/sh\ntrap '' TERM\necho $$ >@DIR@/pid\n>@DIR@/ready2\nwhile :; do sleep 0.05; done\n",
    );
    local(async {
        fixture.submit(event(1, EventKind::Routable, 2));
        fixture.submit(event(2, EventKind::Configured, 3));
        fixture.submit(event(3, EventKind::Configured, 2));
        fixture.appears("ready").await;
        fixture.appears("ready2").await;
        let clock = Instant::now();
        fixture.dispatcher.shutdown(Duration::from_millis(300)).await;
        assert!(clock.elapsed() < Duration::from_secs(30));
        assert_eq!(fixture.written("ended"), "ended\n");
        assert!(!lives(&fixture.written("pid")), "killed after the grace");
        fixture.submit(event(4, EventKind::Routable, 2));
        assert!(fixture.dispatcher.is_idle() && fixture.dispatcher.running() == 0);
    });
}

#[test]
fn a_wait_for_completions_may_be_cancelled() {
    let Some(mut fixture) = Fixture::new("cancelled") else { return };
    fixture.script("etc/address-added.d/a", "#!/bin/sh\n:\n");
    local(async {
        for id in 0..20 {
            fixture.dispatcher.submit(event(id, EventKind::AddressAdded, 1 + id % 4), &fixture.facts);
        }
        fixture.dispatcher.start_due(&fixture.facts);
        let mut ran = Vec::new();
        while !fixture.dispatcher.is_idle() {
            tokio::select! {
                biased;
                () = tokio::task::yield_now() => {}
                done = fixture.dispatcher.completed() => ran.push(done.event.0),
            }
            fixture.dispatcher.start_due(&fixture.facts);
        }
        ran.sort_unstable();
        assert_eq!(ran, (0..20).collect::<Vec<_>>());
    });
}
