//! The shipped example scripts and units. The example configurations are checked in cli.rs.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "support/skip.rs"]
mod skip;

use netevd_worker::config::may_name_a_unit;
use netevd_worker::model::EventKind;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[test]
fn there_is_an_example_script_for_every_event() {
    let scripts = examples().join("scripts");
    let mut directories: Vec<_> =
        fs::read_dir(&scripts).expect("scripts").flatten().map(|entry| entry.file_name()).collect();
    directories.sort();
    let mut expected: Vec<_> = EventKind::ALL.iter().map(|kind| kind.directory()).collect();
    expected.sort_unstable();
    assert_eq!(directories, expected);
    for directory in directories {
        let event = directory.to_str().and_then(|name| name.strip_suffix(".d")).expect("EVENT.d");
        let files: Vec<_> = fs::read_dir(scripts.join(&directory)).expect("readable").flatten().collect();
        assert!(!files.is_empty(), "{directory:?}");
        for file in files.iter().map(fs::DirEntry::path) {
            check_script(&file, event);
        }
    }
}

/// It says what it shows, it is a shell script, and it bears the least that a script is given.
fn check_script(file: &Path, event: &str) {
    let written = fs::read_to_string(file).expect("text");
    assert!(written.starts_with("#!/bin/sh\n# ") && written.contains("\n# Shows: "), "{file:?}");
    let mode = fs::metadata(file).expect("there").permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "{file:?} can be executed");
    let parsed = Command::new("sh").arg("-n").arg(file).output().expect("sh");
    assert!(parsed.status.success(), "{file:?}: {}", text(&parsed));
    // Those call home, if this machine has an address for them.
    if written.contains("curl") {
        return;
    }
    // What may be missing has to be asked for as such.
    let mut command = Command::new("sh");
    command.arg("-u").arg(file).args(["lo", event]).stdin(Stdio::null()).env_clear().envs(ENVIRONMENT);
    let ran = command.env("EVENT", event).env("STATE", event).output().expect("started");
    assert!(ran.status.success(), "{file:?}: {}", text(&ran));
}

/// For the loopback link under NetworkManager.
const ENVIRONMENT: [(&str, &str); 18] = [
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LINK", "lo"),
    ("LINKINDEX", "1"),
    ("EVENT_ID", "7"),
    ("BACKEND", "NetworkManager"),
    ("STARTUP", "0"),
    ("SKIPPED", "0"),
    ("ADDRESSES", "127.0.0.1/8"),
    ("AdministrativeState", "configured"),
    ("MTU", "1200"),
    ("ACTION", "added"),
    ("ADDRESS", "127.0.0.1"),
    ("FAMILY", "ipv4"),
    ("SCOPE", "global"),
    ("ROUTE_DESTINATION", "default"),
    ("ROUTE_TABLE", "main"),
    ("NM_DEVICE_TYPE", "loopback"),
    ("NM_REASON", "user-requested"),
];

#[test]
fn the_example_units_are_good_and_used() {
    let mut units: Vec<_> =
        fs::read_dir(examples().join("units")).expect("units").flatten().map(|entry| entry.path()).collect();
    units.sort();
    assert_eq!(units.len(), 6);
    let users = ["laptop-networkmanager", "multihomed", "vpn-gateway"]
        .map(|name| fs::read_to_string(examples().join(format!("{name}.yaml"))).expect("readable"));
    for unit in &units {
        let name = unit.file_name().and_then(|name| name.to_str()).expect("UTF-8").replace('@', "@%i");
        assert!(users.iter().any(|user| user.contains(&name)), "{name} is in no example configuration");
    }
    let mut verify = Command::new("systemd-analyze");
    let output = match verify.args(["verify", "--man=no"]).args(&units).output() {
        Ok(output) => output,
        Err(error) => return skip::skip(format_args!("systemd-analyze: {error}")),
    };
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output));
}

