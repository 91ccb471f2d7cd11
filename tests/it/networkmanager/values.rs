//! Values belong to their event, however late its script runs.

use super::machine;
use crate::support::{Record, wait_for};

#[test]
fn networkmanager_the_end_of_a_connection_has_its_values_and_not_the_next_one_s() {
    let test = "networkmanager_the_end_of_a_connection_has_its_values_and_not_the_next_one_s";
    let Some(host) = machine(test, &["activated", "disconnected", "configured"]) else { return };
    // By its end the next connection is up.
    host.recorder("deactivating", "10-slow", "sleep=3000");
    host.sh(
        "nmcli connection add type ethernet ifname nm1 con-name other autoconnect no ipv6.method disabled \
        ipv4.method manual ipv4.addresses 198.18.1.77/24 ipv4.gateway 198.18.1.254 ipv4.dns 198.18.1.99",
    );
    let uuid =
        |id: &str| host.sh(&format!("nmcli -g connection.uuid connection show {id}")).trim().to_owned();
    let _daemon = host.start_daemon();
    host.await_run("activated", "nm1");
    host.sh("nmcli connection up other");
    let down = host.await_run("disconnected", "nm1");
    assert_eq!((down.env("NM_CONNECTION_ID"), down.env("NM_CONNECTION_UUID")), ("nm1", &*uuid("nm1")));
    assert_eq!((down.env("STATE"), down.env("NM_STATE")), ("disconnected", "disconnected"));
    assert_eq!(down.env("NM_REASON"), "new-activation");
    assert!(!down.env("ADDRESSES").contains("198.18.1.77"), "{}", down.env("ADDRESSES"));
    assert_ne!(down.env("GATEWAY"), "198.18.1.254");
    let document = down.document();
    assert_eq!(document["at_event"]["connection"]["id"], "nm1");
    assert_eq!(document["at_event"]["administrative_state"], "disconnected");
    // What the link has become is named so.
    assert_eq!(down.env("CURRENT_CONNECTION_ID"), "other");
    assert_eq!((down.env("CURRENT_ADDRESSES"), down.env("CURRENT_DNS")), ("198.18.1.77/24", "198.18.1.99"));
    assert_eq!(document["link"]["connection"]["id"], "other");
    let of_other = |r: &&Record| r.what() == ("activated", "nm1") && r.env("NM_CONNECTION_ID") == "other";
    let records = host.await_records("the next one", |records| records.iter().any(|r| of_other(&r)));
    let up = records.iter().find(of_other).expect("just seen");
    assert_eq!((up.env("NM_CONNECTION_UUID"), up.env("DNS")), (&*uuid("other"), "198.18.1.99"));
    // The end ran before what the kernel made of the next one.
    let configured = |r: &&Record| r.what() == ("configured", "nm1") && r.env("STARTUP") == "0";
    let next = records.iter().find(configured).expect("the next one has an address");
    assert!(down.started() < next.started(), "{down:?} {next:?}");
    for record in &records {
        let (then, now) = (&record.document()["at_event"], &record.document()["link"]);
        for (name, value) in [
            ("OperationalState", &then["state"]),
            ("AdministrativeState", &then["administrative_state"]),
            ("NM_STATE", &then["administrative_state"]),
            ("NM_CONNECTION_ID", &then["connection"]["id"]),
            ("CURRENT_STATE", &now["state"]),
            ("CURRENT_CONNECTION_ID", &now["connection"]["id"]),
        ] {
            assert_eq!(record.env(name), value.as_str().unwrap_or_default(), "{name} of {record:?}");
        }
    }
}

/// What answers NetworkManager's question for connectivity: a portal while /out/portal is there.
const PORTAL: &str = r#"
    my $server = IO::Socket::INET->new(LocalAddr => "198.18.0.1", LocalPort => 8080, Listen => 8) or die $!;
    while (my $client = $server->accept) {
        while (<$client>) { last if /^\r?$/ }
        my $body = -e "/out/portal" ? "log in here" : "ok";
        print $client "HTTP/1.1 200 OK\r\nContent-Length: ", length $body, "\r\nConnection: close\r\n\r\n$body";
        close $client;
    }"#;

#[test]
fn networkmanager_state_and_connectivity_are_of_one_moment() {
    let test = "networkmanager_state_and_connectivity_are_of_one_moment";
    let Some(host) = machine(test, &["manager"]) else { return };
    host.write("/out/portal", "", 0o644);
    host.write("/out/portal.pl", PORTAL, 0o644);
    // perl-base is essential in Debian.
    host.sh("setsid nsenter --net=/run/netns/isp perl -MIO::Socket::INET /out/portal.pl >/out/portal.log 2>&1 </dev/null &");
    host.write(
        "/etc/NetworkManager/conf.d/portal.conf",
        "[connectivity]\nenabled=true\nuri=http://198.18.0.1:8080/\nresponse=ok\ninterval=3600\n",
        0o644,
    );
    host.manager("nm").restart();
    host.await_uplinks();
    let is = |word: &str| host.run(&["nmcli", "networking", "connectivity", "check"]).stdout.trim() == word;
    wait_for("the portal", || host.read("/out/portal.log"), || is("portal"));
    let _daemon = host.start_daemon();
    let hosts = |records: &[Record]| -> Vec<(String, String)> {
        let of_host = records.iter().filter(|r| r.env("EVENT") == "manager");
        of_host.map(|r| (r.env("STATE").to_owned(), r.env("NM_CONNECTIVITY").to_owned())).collect()
    };
    host.await_records("the portal", |records| hosts(records).iter().any(|(_, word)| word == "portal"));
    host.sh("rm /out/portal");
    wait_for("the world", || host.read("/out/portal.log"), || is("full"));
    let records = host.await_records("the world", |records| {
        hosts(records).last().is_some_and(|(state, word)| state == "connected-global" && word == "full")
    });
    let both = |state: &str, word: &str| (state.to_owned(), word.to_owned());
    let expected = [both("connected-site", "portal"), both("connected-global", "full")];
    assert_eq!(hosts(&records), expected);
}
