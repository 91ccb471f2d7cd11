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