/// Files that are mounted are there; the capabilities are those of the documentation; the configuration is good.
#[test]
fn the_example_for_compose_names_what_is_there() {
    let directory = examples().join("compose");
    let read = |name: &str| fs::read_to_string(directory.join(name)).expect("readable");
    let parse = |name: &str| -> serde_json::Value { serde_yaml::from_str(&read(name)).expect("YAML") };
    let compose = parse("compose.yaml");
    let services = compose["services"].as_object().expect("services");
    assert_eq!(services.keys().collect::<Vec<_>>(), ["grafana", "netevd", "prometheus"]);
    let mut mounted = Vec::new();
    for (name, service) in services {
        assert_eq!(service["network_mode"], "host", "{name}");
        for volume in service["volumes"].as_array().expect("volumes") {
            let (source, target) = volume.as_str().and_then(|text| text.split_once(':')).expect("FROM:TO");
            if source.starts_with('.') {
                assert!(directory.join(source).is_file(), "{name}: {source}");
                assert!(target.ends_with(":ro"), "{name}: {target}");
                mounted.push(source.rsplit('/').next().expect("a name").to_owned());
            } else {
                assert!(!compose["volumes"][source].is_null(), "{name}: {source} is no volume");
            }
        }
    }
    for file in fs::read_dir(&directory).expect("a directory").flatten() {
        let file = file.file_name().into_string().expect("UTF-8");
        assert!(file == "compose.yaml" || mounted.contains(&file), "{file} is mounted nowhere");
    }

    let netevd = &services["netevd"];
    assert_eq!(netevd["image"], format!("netevd:{}", env!("CARGO_PKG_VERSION")));
    let capabilities: Vec<_> =
        netevd["cap_add"].as_array().expect("a list").iter().filter_map(|name| name.as_str()).collect();
    let granted = format!("--cap-drop all --cap-add {}", capabilities.join(","));
    for text in ["examples/container.yaml", "docs/user/container.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(text)).expect("readable");
        assert!(text.contains(&granted), "{granted}");
    }
    let mut validate = Command::new(env!("CARGO_BIN_EXE_netevd"));
    let output = validate.arg("validate").arg(directory.join("netevd.yaml")).output().expect("started");
    assert!(output.status.success(), "{}", text(&output));
    // Each is where the other looks for it.
    let prometheus = services["prometheus"]["command"][1].as_str().expect("an option");
    let address = prometheus.strip_prefix("--web.listen-address=").expect("its address");
    assert_eq!(parse("grafana-datasource.yaml")["datasources"][0]["url"], format!("http://{address}"));
    let path = parse("grafana-dashboards.yaml")["providers"][0]["options"]["path"].clone();
    let path = format!(":{}/", path.as_str().expect("a path"));
    assert!(read("compose.yaml").contains(&path), "{path}");
}

/// What stands first in every example unit that hands a link's name to a program.
const CHECK: &str = "ExecStartPre=:sh -c '";

#[test]
fn the_example_units_refuse_an_instance_that_is_more_than_a_name() {
    let mut checked = 0;
    for unit in fs::read_dir(examples().join("units")).expect("units").flatten() {
        let text = fs::read_to_string(unit.path()).expect("text");
        let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("Exec")).collect();
        if !commands.iter().any(|line| line.contains("%I") || line.contains("%i")) {
            continue;
        }
        checked += 1;
        let check = commands[0].strip_prefix(CHECK).and_then(|rest| rest.strip_suffix("' sh %I"));
        let check = check.unwrap_or_else(|| panic!("{:?} begins with {}", unit.path(), commands[0]));
        assert!(
            text.contains("\nEnvironment=LC_ALL=C\n"),
            "{:?}: ranges of letters depend on it",
            unit.path()
        );
        let accepts = |name: &str| {
            let ran = Command::new("sh").args(["-c", check, "sh", name]).env("LC_ALL", "C").output();
            ran.expect("sh").status.success()
        };
        for good in ["eth0", "wg-home", "br0.100", "veth@x", "we+b", "_x", "a,b=c~d", "0123456789abcde"] {
            assert!(may_name_a_unit(good) && accepts(good), "{:?}: {good}", unit.path());
        }
        for bad in [
            "a b",
            "a\nb",
            "a;b",
            "a$b",
            "a{b",
            "a}b",
            "a\"b",
            "a'b",
            "a`b",
            "a\\b",
            "a|b",
            "a/b",
            "a*b",
            "a[b",
            "wlän0",
            "-x",
            ".",
            "..",
            "0123456789abcdef",
            "eth0\" }; chain inet filter input { policy accept; }; add x {",
        ] {
            assert!(!may_name_a_unit(bad) && !accepts(bad), "{:?}: {bad}", unit.path());
        }
    }
    assert_eq!(checked, 4);
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}
