//! Three roots, one order of names; what masks and what is passed over.

use super::machine;
use crate::support::{Host, Record, recorder};

const ETC: &str = "/etc/netevd/configured.d";
const LOCAL: &str = "/usr/local/lib/netevd/configured.d";
const LIB: &str = "/usr/lib/netevd/configured.d";

fn place(host: &Host, paths: &[String]) {
    for path in paths {
        host.write(path, &recorder(""), 0o755);
    }
}

/// Runs configured.d once, up to the script `last`, and returns the paths in their order.
fn configured(host: &Host, last: &str) -> Vec<String> {
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    let ended = |records: &[Record]| records.iter().any(|record| record.name() == last);
    let records = host.await_records("the last script ran", ended);
    records.iter().map(|record| record.script().to_owned()).collect()
}

#[test]
fn scripts_order_over_all_directories() {
    let Some(host) = machine("scripts_order_over_all_directories") else { return };
    let expected = [
        format!("{LIB}/05-first"),
        format!("{ETC}/10-second"),
        format!("{LOCAL}/20-third"),
        // Bytewise: digits, capitals, small letters; no number is read as one.
        format!("{ETC}/9-after-20"),
        format!("{LIB}/A-capital"),
        format!("{LOCAL}/a-small"),
        format!("{LIB}/z-last"),
    ];
    let mut shuffled = expected.to_vec();
    shuffled.reverse();
    place(&host, &shuffled);
    assert_eq!(configured(&host, "z-last"), expected);
}

#[test]
fn scripts_precedence_and_null_masks() {
    let Some(host) = machine("scripts_precedence_and_null_masks") else { return };
    place(
        &host,
        &[
            format!("{ETC}/10-three"),
            format!("{LOCAL}/10-three"),
            format!("{LIB}/10-three"),
            format!("{LOCAL}/20-two"),
            format!("{LIB}/20-two"),
            format!("{LIB}/30-masked"),
            format!("{LIB}/40-masked-below"),
            format!("{LIB}/99-last"),
        ],
    );
    host.sh(&format!("ln -s /dev/null {ETC}/30-masked; ln -s /dev/null {LOCAL}/40-masked-below"));
    let expected = [format!("{ETC}/10-three"), format!("{LOCAL}/20-two"), format!("{LIB}/99-last")];
    assert_eq!(configured(&host, "99-last"), expected);
}

#[test]
fn scripts_leftovers_of_editors_and_packagers_are_skipped() {
    let Some(host) = machine("scripts_leftovers_of_editors_and_packagers_are_skipped") else { return };
    let leftovers = [
        ".hidden",
        "10-x~",
        "10-x.bak",
        "10-x.swp",
        "10-x.dpkg-old",
        "10-x.dpkg-dist",
        "10-x.rpmsave",
        "10-x.rpmnew",
        "10-x.ucf-dist",
    ];
    for name in leftovers {
        place(&host, &[format!("{ETC}/{name}")]);
    }
    place(&host, &[format!("{ETC}/20-dpkg-old"), format!("{ETC}/99-last.sh")]);
    let ran = configured(&host, "99-last.sh");
    assert_eq!(ran, [format!("{ETC}/20-dpkg-old"), format!("{ETC}/99-last.sh")]);

    let listed = host.run(&["/opt/netevd/netevd", "list", "scripts"]);
    for name in leftovers {
        let line = listed.stdout.lines().find(|line| line.contains(&format!("{ETC}/{name}")));
        let line = line.unwrap_or_else(|| panic!("{name} is listed:\n{}", listed.stdout));
        assert!(line.contains("skipped"), "{line}");
    }
}

/// Mounts a file system on /usr/local/lib that answers nothing: no process reads what the kernel asks of it.
const SILENT: &str = "[ -e /dev/fuse ] || mknod -m 666 /dev/fuse c 10 229
setsid python3 -c '
import ctypes, os, time
fuse = os.open(\"/dev/fuse\", os.O_RDWR)
options = b\"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other\" % fuse
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b\"gone\", b\"/usr/local/lib\", b\"fuse\", 0, options) != 0:
    raise OSError(ctypes.get_errno(), \"mount\")
open(\"/out/mounted\", \"w\").close()
time.sleep(600)
' >/out/fuse.log 2>&1 </dev/null &
until [ -e /out/mounted ]; do sleep 0.05; done";

#[test]
fn scripts_a_directory_that_does_not_answer_holds_nothing_up() {
    let test = "scripts_a_directory_that_does_not_answer_holds_nothing_up";
    let Some(host) = machine(test) else { return };
    host.recorder("mtu", "10-near", "");
    host.recorder("mtu", "30-near", "");
    host.write("/usr/local/lib/netevd/mtu.d/20-far", &recorder(""), 0o755);
    // Masked by the far one, as far as it was known.
    host.write("/usr/lib/netevd/mtu.d/20-far", &recorder(""), 0o755);
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker").unwrap();
    host.ip("link set eth1 mtu 1401");
    let names = |records: &[Record]| -> Vec<String> { records.iter().map(|r| r.name().to_owned()).collect() };
    let records = host.await_records("all three", |records| records.len() == 3);
    assert_eq!(names(&records), ["10-near", "20-far", "30-near"]);

    host.sh(SILENT);
    for mtu in 1402..1405 {
        let before = host.records().len();
        host.ip(&format!("link set eth1 mtu {mtu}"));
        let records = host.await_records("the others", |records| records.len() == before + 2);
        assert_eq!(names(&records[before..]), ["10-near", "30-near"]);
        let state = host.sh(&format!("cut -d' ' -f3 /proc/{worker}/stat"));
        assert_ne!(state.trim(), "D", "the worker waits for the file system");
    }
    // Routes too: their directories are watched where that cannot hang.
    host.ip("route add 10.3.0.0/16 dev eth1");
    let status = host.sh("timeout 10 /opt/netevd/netevd status 2>&1 || true");
    let problem = ".d does not answer, since ";
    assert!(status.contains(problem) && status.contains("fuse on /usr/local/lib"), "{status}");
    let log = host.log();
    assert!(log.contains(problem), "{log}");
    assert!(log.contains("not started: the file system on /usr/local/lib does not answer"), "{log}");
    // When it is gone, what is there counts again.
    host.sh("umount -l /usr/local/lib");
    let before = host.records().len();
    host.ip("link set eth1 mtu 1500");
    let records = host.await_records("all three", |records| records.len() == before + 3);
    assert_eq!(names(&records[before..]), ["10-near", "20-far", "30-near"]);
    assert_eq!(daemon.stop().status, 0);
}
