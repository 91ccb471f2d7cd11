//! What is refused and what is said of it; two users need root.

use super::*;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

struct TestDirectory(PathBuf);

impl TestDirectory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("netevd-checked-{name}-{}", std::process::id()));
        fs::create_dir(&path).expect("a new directory");
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn refused<T>(answer: io::Result<T>) -> String {
    answer.err().expect("refused").to_string()
}

#[test]
fn only_regular_files_are_opened_and_nothing_is_waited_for() {
    let place = TestDirectory::new("kinds");
    fs::write(place.at("file"), "text").expect("written");
    assert_eq!(read(&place.at("file"), 4).expect("readable"), "text");
    assert!(refused(read(&place.at("file"), 3)).contains("more than 3 bytes"));
    mkfifo(&place.at("fifo"), Mode::S_IRWXU).expect("a pipe");
    symlink("file", place.at("link")).expect("a link");
    let _listener = UnixListener::bind(place.at("socket")).expect("a socket");
    fs::create_dir(place.at("directory")).expect("made");
    for (name, what) in [
        ("fifo", "a named pipe"),
        ("link", "a symbolic link to \"file\""),
        ("socket", "a socket"),
        ("directory", "a directory"),
    ] {
        for error in [refused(open(&place.at(name))), refused(open_or_make(&place.at(name)))] {
            assert!(error.contains(what), "{name}: {error}");
        }
    }
    assert!(refused(open(Path::new("/dev/zero"))).contains("a device"));
    assert_eq!(open(&place.at("absent")).expect_err("nothing").kind(), io::ErrorKind::NotFound);
    assert!(open_or_make(&place.at("absent")).is_ok());
    socket(&place.at("socket")).expect("a socket");
    assert!(refused(socket(&place.at("file"))).contains("a file"));
    symlink("socket", place.at("way")).expect("a link");
    assert!(refused(socket(&place.at("way"))).contains("not followed"));
    directory(&place.at("directory")).expect("a directory");
    assert!(refused(directory(&place.at("file"))).contains("no directory"));
}

#[test]
fn a_file_belongs_to_root_or_to_its_directory_s_owner() {
    if !geteuid().is_root() {
        return crate::skip::skip("it needs two users");
    }
    let place = TestDirectory::new("owners");
    let (file, theirs) = (place.at("file"), place.at("theirs"));
    for path in [&file, &theirs] {
        fs::write(path, "").expect("written");
    }
    chown(&theirs, Some(61_001), None).expect("given away");
    assert!(refused(open(&theirs)).contains("belongs to uid 61001, and its directory to uid 0"));
    chown(&place.0, Some(61_001), None).expect("given away");
    open(&theirs).expect("its directory's owner's");
    open(&file).expect("root's");
    chown(&theirs, Some(61_002), None).expect("given away");
    assert!(refused(open(&theirs)).contains("uid 61002"));
    fs::hard_link(&file, place.at("second")).expect("a second name");
    assert!(refused(open(&place.at("second"))).contains("2 names"));
}
