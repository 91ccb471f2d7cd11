//! The test machine itself: what the other tests take for granted.

use crate::support::{Host, newer_source, wait_for};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

#[test]
fn machine_is_private_and_its_own() {
    let Some(host) = Host::new("machine_is_private_and_its_own") else { return };
    assert_eq!(host.sh("ip -br link | wc -l").trim(), "1", "only lo is there");
    host.write("/etc/netevd/netevd.yaml", "text", 0o644);
    assert_eq!(
        host.sh("cat /etc/netevd/netevd.yaml; stat -c %u:%a / /etc /etc/netevd | uniq"),
        "text0:755\n"
    );
    host.two_uplinks();
    assert_eq!(host.ifindex("eth1"), 7);
    assert_eq!(host.route_get("203.0.113.1"), "eth0");
    assert_eq!(host.route_get("203.0.113.1 from 198.51.100.2"), "eth0", "without netevd the wrong link");
    assert!(host.ours().is_empty());
    let foreign = host.foreign();
    host.ip("rule add priority 32002 from 198.51.100.2 lookup 207 protocol 110");
    host.ip("-6 rule add priority 32002 from 2001:db8::1 lookup 207 protocol 110");
    host.ip("route add unreachable default table 207 metric 4294967295 protocol 110");
    let ours = host.ours().into_iter().collect::<Vec<_>>();
    let expected = [
        "32002: from 198.51.100.2 lookup 207",
        "32002: from 2001:db8::1 lookup 207",
        "table 207: unreachable default metric 4294967295",
    ];
    assert_eq!(ours, expected);
    assert_eq!(host.foreign(), foreign);
}

#[test]
fn machine_ends_with_its_owner() {
    let Some(host) = Host::new("machine_ends_with_its_owner") else { return };
    let inside = host.path("/");
    assert!(fs::metadata(&inside).is_ok());
    drop(host);
    wait_for("process 1 is gone", String::new, || fs::metadata(&inside).is_err());
}

/// A test of yesterday's program says nothing about today's source.
#[test]
fn machine_refuses_programs_that_are_older_than_their_sources() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stale-{}", std::process::id()));
    fs::create_dir_all(&place).expect("a directory");
    let [program, list, source] = ["program", "program.d", "source.rs"].map(|name| place.join(name));
    let set = |path: &Path, time: SystemTime| {
        fs::File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("set");
    };
    for path in [&program, &list, &source] {
        fs::write(path, "").expect("written");
    }
    let now = SystemTime::now();
    set(&program, now);
    set(&source, now + Duration::from_secs(1));
    assert_eq!(newer_source(&program), None, "its list is empty, as that of an installed one is missing");
    fs::write(&list, format!("{}: /no/such/file {}\n", program.display(), source.display()))
        .expect("written");
    assert_eq!(newer_source(&program).as_ref(), Some(&source));
    set(&source, now);
    assert_eq!(newer_source(&program), None);
    fs::remove_dir_all(&place).expect("removed");
}
