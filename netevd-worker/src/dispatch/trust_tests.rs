//! Every refusal, on real files.

use super::*;
use crate::dispatch::tests::support::{owner, place};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

struct TestDirectory(PathBuf);

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl TestDirectory {
    fn new(name: &str) -> Option<Self> {
        let place = TestDirectory(place(name)?);
        fs::create_dir(place.0.join("routable.d")).expect("writable");
        fs::write(place.script(), "#!/bin/sh\n").expect("writable");
        place.mode("routable.d/10-a", 0o755);
        Some(place)
    }

    fn script(&self) -> PathBuf {
        self.0.join("routable.d/10-a")
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.0.join(path), fs::Permissions::from_mode(mode)).expect("ours");
    }

    fn judged(&self) -> Verdict {
        judge(&self.script(), owner(), &Identity::current())
    }
}

/// The component, what was found, and the cure.
fn refusal(verdict: Verdict) -> (PathBuf, String, String) {
    match verdict {
        Verdict::Refused { component, found, cure } => (component, found, cure),
        other => panic!("not refused: {other}"),
    }
}

#[test]
fn modes_that_let_others_write_are_refused_at_every_component() {
    let Some(place) = TestDirectory::new("modes") else { return };
    assert_eq!(place.judged(), Verdict::Runs);
    let directory = place.0.join("routable.d");
    for (path, mode, component, who) in [
        ("routable.d/10-a", 0o775, place.script(), "group (mode 0775)"),
        ("routable.d/10-a", 0o757, place.script(), "others (mode 0757)"),
        ("routable.d/10-a", 0o777, place.script(), "group and others (mode 0777)"),
        ("routable.d", 0o775, directory.clone(), "group (mode 0775)"),
        ("routable.d", 0o1777, directory.clone(), "group and others (mode 1777)"),
        ("", 0o757, place.0.clone(), "others (mode 0757)"),
    ] {
        place.mode(path, mode);
        let (found_at, found, cure) = refusal(place.judged());
        assert_eq!(found_at, component, "{mode:o}");
        assert_eq!(found, format!("is writable by {who}"));
        assert_eq!(cure, format!("chmod go-w {}", quoted(&found_at)));
        place.mode(path, 0o755);
    }
    assert_eq!(place.judged(), Verdict::Runs);
}

#[test]
fn what_is_not_an_ordinary_program_is_refused() {
    let Some(place) = TestDirectory::new("ordinary") else { return };
    for (mode, what, cure) in [
        (0o4755, "is setuid or setgid (mode 4755)", "chmod u-s,g-s "),
        (0o2755, "is setuid or setgid (mode 2755)", "chmod u-s,g-s "),
        (0o644, "is not executable by uid", "chmod a+rx "),
    ] {
        place.mode("routable.d/10-a", mode);
        let (component, found, fix) = refusal(place.judged());
        assert_eq!(component, place.script());
        assert!(found.starts_with(what), "{found}");
        assert_eq!(fix, format!("{cure}{}", quoted(&place.script())));
    }
    let script = place.script();
    fs::remove_file(&script).expect("ours");
    fs::create_dir(&script).expect("writable");
    assert_eq!(refusal(place.judged()).1, "is a directory, not a regular file");
    fs::remove_dir(&script).expect("ours");
    nix::unistd::mkfifo(&script, Mode::S_IRWXU).expect("writable");
    assert_eq!(refusal(place.judged()).1, "is a named pipe, not a regular file");
}

#[test]
fn a_link_is_followed_where_its_whole_target_is_trusted_and_dev_null_masks() {
    let Some(place) = TestDirectory::new("links") else { return };
    let script = place.script();
    fs::create_dir_all(place.0.join("store/inner")).expect("writable");
    let target = place.0.join("store/inner/a");
    fs::rename(&script, &target).expect("ours");
    for to in [target.as_os_str(), "../store/inner/a".as_ref(), "../store/./inner/../inner/a".as_ref()] {
        symlink(to, &script).expect("writable");
        assert_eq!(place.judged(), Verdict::Runs, "{}", to.display());
        // Every component of the target is judged.
        for (path, bad, good) in
            [("store", 0o777, 0o755), ("store/inner", 0o1777, 0o755), ("store/inner/a", 0o775, 0o755)]
        {
            place.mode(path, bad);
            assert_eq!(refusal(place.judged()).0, place.0.join(path));
            place.mode(path, good);
        }
        // What is root's in a sticky directory the group cannot replace.
        place.mode("store", 0o1775);
        assert_eq!(place.judged(), Verdict::Runs);
        place.mode("store", 0o755);
        fs::remove_file(&script).expect("ours");
    }
    symlink("10-a", &script).expect("writable");
    assert!(refusal(place.judged()).1.contains("more than 40 symbolic links"));
    fs::remove_file(&script).expect("ours");
    symlink("../store", &script).expect("writable");
    assert_eq!(refusal(place.judged()).1, "is a directory, not a regular file");
    fs::remove_file(&script).expect("ours");
    symlink("/dev/null", &script).expect("writable");
    assert_eq!(place.judged(), Verdict::Masked { by: PathBuf::from("/dev/null") });
    fs::remove_file(&script).expect("ours");
    fs::rename(&target, &script).expect("ours");

    // A directory by a link, in the same way.
    fs::rename(place.0.join("routable.d"), place.0.join("real.d")).expect("ours");
    symlink("real.d", place.0.join("routable.d")).expect("writable");
    assert_eq!(place.judged(), Verdict::Runs);
    place.mode("real.d", 0o775);
    assert_eq!(refusal(place.judged()).0, place.0.join("real.d"));
}

