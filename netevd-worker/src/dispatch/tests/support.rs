//! A place for scripts, a dispatcher over it, and events to feed it.

use super::super::*;
use crate::model::{Address, Detail, EventId, EventValues, LinkLeases, Track};
use protocol::{Ifindex, InterfaceName};
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Links by number: `eth<number>`, with addresses that a test adds.
#[derive(Default)]
pub(super) struct Links(pub(super) HashMap<LinkId, Arc<LinkFacts>>);

impl Facts for Links {
    fn link(&self, id: LinkId) -> Option<Arc<LinkFacts>> {
        self.0.get(&id).cloned()
    }
}

pub(super) struct Fixture {
    pub(super) dispatcher: Dispatcher,
    pub(super) facts: Links,
    directory: PathBuf,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A directory of its own beside the test binary, `None` (and told) where trust is impossible.
pub(in crate::dispatch) fn place(name: &str) -> Option<PathBuf> {
    let binary = std::env::current_exe().expect("a running test has a file");
    let directory = binary.parent()?.join(format!("dispatch-{}-{name}", std::process::id()));
    if let Err(error) = fs::create_dir_all(&directory) {
        crate::skip::skip(format_args!("{} cannot be made: {error}", directory.display()));
        return None;
    }
    let probe = directory.join("probe");
    write_script(&probe, "#!/bin/sh\n");
    let verdict = judge(&probe, owner(), &Identity::current());
    fs::remove_file(&probe).expect("just written");
    if verdict == Verdict::Runs {
        return Some(directory);
    }
    let _ = fs::remove_dir_all(&directory);
    crate::skip::skip(format_args!("scripts beside the test binary are not trusted here: {verdict}"));
    None
}

pub(in crate::dispatch) fn owner() -> TrustedOwner {
    TrustedOwner::user(nix::unistd::geteuid().as_raw())
}

fn write_script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("in a directory")).expect("writable");
    fs::write(path, text).expect("writable");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
}

/// Runs a test in the kind of runtime that the worker has.
pub(super) fn local<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(60), test).await.expect("no test takes a minute")
    })
}

impl Fixture {
    pub(super) fn new(name: &str) -> Option<Self> {
        Self::with(name, Scripts::default())
    }

    pub(super) fn with(name: &str, settings: Scripts) -> Option<Self> {
        let directory = place(name)?;
        let roots = ScriptRoots::new([directory.join("etc"), directory.join("lib")]);
        let facts = Links((1..=9).map(|n| (LinkId(n), Arc::new(link(n)))).collect());
        Some(Self {
            dispatcher: Dispatcher::new(roots, settings, owner(), Backend::Kernel),
            facts,
            directory,
        })
    }

    /// Writes `<place>/<path>`, executable; `@DIR@` in the text is the place.
    pub(super) fn script(&self, path: &str, text: &str) -> PathBuf {
        let path = self.directory.join(path);
        write_script(&path, &text.replace("@DIR@", &self.directory.to_string_lossy()));
        path
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// What a script wrote, empty if it did not.
    pub(super) fn written(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(super) fn submit(&mut self, event: Event) {
        self.dispatcher.submit(event, &self.facts);
        self.dispatcher.start_due(&self.facts);
    }

    /// The next completion; what may start afterwards has been started.
    pub(super) async fn next(&mut self) -> Completion {
        let completion = self.dispatcher.completed().await;
        self.dispatcher.start_due(&self.facts);
        completion
    }

    /// Runs until nothing is left.
    pub(super) async fn finish(&mut self) -> Vec<Completion> {
        let mut completions = Vec::new();
        while !self.dispatcher.is_idle() {
            completions.push(self.next().await);
        }
        completions
    }

    /// Waits for a file that a script makes.
    pub(super) async fn appears(&self, name: &str) {
        while !self.path(name).exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// `eth<number>` without addresses.
pub(in crate::dispatch) fn link(number: u64) -> LinkFacts {
    LinkFacts {
        ifindex: Ifindex::try_from(u32::try_from(number).expect("small")).expect("positive"),
        name: InterfaceName::new(&format!("eth{number}")).expect("legal"),
        kind: Some("veth".to_owned()),
        state: "routable",
        operstate: "up",
        flags: 0x1_1043,
        mtu: 1_500,
        mac: Some("02:00:5e:10:00:01".to_owned()),
        addresses: Vec::new(),
        gateway: None,
        gateway6: None,
        dns: Vec::new(),
        domains: Vec::new(),
        administrative: None,
        manager: None,
        leases: LinkLeases::default(),
        controller: 0,
        extra: None,
        routes: Vec::new(),
    }
}

pub(in crate::dispatch) fn address(ip: &str, prefix_length: u8) -> Address {
    let ip: IpAddr = ip.parse().expect("an address");
    Address {
        ip,
        prefix_length,
        scope: 0,
        flags: 0x80,
        peer: None,
        broadcast: None,
        label: None,
        preferred_lifetime: u32::MAX,
        valid_lifetime: u32::MAX,
    }
}

pub(in crate::dispatch) fn event(id: u64, kind: EventKind, link: u64) -> Event {
    Event {
        id: EventId(id),
        kind,
        track: Track::Operational,
        link: LinkId(link),
        state: "routable",
        old_state: None,
        startup: false,
        time: UNIX_EPOCH + Duration::from_millis(1_772_357_400_250),
        detail: Detail::None,
        then: EventValues::Present,
    }
}

/// The log lines of one test, level and text and fields, as a terminal would show them.
#[derive(Clone, Default)]
pub(in crate::dispatch) struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Takes what this thread logs until the guard is dropped.
    pub(in crate::dispatch) fn take() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(in crate::dispatch) fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().expect("not poisoned");
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }

    /// The lines that hold `text`.
    pub(in crate::dispatch) fn with(&self, text: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.contains(text)).collect()
    }
}
