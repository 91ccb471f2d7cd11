//! Starts a script of a file system that may not answer: its file is judged and executed on a thread, so that
//! nobody but this one script waits for it.

use super::engine::{Report, feed_or_log};
use super::remote_fs::{SCRIPT_TIMEOUT, on_thread};
use super::run::{self, Ended};
use super::stdin::Feed;
use super::{Dispatcher, Input, Verdict, group, judge, remote, text};
use crate::model::LinkId;
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::rc::Rc;
use std::time::Instant;

/// A process that was started on a thread. Nobody waits for it any more when this is dropped: it ends.
struct Started(Option<(Child, Feed)>);

impl Drop for Started {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.0.take() {
            group::signal(child.id(), Signal::SIGKILL);
            let _ = child.wait();
        }
    }
}

impl Dispatcher {
    /// `point` is where the file system is mounted.
    pub(super) fn start_on_remote_fs(&mut self, link: LinkId, path: PathBuf, point: &Path, input: &Input) {
        let Some(run) = self.run_of(link, path, input) else { return };
        let word = text::shown(point);
        let silent = format!("the file system on {word} does not answer; look: findmnt {word}");
        if self.directories.remote_fs.is_silent(point) {
            return self.never_started(run, silent);
        }
        let stop = self.stop.subscribe();
        let (owner, identity, runner) = (self.owner, self.identity.clone(), self.runner.clone());
        let (document, input) = (self.document(link), input.clone());
        self.processes.spawn_local(async move {
            let (script, kind, given) = (run.script.clone(), run.kind, input.clone());
            let is_ours = runner.is_none();
            let work = move || {
                match judge(&script, owner, &identity) {
                    Verdict::Runs => {}
                    verdict => return Err(verdict.to_string()),
                }
                let why = |error: std::io::Error| run::why_not_started(&script, &error);
                if is_ours {
                    let (mut command, feed) = run::command(&script, kind, &given).map_err(why)?;
                    let child = run::spawn(&mut command).map_err(why)?;
                    return Ok(Started(Some((child, feed))));
                }
                // The runner executes it: read, it is in this machine's memory.
                std::fs::read(&script).map_err(why)?;
                Ok(Started(None))
            };
            let answer = tokio::select! {
                biased;
                answer = on_thread(SCRIPT_TIMEOUT, work) => answer.unwrap_or(Err(silent)),
                _ = run::stopped(stop.clone()) => Err("the daemon ends".to_owned()),
            };
            let labels = Rc::clone(&run.labels);
            let ended = match (answer.map(|mut started| started.0.take()), runner) {
                (Err(cause), _) => Ended::not_started(cause),
                (Ok(Some((child, feed))), _) => {
                    let rest = feed_or_log(feed, document, &labels);
                    run::attend(child, Instant::now(), labels, run.limit, stop, rest).await
                }
                (Ok(None), None) => Ended::not_started("it was not started".to_owned()),
                (Ok(None), Some(runner)) => match remote::prepare(&run.script, run.kind, &input) {
                    Ok((prepared, feed)) => {
                        let rest = feed_or_log(feed, document, &labels);
                        let whose = (run.script.as_path(), labels, run.limit);
                        remote::run(runner, prepared, whose, stop, rest).await
                    }
                    Err(error) => Ended::not_started(run::why_not_started(&run.script, &error)),
                },
            };
            Report { run, ended }
        });
    }
}
