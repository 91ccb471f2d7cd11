//! Against the file system and inotify as they are, in a directory of the test's own.

use super::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A guard against hangs, no measure.
const HANG: Duration = Duration::from_secs(60);

struct Fixture {
    root: PathBuf,
    inbox: mpsc::Receiver<Report>,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Starts the backend on `*.test` in `directory` below a root of its own; must be called within a
/// runtime. What `prepare` makes is there before.
fn fixture(name: &str, directory: &str, prepare: impl FnOnce(&Path)) -> Fixture {
    let root = std::env::temp_dir().join(format!("netevd-watch-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).expect("writable");
    prepare(&root);
    let (outbox, inbox) = mpsc::channel(16);
    let pattern = root.join(directory).join("*.test").to_string_lossy().into_owned();
    tokio::spawn(run(outbox, vec![pattern]));
    Fixture { root, inbox }
}

impl Fixture {
    async fn report(&mut self) -> String {
        let report = tokio::time::timeout(HANG, self.inbox.recv()).await.expect("a report in time");
        shown(&report.expect("the backend lives"))
    }

    async fn begun(&mut self, leases: &str) {
        assert_eq!(self.report().await, format!("leases {leases}"));
        assert_eq!(self.report().await, "synced");
    }

    /// Reports until the leases are these; what comes before must be announcements and pictures.
    async fn leases(&mut self, expected: &str) -> Vec<String> {
        let mut reports = Vec::new();
        loop {
            reports.push(self.report().await);
            if reports.last().is_some_and(|last| *last == format!("leases {expected}")) {
                return reports;
            }
        }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.join(name), text).expect("writable");
    }
}

/// Interfaces of this machine that have real leases are of no interest.
fn shown(report: &Report) -> String {
    match report {
        Report::Leases(leases) => {
            let ours = leases.iter().filter(|(link, _)| link.as_str().starts_with("t-"));
            let each = ours.map(|(link, leases)| {
                let both = [&leases.v4, &leases.v6];
                let addresses: Vec<String> =
                    both.into_iter().flatten().map(|lease| lease.address.to_string()).collect();
                format!("{link}={}", addresses.join("+"))
            });
            format!("leases {}", each.collect::<Vec<_>>().join(" "))
        }
        Report::LeasesPending => "pending".to_owned(),
        Report::Synced => "synced".to_owned(),
        other => format!("{other:?}"),
    }
}

fn lease(link: &str, last: u8, expire: &str) -> String {
    format!("lease {{\n  interface \"{link}\";\n  fixed-address 192.0.2.{last};\n  expire {expire};\n}}\n")
}

#[test]
fn a_write_is_announced_and_then_told() {
    runtime().block_on(async {
        let mut fixture = fixture("write", "", |root| {
            fs::write(root.join("a.test"), lease("t-0", 1, "never")).expect("writable");
        });
        fixture.begun("t-0=192.0.2.1").await;
        fixture.write("b.test", &lease("t-1", 2, "never"));
        assert_eq!(fixture.report().await, "pending");
        assert_eq!(fixture.report().await, "leases t-0=192.0.2.1 t-1=192.0.2.2");
        fixture.write("other", &lease("t-2", 3, "never"));
        fs::remove_file(fixture.root.join("a.test")).expect("there");
        assert_eq!(fixture.report().await, "pending");
        assert_eq!(fixture.report().await, "leases t-1=192.0.2.2");
        assert!(fixture.inbox.try_recv().is_err(), "a file of another name is no news");
    });
}

#[test]
fn a_half_written_file_is_waited_for() {
    runtime().block_on(async {
        let mut fixture = fixture("half", "", |root| {
            fs::write(root.join("a.test"), lease("t-0", 1, "never")).expect("writable");
        });
        fixture.begun("t-0=192.0.2.1").await;
        // As dhclient does from time to time: truncated, and rewritten, here in two pieces, each
        // of which stands long enough to be read.
        let text = lease("t-0", 1, "never") + &lease("t-0", 2, "never");
        let mut file = fs::File::create(fixture.root.join("a.test")).expect("writable");
        assert_eq!(fixture.report().await, "pending");
        sleep(SETTLE + Duration::from_millis(10)).await;
        let (one, two) = text.split_at(text.len() - 20);
        file.write_all(one.as_bytes()).expect("writable");
        sleep(SETTLE + Duration::from_millis(10)).await;
        file.write_all(two.as_bytes()).expect("writable");
        assert_eq!(fixture.report().await, "leases t-0=192.0.2.2", "nothing is told in between");
    });
}

#[test]
fn a_file_that_stays_half_written_is_taken_as_it_is() {
    runtime().block_on(async {
        let mut fixture = fixture("cut", "", |_| {});
        fixture.begun("").await;
        fixture.write("a.test", &(lease("t-0", 1, "never") + "lease {\n  interface \"t-1"));
        assert_eq!(fixture.report().await, "pending");
        assert_eq!(fixture.report().await, "leases t-0=192.0.2.1");
    });
}

#[test]
fn a_lease_ends_by_itself() {
    runtime().block_on(async {
        let soon = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs() + 2;
        let mut fixture = fixture("end", "", |root| {
            let text = lease("t-0", 1, &format!("epoch {soon}")) + &lease("t-1", 2, "never");
            fs::write(root.join("a.test"), text).expect("writable");
        });
        fixture.begun("t-0=192.0.2.1 t-1=192.0.2.2").await;
        assert_eq!(fixture.report().await, "leases t-1=192.0.2.2");
    });
}

#[test]
fn a_directory_that_appears_later_goes_and_comes_back() {
    runtime().block_on(async {
        let mut fixture = fixture("later", "one/two", |_| {});
        fixture.begun("").await;
        for round in 1..3 {
            fs::create_dir(fixture.root.join("one")).expect("new");
            fs::create_dir(fixture.root.join("one/two")).expect("new");
            fixture.write("one/two/a.test", &lease("t-0", round, "never"));
            fixture.leases(&format!("t-0=192.0.2.{round}")).await;
            fixture.write("one/two/a.test", &lease("t-0", round + 10, "never"));
            fixture.leases(&format!("t-0=192.0.2.{}", round + 10)).await;
            fs::remove_dir_all(fixture.root.join("one")).expect("there");
            fixture.leases("").await;
        }
        fs::create_dir(fixture.root.join("one")).expect("new");
        fs::create_dir(fixture.root.join("one/two")).expect("new");
        fixture.write("one/two/a.test", &lease("t-0", 5, "never"));
        fixture.leases("t-0=192.0.2.5").await;
        fs::rename(fixture.root.join("one"), fixture.root.join("away")).expect("there");
        fixture.leases("").await;
        fs::rename(fixture.root.join("away"), fixture.root.join("one")).expect("there");
        fixture.leases("t-0=192.0.2.5").await;
    });
}

#[test]
fn an_unreadable_file_hinders_no_other() {
    if nix::unistd::geteuid().is_root() {
        // Root reads everything: a directory stands for the file that cannot be read.
        runtime().block_on(async {
            let mut fixture = fixture("mode", "", |root| {
                fs::create_dir(root.join("a.test")).expect("new");
                fs::write(root.join("b.test"), lease("t-1", 2, "never")).expect("writable");
            });
            fixture.begun("t-1=192.0.2.2").await;
        });
        return;
    }
    runtime().block_on(async {
        let mut fixture = fixture("mode", "", |root| {
            fs::write(root.join("a.test"), lease("t-0", 1, "never")).expect("writable");
            fs::set_permissions(root.join("a.test"), fs::Permissions::from_mode(0o0)).expect("ours");
            fs::write(root.join("b.test"), lease("t-1", 2, "never")).expect("writable");
        });
        fixture.begun("t-1=192.0.2.2").await;
        fs::set_permissions(fixture.root.join("a.test"), fs::Permissions::from_mode(0o644)).expect("ours");
        fixture.leases("t-0=192.0.2.1 t-1=192.0.2.2").await;
    });
}

#[test]
fn an_overflow_of_the_kernel_s_queue_loses_nothing() {
    runtime().block_on(async {
        let mut fixture = fixture("overflow", "", |_| {});
        fixture.begun("").await;
        let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("inotify");
        let most: u32 = most.trim().parse().expect("a number");
        // Two files in turn, for the kernel merges equal neighbours. Nothing else runs meanwhile.
        for _ in 0..most {
            fixture.write("noise", "");
            fixture.write("more", "");
        }
        fixture.write("a.test", &lease("t-0", 1, "never"));
        fixture.leases("t-0=192.0.2.1").await;
    });
}
