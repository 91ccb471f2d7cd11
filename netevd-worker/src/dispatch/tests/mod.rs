//! The engine with real scripts and processes.
//!
//! Scripts must lie below directories that only root, or the user who runs the tests, can write:
//! they are put beside the test binary. Where an ancestor of that is not fit, the tests that run
//! scripts say so and pass.

mod agreement;
mod choice;
mod filters;
mod input;
mod processes;
pub(super) mod support;

use super::*;
use crate::model::EventId;
use crate::model::Outcome;
use support::{Fixture, event, local};

#[test]
fn a_script_runs_and_completes() {
    let Some(mut fixture) = Fixture::new("first") else { return };
    let path =
        fixture.script("etc/routable.d/10-a", "#!/bin/sh\necho \"$1 $2 $LINK $STATE\" >@DIR@/out\nexit 3\n");
    local(async {
        fixture.submit(event(1, EventKind::Routable, 2));
        let done = fixture.next().await;
        assert_eq!((done.event, done.kind, done.link), (EventId(1), EventKind::Routable, LinkId(2)));
        assert_eq!((done.script.clone(), done.outcome), (path, Outcome::Exited(3)));
        assert_eq!(fixture.written("out"), "eth2 routable eth2 routable\n");
        assert!(fixture.dispatcher.is_idle());
        assert_eq!(fixture.dispatcher.counts(), Counts { runs: 1, failures: 1, ..Counts::default() });
    });
}
