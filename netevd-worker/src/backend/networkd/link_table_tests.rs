use super::*;
use crate::backend::networkd::changes::{Properties, of_link};
use crate::backend::networkd::file;
use crate::backend::networkd::link::{DESCRIBE_TIMEOUT, FILE_TIMEOUT};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// A book, and the time in it.
struct Scene {
    table: LinkTable,
    now: Instant,
    serial: u32,
}

fn link(number: u32) -> Ifindex {
    Ifindex::try_from(number).expect("a number")
}

fn files(operational: &str, administrative: &str, more: &str) -> Option<Files> {
    let text = format!("ADMIN_STATE={administrative}\nOPER_STATE={operational}\n{more}");
    Some(Files { link: file::parse(text.as_bytes()), router: None, lease: None })
}

impl Scene {
    /// With link 2 described and told of: carrier, configuring.
    fn new() -> Self {
        let mut scene = Self { table: LinkTable::default(), now: Instant::now(), serial: 0 };
        let files = files("carrier", "configuring", "DNS=192.0.2.1\n");
        scene.signal(2, &[("OperationalState", "carrier"), ("AdministrativeState", "configuring")], files);
        assert_eq!(scene.reported(), [] as [&str; 0], "it waits for its description");
        scene.table.described(link(2), Some(vec![("Driver", "veth".to_owned())]), scene.now);
        let first = scene.table.next().expect("told");
        let facts = first.facts.expect("facts");
        assert_eq!(facts.details.get("Driver").map(String::as_str), Some("veth"));
        assert_eq!(facts.dns.len(), 1);
        scene
    }

    fn signal(&mut self, number: u32, values: &[(&str, &str)], files: Option<Files>) {
        self.serial += 1;
        let properties: Properties =
            values.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
        let changes = of_link(&properties, &[]);
        self.table.receive(link(number), self.serial, changes, files, self.now);
    }

    /// Everything ready, as link:operational/administrative with + where facts came along.
    fn reported(&mut self) -> Vec<String> {
        let mut reported = Vec::new();
        while let Some(report) = self.table.next() {
            let word = |word: Option<crate::backend::StateName>| word.map_or("", |word| word.name);
            let facts = if report.facts.is_some() { "+" } else { "" };
            reported.push(format!(
                "{}:{}/{}{facts}",
                report.ifindex.get(),
                word(report.operational),
                word(report.administrative)
            ));
        }
        reported
    }
}

#[test]
fn a_signal_whose_file_agrees_goes_out_at_once() {
    let mut scene = Scene::new();
    scene.signal(2, &[("OperationalState", "routable")], files("routable", "configuring", "DNS=192.0.2.1\n"));
    assert_eq!(scene.reported(), ["2:routable/"]);
    scene.signal(
        2,
        &[("AdministrativeState", "configured")],
        files("routable", "configured", "DNS=192.0.2.9\n"),
    );
    assert_eq!(scene.reported(), ["2:/configured+"]);
    scene.signal(
        2,
        &[("OperationalState", "degraded"), ("AdministrativeState", "configuring")],
        files("degraded", "configuring", ""),
    );
    assert_eq!(scene.reported(), ["2:degraded/configuring+"]);
    assert_eq!(scene.table.deadline(), None);
}

#[test]
fn an_old_file_holds_its_own_link_and_no_other() {
    let mut scene = Scene::new();
    scene.signal(2, &[("OperationalState", "routable")], files("carrier", "configuring", ""));
    scene.signal(3, &[("OperationalState", "off")], files("off", "unmanaged", ""));
    scene.table.described(link(3), None, scene.now);
    assert_eq!(scene.reported(), ["3:off/+"]);
    assert_eq!(scene.table.deadline(), Some(scene.now + FILE_TIMEOUT));
    scene.now += 3 * MS;
    scene.table.files_changed(link(2), files("routable", "configuring", "DNS=192.0.2.9\n"), scene.now);
    assert_eq!(scene.reported(), ["2:routable/+"]);
    assert_eq!(scene.table.deadline(), None);
}

#[test]
fn a_file_that_never_agrees_costs_20_ms() {
    let mut scene = Scene::new();
    scene.signal(2, &[("OperationalState", "routable")], files("carrier", "configuring", "DNS=192.0.2.1\n"));
    scene.now += FILE_TIMEOUT - MS;
    scene.table.tick(scene.now);
    assert_eq!(scene.reported(), [] as [&str; 0]);
    scene.now += MS;
    scene.table.tick(scene.now);
    assert_eq!(scene.reported(), ["2:routable/"]);
}

