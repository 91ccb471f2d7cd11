//! Who is in the files, who is not, and a getent that answers, refuses or says nothing.

use super::*;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// Files of a test's own, and a getent that is this script.
struct TestDirectory(PathBuf);

impl TestDirectory {
    fn new(name: &str, getent: &str) -> TestDirectory {
        let place = TestDirectory(
            std::env::temp_dir().join(format!("netevd-accounts-{name}-{}", std::process::id())),
        );
        fs::create_dir_all(&place.0).expect("a directory");
        let passwd = "root:x:0:0::/:/bin/sh\nbroken\nnetevd:x:990:991::/:/bin/false\n";
        fs::write(place.at("passwd"), passwd).expect("written");
        fs::write(place.at("group"), "root:x:0:\nadm:x:4:alice,bob\nnetevd:x:991:bob\n").expect("written");
        fs::write(place.at("getent"), format!("#!/bin/sh\n{getent}\n")).expect("written");
        fs::set_permissions(place.at("getent"), fs::Permissions::from_mode(0o755)).expect("executable");
        place
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    fn with<T>(&self, look: impl FnOnce(&UserDb<'_>) -> T) -> T {
        let (passwd, group, getent) = (self.at("passwd"), self.at("group"), self.at("getent"));
        let patience = Duration::from_millis(300);
        look(&UserDb { passwd: &passwd, group: &group, getent: &getent, patience })
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn who_is_in_the_files_is_not_asked_for() {
    let place = TestDirectory::new("files", "touch \"${0%/*}/asked\"; exit 1");
    place.with(|user_db| {
        assert_eq!(user_db.user("netevd").expect("known"), Some(Account { uid: 990, gid: 991 }));
        assert_eq!(user_db.user_of(0).expect("known"), Some(Account { uid: 0, gid: 0 }));
        assert_eq!(user_db.group("adm").expect("known"), Some(4));
        assert!(!fs::exists(place.at("asked")).expect("readable"));
        assert!(user_db.user("nobody").is_err(), "and others are");
        assert!(fs::exists(place.at("asked")).expect("readable"));
    });
}

#[test]
fn who_is_not_in_the_files_is_asked_for() {
    let answers = "case \"$*\" in\n\
        'passwd carol'|'passwd 5000') echo carol:x:5000:5001::/home/carol:/bin/sh ;;\n\
        'group staff') echo staff:x:5002:carol ;;\n\
        'initgroups carol') echo 'carol 5002 5003' ;;\n\
        *) exit 2 ;; esac";
    TestDirectory::new("asked", answers).with(|user_db| {
        let carol = Some(Account { uid: 5000, gid: 5001 });
        assert_eq!(user_db.user("carol").expect("an answer"), carol);
        assert_eq!(user_db.user_of(5000).expect("an answer"), carol);
        assert_eq!(user_db.group("staff").expect("an answer"), Some(5002));
        assert_eq!(user_db.groups_of("carol").expect("an answer"), [5002, 5003]);
        assert_eq!(user_db.user("dave").expect("an answer"), None);
        // getent takes a number for a uid: it is nobody's name.
        assert_eq!(user_db.user("5000").expect("an answer"), None);
    });
}

#[test]
fn what_is_no_name_is_not_asked_for() {
    TestDirectory::new("names", "touch \"${0%/*}/asked\"; echo evil:x:0:0:::").with(|user_db| {
        for name in ["", "-s", "a\nb", "a:b", "a\0b"] {
            assert_eq!(user_db.user(name).expect("an answer"), None, "{name:?}");
        }
        assert!(!fs::exists(user_db.getent.replace("getent", "asked")).expect("readable"));
        assert_eq!(user_db.user("mallory").expect("an answer"), None, "the answer is for another name");
    });
}

#[test]
fn a_directory_that_is_silent_or_endless_is_given_up() {
    TestDirectory::new("silent", "exec sleep 60").with(|user_db| {
        assert_eq!(user_db.user("carol").expect_err("no answer").kind(), io::ErrorKind::TimedOut);
    });
    TestDirectory::new("endless", "exec yes carol").with(|user_db| {
        assert!(user_db.user("carol").expect_err("no end").to_string().contains("end"));
    });
}

#[test]
fn without_getent_there_are_the_files() {
    let place = TestDirectory::new("without", "");
    fs::remove_file(place.at("getent")).expect("removed");
    place.with(|user_db| {
        assert_eq!(user_db.user("carol").expect("an answer"), None);
        assert_eq!(user_db.groups_of("bob").expect("an answer"), [4, 991]);
    });
}

#[test]
fn this_host_knows_root() {
    let root = Some(Account { uid: 0, gid: 0 });
    assert_eq!(user("root").expect("an answer"), root);
    assert_eq!(user_of(0).expect("an answer"), root);
    assert_eq!(group("root").expect("an answer"), Some(0));
    assert_eq!(user("netevd-nobody-at-all").expect("an answer"), None);
    assert!(groups_of("root").is_ok());
}