#[test]
fn owners_other_than_root_and_ours_are_refused() {
    let Some(place) = TestDirectory::new("owners") else { return };
    if nix::unistd::geteuid().is_root() {
        for (path, component) in
            [("routable.d/10-a", place.script()), ("routable.d", place.0.join("routable.d"))]
        {
            let at = place.0.join(path);
            if let Err(error) = nix::unistd::chown(&at, Some(4_711.into()), None) {
                crate::skip::skip(format_args!("this user namespace has no second user: {error}"));
                return;
            }
            let (found_at, found, cure) = refusal(place.judged());
            assert_eq!((found_at, found.as_str()), (component, "is owned by uid 4711"));
            assert_eq!(cure, format!("chown root {}", quoted(&at)));
            let theirs = judge(&place.script(), TrustedOwner::user(4_711), &Identity::current());
            assert_eq!(theirs, Verdict::Runs, "a daemon of that user trusts them, and root");
            nix::unistd::chown(&at, Some(0.into()), None).expect("root may");
        }
    } else {
        // Ours are not root's.
        let verdict = judge(&place.script(), TrustedOwner::ROOT, &Identity::current());
        assert!(refusal(verdict).1.starts_with("is owned by uid"));
    }
}

#[test]
fn it_is_judged_for_the_one_who_would_run_it() {
    let Some(place) = TestDirectory::new("identity") else { return };
    let stranger = Identity { uid: 4_711, gids: vec![4_711] };
    let judged = || judge(&place.script(), owner(), &stranger);
    assert_eq!(judged(), Verdict::Runs);
    place.mode("routable.d/10-a", 0o750);
    assert_eq!(refusal(judged()).1, "is not executable by uid 4711 (mode 0750)");
    place.mode("routable.d/10-a", 0o755);
    place.mode("routable.d", 0o700);
    let (component, found, cure) = refusal(judged());
    assert_eq!(component, place.0.join("routable.d"));
    assert_eq!(found, "cannot be searched by uid 4711 (mode 0700)");
    assert_eq!(cure, format!("chmod a+rx {}", quoted(&component)));
    let group = nix::unistd::getegid().as_raw();
    place.mode("routable.d", 0o750);
    let member = Identity { uid: 4_711, gids: vec![4_711, group] };
    assert_eq!(judge(&place.script(), owner(), &member), Verdict::Runs);
}

#[test]
fn paths_that_are_not_plain_are_refused() {
    for path in ["routable.d/10-a", "/etc/../etc/passwd", ""] {
        let verdict = judge(Path::new(path), TrustedOwner::ROOT, &Identity::current());
        assert_eq!(refusal(verdict).1, "is no absolute path without '..'", "{path}");
    }
    let verdict = judge(Path::new("/nonexistent/10-a"), TrustedOwner::ROOT, &Identity::current());
    let (component, found, cure) = refusal(verdict);
    assert_eq!(component, Path::new("/nonexistent"));
    assert!(found.contains("No such file"), "{found}");
    assert_eq!(cure, "ls -ld /nonexistent");
}

#[test]
fn one_line_names_component_finding_and_cure() {
    let Some(place) = TestDirectory::new("line") else { return };
    place.mode("routable.d", 0o775);
    let line = place.judged().to_string();
    let directory = place.0.join("routable.d");
    let directory = directory.display();
    let expected =
        format!("refused: {directory} is writable by group (mode 0775); to fix it: chmod go-w {directory}");
    assert_eq!(line, expected);
}
