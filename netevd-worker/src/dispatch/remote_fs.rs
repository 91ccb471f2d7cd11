//! Script directories on file systems that may not answer: looked at on a thread, with a deadline. While
//! a file system does not answer, what was listed last goes on.
//!
//! At most one thread looks at each file system; it ends when the file system answers.

use super::mounts::Mounts;
use super::text::shown;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};

/// How long an event waits for a listing. A server that is there answers within a few milliseconds.
const TIMEOUT: Duration = Duration::from_millis(100);
/// How long a script waits for its file to be looked at.
pub(super) const SCRIPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Names in a directory, or why it cannot be listed.
type Names = Result<Vec<OsString>, (io::ErrorKind, String)>;
/// Lists a directory.
type List = fn(&Path) -> Names;

/// The far file systems and what is known of them.
#[derive(Debug)]
pub(super) struct RemoteFs {
    mounts: Mounts,
    list: List,
    /// What each directory held last.
    known: HashMap<PathBuf, Names>,
    /// By mount point: a look that has not ended.
    waiting: HashMap<PathBuf, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    directory: PathBuf,
    kind: String,
    answer: Receiver<Names>,
    since: Instant,
}

impl RemoteFs {
    pub(super) fn new(list: List) -> Self {
        Self { mounts: Mounts::new(), list, known: HashMap::new(), waiting: HashMap::new() }
    }

    /// The mount point of the far file system that a path lies on.
    pub(super) fn point(&mut self, path: &Path) -> Option<PathBuf> {
        self.mounts.remote_fs(path).map(|(point, _)| point)
    }

    /// What a directory on a far file system holds, as far as that is known; `None` for another
    /// directory. `before` is what was known of it while it was near.
    pub(super) fn names(&mut self, directory: &Path, before: &[OsString]) -> Option<Names> {
        let (point, kind) = self.mounts.remote_fs(directory)?;
        self.poll(&point);
        if !self.waiting.contains_key(&point) {
            self.begin(point.clone(), kind, directory);
            self.wait(&point);
        }
        Some(self.known.get(directory).cloned().unwrap_or_else(|| Ok(before.to_vec())))
    }

    /// Whether a look at this file system has been waiting for longer than an answer takes.
    pub(super) fn is_silent(&mut self, point: &Path) -> bool {
        self.poll(point);
        self.waiting.get(point).is_some_and(|waiting| waiting.since.elapsed() >= TIMEOUT)
    }

    /// What does not answer.
    pub(super) fn problem(&self) -> Option<String> {
        let silent = self.waiting.iter().filter(|(_, waiting)| waiting.since.elapsed() >= TIMEOUT);
        let (point, Waiting { directory, kind, since, .. }) =
            silent.min_by_key(|(_, waiting)| waiting.since)?;
        Some(format!(
            "{} does not answer, since {} s: the file system {kind} on {}; what was listed last goes on without \
             its scripts; look: findmnt {}",
            shown(directory),
            since.elapsed().as_secs(),
            shown(point),
            shown(point)
        ))
    }

    fn begin(&mut self, point: PathBuf, kind: String, directory: &Path) {
        let (sender, answer) = channel();
        let (list, path) = (self.list, directory.to_owned());
        let look = move || drop(sender.send(list(&path)));
        match std::thread::Builder::new().name("far-scripts".to_owned()).spawn(look) {
            Ok(_) => {
                let waiting =
                    Waiting { directory: directory.to_owned(), kind, answer, since: Instant::now() };
                self.waiting.insert(point, waiting);
            }
            Err(error) => {
                self.known.insert(directory.to_owned(), Err((error.kind(), format!("no thread: {error}"))));
            }
        }
    }

    /// Once for each look.
    fn wait(&mut self, point: &Path) {
        let Some(waiting) = self.waiting.get(point) else { return };
        match waiting.answer.recv_timeout(TIMEOUT) {
            Ok(names) => self.answered(point, names),
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!("{}", self.problem().unwrap_or_default());
            }
            Err(RecvTimeoutError::Disconnected) => drop(self.waiting.remove(point)),
        }
    }

    fn poll(&mut self, point: &Path) {
        let Some(waiting) = self.waiting.get(point) else { return };
        match waiting.answer.try_recv() {
            Ok(names) => {
                tracing::info!(
                    "{} answers again, after {} s",
                    shown(point),
                    waiting.since.elapsed().as_secs()
                );
                self.answered(point, names);
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => drop(self.waiting.remove(point)),
        }
    }

    fn answered(&mut self, point: &Path, names: Names) {
        if let Some(waiting) = self.waiting.remove(point) {
            self.known.insert(waiting.directory, names);
        }
    }
}

/// Does something that may never end on a thread, and waits for it as long as `patience`.
pub(crate) async fn on_thread<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, answer) = tokio::sync::oneshot::channel();
    let work = move || drop(sender.send(work()));
    std::thread::Builder::new().name("far-scripts".to_owned()).spawn(work).ok()?;
    tokio::time::timeout(patience, answer).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// What the file system of the test answers; held while it does not.
    static DISK: Mutex<Vec<&str>> = Mutex::new(Vec::new());

    fn list(_: &Path) -> Names {
        let names = DISK.lock().map_err(|_| (io::ErrorKind::Other, String::new()))?;
        Ok(names.iter().map(OsString::from).collect())
    }

    #[test]
    fn what_was_listed_last_goes_on_while_nothing_answers() {
        let point = PathBuf::from("/far");
        let mut remote_fs = RemoteFs { mounts: Mounts::of("/far", "nfs"), ..RemoteFs::new(list) };
        let directory = Path::new("/far/netevd/routable.d");
        assert_eq!(remote_fs.names(Path::new("/near/x"), &[]), None);
        *DISK.lock().expect("free") = vec!["10-a"];
        let one: Names = Ok(vec!["10-a".into()]);
        assert_eq!(remote_fs.names(directory, &[]), Some(one.clone()));
        assert_eq!(remote_fs.problem(), None);
        {
            let mut disk = DISK.lock().expect("free");
            disk.push("20-b");
            let start = Instant::now();
            assert_eq!(remote_fs.names(directory, &[]), Some(one.clone()), "the last known");
            assert!(start.elapsed() >= TIMEOUT);
            // Only the first look waits; another directory has what it had before.
            let start = Instant::now();
            assert_eq!(remote_fs.names(directory, &[]), Some(one));
            let before: [OsString; 1] = ["30-c".into()];
            assert_eq!(remote_fs.names(Path::new("/far/netevd/mtu.d"), &before), Some(Ok(before.to_vec())));
            assert!(start.elapsed() < TIMEOUT);
            assert!(remote_fs.is_silent(&point));
            let problem = remote_fs.problem().expect("it is silent");
            assert!(
                problem.contains("/far/netevd/routable.d does not answer") && problem.contains("nfs on /far")
            );
        }
        while remote_fs.is_silent(&point) {
            std::thread::yield_now();
        }
        let two: Names = Ok(vec!["10-a".into(), "20-b".into()]);
        assert_eq!(remote_fs.names(directory, &[]), Some(two));
        assert_eq!(remote_fs.problem(), None);
    }
}