#[test]
fn the_next_signal_lets_the_one_before_go_and_none_is_lost() {
    let mut scene = Scene::new();
    let old = || files("carrier", "configuring", "DNS=192.0.2.1\n");
    for word in ["degraded", "routable", "degraded", "carrier"] {
        scene.signal(2, &[("OperationalState", word)], old());
    }
    scene.signal(2, &[("AdministrativeState", "configured")], old());
    assert_eq!(scene.reported(), ["2:degraded/", "2:routable/", "2:degraded/", "2:carrier/"]);
    scene.signal(2, &[("AddressState", "off")], old());
    assert_eq!(scene.reported(), ["2:/configured", "2:/+"]);
}

#[test]
fn a_link_waits_for_its_description_250_ms_from_the_first_sight() {
    let mut scene = Scene::new();
    scene.signal(5, &[("OperationalState", "off")], files("off", "pending", ""));
    scene.now += 200 * MS;
    scene.signal(5, &[("OperationalState", "carrier")], files("carrier", "pending", ""));
    assert_eq!(scene.reported(), ["5:off/+"]);
    scene.now += DESCRIBE_TIMEOUT - 201 * MS;
    scene.table.tick(scene.now);
    assert_eq!(scene.reported(), [] as [&str; 0]);
    scene.now += MS;
    scene.table.tick(scene.now);
    assert_eq!(scene.reported(), ["5:carrier/"]);
    scene.table.described(link(5), Some(vec![("Driver", "e1000".to_owned())]), scene.now);
    assert_eq!(scene.reported(), ["5:/+"], "what came late follows");
}

#[test]
fn a_message_older_than_the_answer_changes_nothing() {
    let mut scene = Scene::new();
    scene.serial = 100;
    scene.signal(2, &[("OperationalState", "routable")], files("routable", "configuring", ""));
    assert_eq!(scene.reported(), ["2:routable/+"]);
    scene.serial = 50;
    scene.signal(2, &[("OperationalState", "degraded")], files("routable", "configuring", ""));
    assert_eq!(scene.reported(), [] as [&str; 0]);
    scene.serial = 101;
    scene.signal(2, &[("OperationalState", "degraded")], files("degraded", "configuring", ""));
    assert_eq!(scene.reported(), ["2:degraded/"]);
}

#[test]
fn numbers_of_messages_wrap() {
    let mut scene = Scene::new();
    scene.serial = u32::MAX / 2 - 2;
    scene.signal(2, &[("OperationalState", "routable")], files("routable", "configuring", ""));
    scene.serial = u32::MAX - 4;
    scene.signal(2, &[("OperationalState", "degraded")], files("degraded", "configuring", ""));
    assert_eq!(scene.reported().len(), 2);
    scene.serial = 2;
    scene.signal(2, &[("OperationalState", "routable")], files("routable", "configuring", ""));
    assert_eq!(scene.reported(), ["2:routable/"]);
}

#[test]
fn a_link_that_lingers_is_told_at_once_and_forgotten() {
    let mut scene = Scene::new();
    scene.signal(2, &[("AdministrativeState", "linger")], None);
    assert_eq!(scene.reported(), ["2:/linger"]);
    assert_eq!(scene.table.links().count(), 0);
    scene.signal(2, &[("OperationalState", "off")], None);
    scene.table.forget(link(2));
    assert_eq!(scene.reported(), ["2:off/+"]);
    assert_eq!(scene.table.links().count(), 0);
    assert_eq!(scene.table.deadline(), None);
}

#[test]
fn changes_of_the_file_alone_are_told() {
    let mut scene = Scene::new();
    scene.table.files_changed(link(2), files("carrier", "configuring", "DNS=192.0.2.1\n"), scene.now);
    assert_eq!(scene.reported(), [] as [&str; 0], "nothing is new");
    scene.table.files_changed(link(2), files("carrier", "configuring", "DNS=192.0.2.7\n"), scene.now);
    assert_eq!(scene.reported(), ["2:/+"]);
}

#[test]
fn the_number_of_links_is_bounded() {
    let mut scene = Scene::new();
    for number in 10..20_000 {
        scene.signal(number, &[("OperationalState", "off")], None);
    }
    assert_eq!(scene.table.links().count(), MAX);
}
