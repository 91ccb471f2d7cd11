//! The writer on a real disk, by a clock of the test's own; the verifier on every kind of tampering.

use super::writer::Thread;
use super::*;
use crate::metrics::{Gauges, Metrics};
use proptest::prelude::*;
use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

thread_local! {
    static CLOCK: Cell<u64> = const { Cell::new(0) };
}

/// 2026-03-01, a Sunday.
const FIRST: u64 = 20_513;

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(CLOCK.get())
}

fn set_day(day: u64) {
    CLOCK.set(day * 86_400 + 3_600);
}

/// A directory of its own that goes with it.
struct TestDirectory(PathBuf);

impl TestDirectory {
    fn new(name: &str) -> Self {
        Self::below(&std::env::temp_dir(), name)
    }

    /// In memory, where there is such a file system: a stop waits two seconds for the writer, which a busy
    /// disk may need for a single record.
    fn in_memory(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::below(memory, name) } else { Self::new(name) }
    }

    fn below(directory: &Path, name: &str) -> Self {
        let path = directory.join(format!("netevd-audit-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a directory");
        set_day(FIRST);
        Self(path)
    }

    fn log(&self) -> PathBuf {
        self.0.join("audit.log")
    }

    fn thread(&self) -> (Thread, Metrics, Arc<Shared>) {
        let metrics = Metrics::default();
        let audit = Audit::new(metrics.handle());
        let settings = Settings { enabled: true, path: self.log(), retention_days: 90 };
        let thread = Thread::new(settings, Arc::clone(&audit.shared), clock);
        (thread, metrics, audit.shared)
    }

    fn verify(&self, heads: &[String]) -> Report {
        let files = files_of(&self.log()).expect("readable");
        verify(files.into_iter().map(|file| (name(&file), fs::read(&file).map(std::io::Cursor::new))), heads)
    }

    /// `action` and `details` of each record.
    fn actions(&self) -> Vec<String> {
        let files = files_of(&self.log()).expect("readable");
        let text: String = files.iter().map(|file| fs::read_to_string(file).expect("UTF-8")).collect();
        let parsed = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        parsed.map(|record| record["action"].as_str().expect("text").to_owned()).collect()
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn entry(number: u64) -> Entry {
    Entry::own("test", Path::new("/x"), clock()).with("number", number)
}

fn whole(report: &Report) {
    assert_eq!(report.faults, [], "{report:?}");
}

#[test]
fn a_log_goes_on_over_starts_and_days_and_loses_old_files() {
    let place = TestDirectory::new("days");
    for start in 0..3 {
        let (mut thread, ..) = place.thread();
        thread.begin();
        for day in 0..2 {
            set_day(FIRST + start * 40 + day);
            thread.maintain();
            thread.keep(entry(day));
        }
    }
    let report = place.verify(&[]);
    whole(&report);
    let files: Vec<String> = files_of(&place.log()).expect("readable").iter().map(|p| name(p)).collect();
    assert_eq!(
        files,
        [
            "audit.log.2026-03-01",
            "audit.log.2026-03-02",
            "audit.log.2026-04-10",
            "audit.log.2026-04-11",
            "audit.log.2026-05-20",
            "audit.log"
        ]
        .map(str::to_owned),
    );
    let mode = fs::metadata(place.log()).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let head = report.head.expect("records").hash();

    // Ninety days later; what only looks like one of ours stays.
    let strangers = ["audit.log.2026-03-01.gz", "audit.log.1", "audit.log.2020-02-30", "other.2020-01-01"];
    for stranger in strangers {
        fs::write(place.0.join(stranger), "mine").expect("written");
    }
    set_day(FIRST + 92);
    let (mut thread, ..) = place.thread();
    thread.begin();
    let files: Vec<String> = files_of(&place.log()).expect("readable").iter().map(|p| name(p)).collect();
    assert_eq!(files.first().map(String::as_str), Some("audit.log.2026-04-10"), "{files:?}");
    for stranger in strangers {
        assert!(place.0.join(stranger).exists(), "{stranger}");
    }
    let report = place.verify(std::slice::from_ref(&head));
    whole(&report);
    assert!(report.remarks[0].text.contains("what came before is not here"));
    assert_eq!(place.actions().iter().filter(|action| *action == "audit-retention").count(), 2);
}

#[test]
fn nothing_is_overwritten() {
    let place = TestDirectory::new("taken");
    let (mut thread, _, shared) = place.thread();
    thread.begin();
    let taken = place.0.join("audit.log.2026-03-01");
    fs::write(&taken, "precious").expect("written");
    set_day(FIRST + 1);
    thread.maintain();
    assert!(shared.problem.borrow().as_ref().is_some_and(|text| text.contains("nothing is overwritten")));
    assert_eq!(fs::read_to_string(&taken).expect("there"), "precious");
    assert!(
        thread.patience() > Duration::from_secs(60),
        "it is tried again tomorrow: {:?}",
        thread.patience()
    );
    fs::remove_file(&taken).expect("removed");
    shared.problem.send_replace(None);
    set_day(FIRST + 2);
    thread.retry_now();
    thread.maintain();
    thread.keep(entry(1));
    assert!(place.0.join("audit.log.2026-03-02").exists());
    whole(&place.verify(&[]));
}

#[test]
fn a_file_that_is_renamed_removed_or_shortened_costs_no_link_of_the_chain() {
    let place = TestDirectory::new("moved");
    let (mut thread, ..) = place.thread();
    thread.begin();
    thread.keep(entry(1));
    let aside = place.0.join("aside");
    fs::rename(place.log(), &aside).expect("renamed");
    thread.maintain();
    thread.keep(entry(2));
    let files = [aside.clone(), place.log()];
    let read = |files: &[PathBuf]| {
        verify(files.iter().map(|file| (name(file), fs::read(file).map(std::io::Cursor::new))), &[])
    };
    whole(&read(&files));
    // As logrotate's copytruncate does.
    let copy = place.0.join("copy");
    fs::copy(place.log(), &copy).expect("copied");
    fs::OpenOptions::new().write(true).truncate(true).open(place.log()).expect("truncated");
    thread.maintain();
    thread.keep(entry(3));
    let report = read(&[aside, copy, place.log()]);
    whole(&report);
    let ours = ["audit-start", "test", "audit-file", "test", "audit-truncated", "test"];
    assert_eq!(report.records, u64::try_from(ours.len()).expect("few"));
}

#[test]
fn a_line_that_a_crash_cut_off_stays_and_is_told() {
    for cut in [1, 40] {
        let place = TestDirectory::new(&format!("torn{cut}"));
        let (mut thread, ..) = place.thread();
        thread.begin();
        thread.keep(entry(1));
        drop(thread);
        let text = fs::read(place.log()).expect("there");
        fs::write(place.log(), &text[..text.len() - cut]).expect("written");
        let torn = place.verify(&[]);
        assert_eq!(torn.faults.len(), 1, "{torn:?}");
        let (mut thread, ..) = place.thread();
        thread.begin();
        thread.keep(entry(2));
        drop(thread);
        let report = place.verify(&[]);
        whole(&report);
        assert_eq!(report.remarks.len(), usize::from(cut > 1), "{report:?}");
        assert!(place.actions().contains(&"audit-torn".to_owned()));
        assert!(fs::read(place.log()).expect("there").starts_with(&text[..text.len() - cut]));
    }
}

#[test]
fn a_directory_that_is_not_there_yet_is_told_and_what_is_missing_is_counted() {
    let place = TestDirectory::new("absent");
    fs::remove_dir(&place.0).expect("removed");
    let (mut thread, metrics, shared) = place.thread();
    thread.begin();
    let problem = shared.problem.borrow().clone().expect("a problem");
    assert!(problem.contains("install -d") && problem.contains("netevd-audit-absent"), "{problem}");
    for number in 0..5 {
        thread.keep(entry(number));
    }
    fs::create_dir(&place.0).expect("made");
    thread.retry_now();
    thread.keep(entry(6));
    assert_eq!(*shared.problem.borrow(), None);
    whole(&place.verify(&[]));
    assert_eq!(place.actions(), ["audit-missing", "test"]);
    let line = fs::read_to_string(place.log()).expect("there").lines().next().expect("one").to_owned();
    assert!(line.contains(r#""details":{"disk":5,"queue_full":0,"records":5}"#), "{line}");
    let text = metrics.handle().encode(&Gauges::default(), false);
    assert!(text.contains("netevd_audit_records_lost_total 5\n"), "{text}");
    assert!(text.contains("netevd_audit_records_total 2\n"), "{text}");
}

#[test]
fn links_pipes_and_files_of_another_daemon_are_left_alone() {
    let place = TestDirectory::new("strange");
    let refused = |expected: &str| {
        let (mut thread, _, shared) = place.thread();
        thread.begin();
        let problem = shared.problem.borrow().clone().expect("a problem");
        assert!(problem.contains(expected), "{problem}");
    };
    std::os::unix::fs::symlink(place.0.join("elsewhere"), place.log()).expect("linked");
    refused("symbolic link");
    fs::remove_file(place.log()).expect("removed");
    nix::unistd::mkfifo(&place.log(), nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("a pipe");
    refused("no regular file");
    fs::remove_file(place.log()).expect("removed");
    let (mut thread, ..) = place.thread();
    thread.begin();
    refused("another process");
    assert!(!place.0.join("elsewhere").exists());
}

#[test]
fn a_full_queue_costs_records_and_never_time() {
    let place = TestDirectory::in_memory("queue");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let audit = Audit::new(Metrics::default().handle());
    audit.record(|| panic!("made while it is off"));
    audit.reconfigure(&Settings { enabled: true, path: place.log(), retention_days: 1 });
    let many = u64::try_from(QUEUE * 3).expect("fits");
    for number in 0..many {
        audit.record(|| entry(number));
    }
    runtime.block_on(audit.stop());
    assert!(!audit.is_enabled());
    whole(&place.verify(&[]));
    let text = fs::read_to_string(place.log()).expect("there");
    let mut written = 0;
    let mut missing = 0;
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        written += u64::from(record["action"] == "test");
        missing += record["details"]["queue_full"].as_u64().unwrap_or(0);
    }
    assert_eq!(written + missing, many);
    assert_eq!(text.lines().last().map(|line| line.contains("audit-stop")), Some(true));
}

/// A full queue has no room for the wake-up of a file that was moved.
#[test]
fn a_moved_file_is_let_go_without_a_wake_up() {
    let place = TestDirectory::new("woken");
    let (mut thread, _metrics, shared) = place.thread();
    thread.begin();
    assert!(thread.patience() > Duration::ZERO);
    fs::rename(place.log(), place.0.join("moved")).expect("moved");
    shared.reopen.store(true, Ordering::SeqCst);
    assert_eq!(thread.patience(), Duration::ZERO);
    thread.maintain();
    assert!(thread.patience() > Duration::ZERO);
    assert!(place.log().exists(), "another file is there without a record");
}

#[test]
fn another_configuration_takes_effect_behind_what_is_queued() {
    let place = TestDirectory::in_memory("again");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let audit = Audit::new(Metrics::default().handle());
    let mut settings = Settings { enabled: true, path: place.log(), retention_days: 1 };
    // Each waits for the one before and for its disk, and a stop gives all of them two seconds.
    for number in 0..12 {
        settings.retention_days += 1;
        audit.reconfigure(&settings);
        audit.record(|| entry(number));
    }
    runtime.block_on(audit.stop());
    whole(&place.verify(&[]));
    assert_eq!(place.actions().iter().filter(|action| *action == "test").count(), 12);
    assert_eq!(audit.problem(), None);
}

fn chain(length: u64) -> Vec<Vec<u8>> {
    set_day(FIRST);
    let mut head = Head::default();
    let mut lines = Vec::new();
    for number in 0..length {
        let (line, next) = record::line(entry(number), head);
        lines.push(line);
        head = next;
    }
    lines
}

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect()
}

fn check(text: &[u8], heads: &[String]) -> Report {
    verify([("log".to_owned(), Ok(text))], heads)
}

#[derive(Clone, Debug)]
enum Tampering {
    Byte(usize, u8),
    Remove(usize),
    Insert(usize, usize),
    Swap(usize, usize),
    Cut(usize),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(place, byte)| Tampering::Byte(place, byte)),
        any::<usize>().prop_map(Tampering::Remove),
        (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Tampering::Insert(from, to)),
        (any::<usize>(), any::<usize>()).prop_map(|(one, other)| Tampering::Swap(one, other)),
        any::<usize>().prop_map(Tampering::Cut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// With the head from the journal every change is found; without it, every one but at the end.
    #[test]
    fn every_alteration_is_found(length in 2_u64..12, tampering in tampering()) {
        let lines = chain(length);
        let before = joined(&lines);
        let head = record::Hash::of(lines.last().expect("some")).to_string();
        let clean = check(&before, std::slice::from_ref(&head));
        prop_assert_eq!(&clean.faults, &vec![]);
        let count = lines.len();
        let mut changed = lines.clone();
        let mut after = match tampering {
            Tampering::Byte(place, byte) => {
                let mut text = before.clone();
                let place = place % text.len();
                text[place] = byte;
                text
            }
            Tampering::Remove(place) => { changed.remove(place % count); joined(&changed) }
            Tampering::Insert(from, to) => {
                let line = changed[from % count].clone();
                changed.insert(to % (count + 1), line);
                joined(&changed)
            }
            Tampering::Swap(one, other) => { changed.swap(one % count, other % count); joined(&changed) }
            Tampering::Cut(place) => before[..place % before.len()].to_vec(),
        };
        prop_assume!(after != before);
        // Without its first records a file is what retention leaves.
        let is_later_part = before.ends_with(&after) && after.first() == Some(&b'{');
        let report = check(&after, std::slice::from_ref(&head));
        prop_assert!(is_later_part || !report.faults.is_empty(), "{report:?}");
        // What is not at the end is found from the file alone.
        after.truncate(after.len().min(before.len()));
        let kept = lines.iter().take(count - 1).map(|line| line.len() + 1).sum::<usize>();
        let at_the_end = after.len() < kept && before.starts_with(&after)
            || after.get(..kept) == before.get(..kept);
        prop_assert!(is_later_part || at_the_end || !check(&after, &[]).faults.is_empty());
    }

    #[test]
    fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&text, &[]);
    }
}

#[test]
fn a_fault_has_its_place() {
    let mut lines = chain(9);
    lines[4] = String::from_utf8(lines[4].clone()).expect("UTF-8").replace("test", "tset").into_bytes();
    let report = check(&joined(&lines), &[]);
    assert_eq!(report.faults.len(), 1);
    let fault = &report.faults[0];
    assert_eq!((fault.file.as_str(), fault.line, fault.id), ("log", 6, Some(6)));
}

#[test]
fn a_line_without_an_end_costs_no_memory() {
    let long = vec![b'x'; 3 << 20];
    let report = check(&long, &[]);
    assert_eq!(report.faults.len(), 1);
    assert!(report.faults[0].text.contains("longer than any record"), "{report:?}");
}

#[test]
fn details_are_bounded() {
    let many: Vec<String> = (0..10_000).map(|n| format!("route {n}")).collect();
    let entry = entry(1).with("event_id", 7).with("routes", many);
    let (line, _) = record::line(entry, Head::default());
    assert!(line.len() < 1_000);
    let text = String::from_utf8(line).expect("UTF-8");
    assert!(text.contains("omitted_bytes") && text.contains("\"event_id\":7"), "{text}");
}
