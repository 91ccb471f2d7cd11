//! Every key, every fault with its place, the order of files, the environment.

use super::*;
use crate::model::EventKind;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn read(text: &str) -> (Config, Vec<Problem>) {
    let mut problems = Vec::new();
    let config = compile(&[(PathBuf::from("n.yaml"), text.to_owned())], &mut problems);
    (config, problems)
}

fn good(text: &str) -> Config {
    let (config, problems) = read(text);
    assert_eq!(problems, vec![], "{text}");
    config
}

type Check = fn(&Config) -> bool;

#[test]
fn every_key_is_set() {
    let cases: [(&str, Check); 55] = [
        ("system: {log_level: error}", |c| c.system.log_level == LogLevel::Error),
        ("system: {log_level: warn}", |c| c.system.log_level == LogLevel::Warn),
        ("system: {log_level: debug}", |c| c.system.log_level == LogLevel::Debug),
        ("system: {log_level: trace}", |c| c.system.log_level == LogLevel::Trace),
        ("system: {backend: kernel}", |c| c.system.backend == Backend::Kernel),
        ("system: {backend: auto}", |c| c.system.backend == Backend::Auto),
        ("system: {startup_events: false}", |c| !c.system.startup_events),
        ("monitoring: {interfaces: [eth0, \"!veth*\"]}", |c| c.monitors("eth0") && !c.monitors("eth1")),
        ("monitoring: {interfaces: []}", |c| c.monitoring.is_empty()),
        ("routing: {policy_rules: [eth1, \"wan?\"]}", |c| c.routing.interfaces.matches("wan3")),
        ("routing: {table_base: 1000}", |c| c.routing.table_base == 1000),
        ("routing: {table_base: 1073741824}", |c| c.routing.table_base == 1 << 30),
        ("routing: {rule_priority: 32762}", |c| c.routing.rule_priority == 32_762),
        ("routing: {local_networks: false}", |c| !c.planning.local_networks),
        ("routing: {specific_routes: main}", |c| c.planning.specific_routes == SpecificRoutes::Main),
        ("routing: {ignore_protocols: [bird, 11]}", |c| {
            c.planning.ignored_protocols.iter().collect::<Vec<_>>() == [11, 12]
        }),
        ("routing: {main_prefixes: [10.0.0.0/8, \"fc00::/7\"]}", |c| c.routing.main_prefixes.len() == 2),
        ("routing: {to_rules: false}", |c| !c.routing.to_rules),
        ("routing: {marks: {eth1: 0x650000/0xff0000}}", |c| {
            c.routing.mark_of(&["eth1"]).is_some_and(|mark| (mark.value, mark.mask) == (0x65_0000, 0xff_0000))
        }),
        ("routing: {shared: [192.0.2.9, \"2001:db8::9\"]}", |c| c.routing.shared.len() == 2),
        ("routing: {policy_rules: [enp0s31f6-to-provider-two]}", |c| {
            c.routing.interfaces.lists(&["eth1", "enp0s31f6-to-provider-two"])
        }),
        ("routing: {fallback: unreachable}", |c| c.routing.fallback == protocol::Fallback::Unreachable),
        ("routing: {gateway_check: on-link}", |c| c.routing.gateway_check == protocol::GatewayCheck::OnLink),
        ("routing: {gateways: {eth1: [192.0.2.1, \"fe80::1\"]}}", |c| {
            c.routing.gateways_of(&["eth1"]).count() == 2
        }),
        ("routing: {gateways: {we+b: 192.0.2.1}}", |c| c.routing.gateways_of(&["we+b"]).count() == 1),
        ("routing: {gateways: {enp0s31f6-to-provider-two: first}}", |c| c.routing.gateways.len() == 1),
        ("routing: {gateways: {}}", |c| c.routing.gateways.is_empty()),
        ("routing: {limits: {addresses: 5}}", |c| c.routing.limits.addresses == 5),
        ("routing: {limits: {copies: 6}}", |c| c.routing.limits.copies == 6),
        ("routing: {limits: {objects: 7}}", |c| c.routing.limits.objects == 7),
        ("routing: {limits: {writes_per_second: 8}}", |c| c.routing.limits.writes_per_second == 8),
        ("scripts: {timeout: 500ms}", |c| c.scripts.timeout == Duration::from_millis(500)),
        ("scripts: {timeout: 90}", |c| c.scripts.timeout == Duration::from_secs(90)),
        ("scripts: {max_parallel: 1}", |c| c.scripts.max_parallel.get() == 1),
        ("scripts: {user: netevd-scripts}", |c| c.scripts.user.as_deref() == Some("netevd-scripts")),
        ("system: {backend: systemd-networkd}", |c| c.system.backend == Backend::Networkd),
        ("system: {backend: networkmanager}", |c| c.system.backend == Backend::NetworkManager),
        ("units:\n- {on: [routable, off], link: \"wg*\", restart: \"a@%i.service\"}", |c| {
            c.units.first().is_some_and(|rule| {
                let triggers = |link| rule.is_triggered(EventKind::Routable, link);
                rule.verb == Verb::Restart
                    && rule.unit.to_string() == "a@%i.service"
                    && triggers(Some("wg0"))
                    && !triggers(Some("eth0"))
                    && !triggers(None)
                    && !rule.is_triggered(EventKind::Degraded, Some("wg0"))
            })
        }),
        (
            "filters:\n- {match: {interface: [\"wg*\"], event: routable, condition: mtu > 1}, action: ignore}\n- default: execute",
            |c| {
                let [filter] = c.filters.list.as_slice() else { return false };
                filter.action == crate::filter::Action::Ignore
                    && filter.events == [EventKind::Routable]
                    && filter.interface.matches("wg0")
                    && filter.condition.as_ref().is_some_and(|condition| condition.to_string() == "mtu > 1")
                    && c.filters.default_action == crate::filter::DefaultAction::Execute
            },
        ),
        ("backends: {systemd_networkd: {emit_json: false}}", |c| !c.backends.emit_json),
        ("backends: {networkmanager: {}}", |c| *c == Config::default()),
        ("backends: {dhclient: {use_dns: true}}", |c| c.backends.dhclient.use_dns),
        ("backends: {dhclient: {use_domain: true}}", |c| c.backends.dhclient.use_domain),
        ("backends: {dhclient: {use_hostname: true}}", |c| c.backends.dhclient.use_hostname),
        ("backends: {dhclient: {lease_files: [\"/srv/*.leases\"]}}", |c| {
            c.backends.dhclient.lease_files == ["/srv/*.leases"]
        }),
        ("api: {enabled: true}", |c| c.api.tcp() == Some(([127, 0, 0, 1], 9090).into())),
        ("api: {bind_address: \"::1\"}", |c| c.api.bind_address.is_ipv6() && c.api.tcp().is_none()),
        ("api: {port: 80}", |c| c.api.port == 80),
        ("api: {token_file: /etc/netevd/token}", |c| c.api.token_file.is_some()),
        ("api: {socket_group: adm}", |c| c.api.socket_group == "adm"),
        ("metrics: {enabled: false}", |c| !c.metrics.enabled),
        ("audit: {enabled: true}", |c| c.audit.enabled),
        ("audit: {path: /srv/audit.log}", |c| c.audit.path.ends_with("audit.log")),
        ("audit: {retention_days: 7}", |c| c.audit.retention_days == 7),
        ("system:\nrouting: ~\n# all commented out\n", |c| *c == Config::default()),
    ];
    for (text, check) in cases {
        assert!(check(&good(text)), "{text}");
    }
    // Each key stands in the table above: a new one is not forgotten.
    for key in &keys::KEYS {
        let leaf = key.path.rsplit('.').next().expect("a name");
        assert!(cases.iter().any(|(text, _)| text.contains(leaf)), "{}", key.path);
    }
}

#[test]
fn faults_have_line_and_column() {
    // Text, then line, column, message and help of the first fault.
    #[rustfmt::skip]
    let cases = [
        ("sytem: {}", 1, 1, "unknown section `sytem`", "did you mean `system`?"),
        ("colour: 1", 1, 1, "unknown section `colour`", "there is: system, monitoring, routing, scripts"),
        ("table_base: 1", 1, 1, "unknown section `table_base`", "did you mean `routing.table_base`?"),
        ("- a", 1, 1, "expected a mapping for the file, found a list", "with the keys system, "),
        ("routing: eth1", 1, 10, "expected a mapping for `routing`, found `eth1`", "with the keys policy_rules, "),
        ("routing:\n  tabel_base: 1", 2, 3, "unknown key `tabel_base` in `routing`", "did you mean `table_base`?"),
        ("routing:\n  timeout: 1", 2, 3, "unknown key `timeout` in `routing`", "did you mean `scripts.timeout`?"),
        ("routing: {limits: {adresses: 1}}", 1, 20, "unknown key `adresses`", "did you mean `addresses`?"),
        ("system:\n  log_level: loud", 2, 14, "unknown value `loud`", "one of `error`, `warn`"),
        ("system: {log_level: [info]}", 1, 21, "expected a word, found a list", "one of `error`"),
        ("system: {log_level: }", 1, 10, "expected a word, found nothing", ""),
        ("system: {backend: networkmanagr}", 1, 19, "unknown value `networkmanagr`", "did you mean `NetworkManager`?"),
        ("system: {backend: kernal}", 1, 19, "unknown value `kernal`", "did you mean `kernel`?"),
        ("system: {startup_events: yes}", 1, 26, "expected true or false, found `yes`", "write `true`"),
        ("system: {startup_events: {}}", 1, 26, "expected true or false, found a mapping", ""),
        ("monitoring: {interfaces: eth0}", 1, 26, "expected a list of interface names", "write [eth0]"),
        ("monitoring: {interfaces: }", 1, 14, "expected a list of interface names, found nothing", "written []"),
        ("monitoring:\n  interfaces:\n    - eth0\n    - a b", 4, 7, "the pattern \"a b\" holds white space", ""),
        ("monitoring: {interfaces: [\"eth[\"]}", 1, 27, "the pattern \"eth[\" opens a set", ""),
        ("monitoring: {interfaces: [[a]]}", 1, 27, "expected an interface name, found a list", ""),
        ("monitoring: {interfaces: [a-name-of-20-chars--]}", 1, 27, "the name", ""),
        ("routing: {policy_rules: [\"!eth0\"]}", 1, 25, "only exclusions", "begin with \"*\""),
        ("routing: {table_base: 0}", 1, 23, "expected a number from 1 to 1073741824, found `0`", ""),
        ("routing: {table_base: \"200\"}", 1, 23, "expected a number", "write 200 without quotes"),
        ("routing: {table_base: 1.5}", 1, 23, "expected a number", ""),
        ("routing: {rule_priority: 32763}", 1, 26, "expected a number from 1 to 32762", ""),
        ("routing: {local_networks: 1}", 1, 27, "expected true or false", "write `true`"),
        ("routing: {fallback: Main}", 1, 21, "unknown value `Main`", "did you mean `main`?"),
        ("routing: {gateway_check: onlink}", 1, 26, "unknown value `onlink`", "did you mean `on-link`?"),
        ("routing: {specific_routes: mian}", 1, 28, "unknown value `mian`", "did you mean `main`?"),
        ("routing: {to_rules: no}", 1, 21, "expected true or false", "write `false`"),
        ("routing: {ignore_protocols: bird}", 1, 29, "expected a list of routing protocols, found `bird`", "write [bird]"),
        ("routing: {ignore_protocols: [burd]}", 1, 30, "expected the name or number of a routing protocol", "`bird`?"),
        ("routing: {ignore_protocols: [kernel]}", 1, 30, "routes of the kernel are the connected subnets", ""),
        ("routing: {ignore_protocols: [bird, 12]}", 1, 36, "bird is listed twice", ""),
        ("routing: {main_prefixes: [10.0.0.1/8]}", 1, 27, "expected a prefix, found `10.0.0.1/8`", "write 10.0.0.0/8"),
        ("routing: {main_prefixes: [0.0.0.0/0]}", 1, 27, "0.0.0.0/0 would leave every destination to main", ""),
        ("routing: {shared: [lo]}", 1, 20, "expected an address, found `lo`", "such as"),
        ("routing: {shared: [127.0.0.1]}", 1, 20, "127.0.0.1 is a loopback address", ""),
        ("routing: {marks: {eth1: 7}}", 1, 25, "expected a mark and its mask, found `7`", "0x7/0xffffffff"),
        ("routing: {marks: {eth1: 0x100/0xff}}", 1, 25, "the mark 0x100 has bits outside its mask 0xff", "0x1ff"),
        ("routing: {marks: [7/7]}", 1, 18, "expected a mapping from interfaces to marks", "{eth1:"),
        ("routing: {marks: {eth1: 1/255, eth2: 257/511}}", 1, 25, "a packet can have this mark and 0x101/0x1ff", "another value"),
        ("routing: {gateways: [192.0.2.1]}", 1, 21, "expected a mapping from interfaces to gateways", "{eth1:"),
        ("routing: {gateways: {eth1: 10.0.0.300}}", 1, 28, "expected the address of a gateway", "such as"),
        ("routing: {gateways: {eth1: [10.0.0.1/24]}}", 1, 29, "expected the address", "write 10.0.0.1"),
        ("routing: {gateways: {eth1: [ff02::1]}}", 1, 29, "ff02::1 is a multicast address", ""),
        ("routing: {gateways: {eth1: []}}", 1, 28, "no gateway in the list", "leave the interface out"),
        ("routing: {gateways: {a/b: 10.0.0.1}}", 1, 22, "\"a/b\" is no interface name", "globs"),
        ("routing: {limits: 5}", 1, 19, "expected a mapping for `routing.limits`", "with the keys addresses, "),
        ("routing: {limits: {objects: 0}}", 1, 29, "expected a number from 1 to 1000000", ""),
        ("scripts: {timeout: soon}", 1, 20, "expected a duration, found `soon`", "such as `30s`"),
        ("scripts: {timeout: 0s}", 1, 20, "expected a duration from 100ms to 86400s, found `0s`", ""),
        ("scripts: {max_parallel: 0}", 1, 25, "expected a number from 1 to 1024", ""),
        ("scripts: {user: a b}", 1, 17, "expected the name or number of a user", "such as netevd"),
        ("scripts: {user: []}", 1, 17, "expected the name or number of a user, found", ""),
        ("scripts: {max_parallel: many}", 1, 25, "expected a number from 1 to 1024", ""),
        ("units: {on: routable}", 1, 8, "expected a list of rules, found a mapping", "write - {on: routable"),
        ("units: [x]", 1, 9, "expected a rule with `on` and a verb", "start, stop"),
        ("units: [{on: routable}]", 1, 9, "a rule needs `on` and one of", ""),
        ("units: [{start: a.service}]", 1, 9, "a rule needs `on` and one of", ""),
        ("units: [{on: routabel, start: a.service}]", 1, 14, "unknown event `routabel`", "did you mean `routable`?"),
        ("units: [{on: [], start: a.service}]", 1, 14, "no event in the list", ""),
        ("units: [{on: off, start: a}]", 1, 26, "the name does not end in .service", "such as"),
        ("units: [{on: off, start: a.service, stop: a.service}]", 1, 37, "a second verb", "a rule for each"),
        ("units: [{on: off, strat: a.service}]", 1, 19, "unknown key `strat` in a rule", "did you mean `start`?"),
        ("units: [{on: manager, start: a@%i.service}]", 1, 30, "`manager` is an event of the host", "of its own"),
        ("backends: {dhclient: {use_dsn: true}}", 1, 23, "unknown key `use_dsn`", "did you mean `use_dns`?"),
        ("backends: {dhclient: {lease_files: [x.leases]}}", 1, 37, "expected the absolute path", "such as"),
        ("backends: {dhclient: {lease_files: [/v*/x]}}", 1, 37, "only the last component", ""),
        ("backends: {dhclient: {lease_files: [/a/../x]}}", 1, 37, "only the last component", ""),
        ("backends: {networkmanager: {a: 1}}", 1, 29, "unknown key `a` in `backends.networkmanager`", ""),
        ("backends: {networkd: {}}", 1, 12, "unknown key `networkd`", ""),
        ("filters: {action: ignore}", 1, 10, "expected a list of filters, found a mapping", "write - {"),
        ("filters: [x]", 1, 11, "expected a filter with `match` and `action`, found `x`", "write - {"),
        ("filters: [{match: {}}]", 1, 11, "a filter needs `action`", "`action: execute`"),
        ("filters: [{action: drop}]", 1, 20, "unknown value `drop`", "one of `execute`"),
        ("filters: [{match: x, action: log}]", 1, 19, "expected a mapping for `match`, found `x`", "such as"),
        ("filters: [{math: {}, action: log}]", 1, 12, "unknown key `math` in a filter", "did you mean `match`?"),
        ("filters:\n- match: {}\n  match_rule: {}\n  action: log", 3, 3, "`match_rule` is another word for `match`", "line 2"),
        ("filters: [{match: {evnt: off}, action: log}]", 1, 20, "unknown key `evnt` in `match`", "did you mean `event`?"),
        ("filters: [{match: {event: of}, action: log}]", 1, 27, "unknown event `of`", ""),
        ("filters: [{match: {interface: []}, action: log}]", 1, 31, "no interface in the list", "leave"),
        ("filters: [{match: {interface: [\"a b\"]}, action: log}]", 1, 32, "the pattern \"a b\" holds", ""),
        ("filters: [{match: {ip_family: ipv5}, action: log}]", 1, 31, "unknown value `ipv5`", "`ipv4`?"),
        ("filters: [{match: {backend: auto}, action: log}]", 1, 29, "`auto` comes to be another one", "kernel"),
        ("filters: [{match: {backend: []}, action: log}]", 1, 29, "no backend in the list", ""),
        ("filters: [{match: {condition: []}, action: log}]", 1, 31, "expected a condition, found a list", "such as"),
        ("filters: [{match: {condition: mtu > x}, action: log}]", 1, 37, "expected a number for `mtu`, found `x`", ""),
        ("filters: [{match: {condition: 'é ''mtu'}, action: log}]", 1, 32, "expected a variable, `!` or `(`, found `é`", ""),
        ("filters:\n- action: log\n  match:\n    condition: >\n      startup &&\n      mtuu > 1\n", 6, 7, "unknown variable `mtuu`", "did you mean `mtu`?"),
        ("filters: [{action: log, match: {condition: \"state == \\\"a\\\" and startup\"}}]", 1, 60, "expected `&&`", "write `&&`"),
        ("filters: [{action: log, match: {condition: !startup}}]", 1, 33, "expected a condition, found nothing", "quotation marks"),
        ("filters: [{action: ignore, scripts: [a]}]", 1, 28, "`scripts` says which scripts run", "leave it out"),
        ("filters: [{action: execute, scripts: [/etc/a]}]", 1, 39, "scripts are named without their directory", "write \"a\""),
        ("filters: [{action: execute, scripts: [{}]}]", 1, 39, "expected the file name of a script", ""),
        ("filters: [{default: log}]", 1, 21, "unknown value `log`", "one of `execute`"),
        ("filters: [{default: ignore, action: log}]", 1, 12, "`default` stands alone", "write - default"),
        ("filters: [{default: ignore}, {action: log}]", 1, 11, "`default` is what holds", "behind the last"),
        ("api: {enabled: yes}", 1, 16, "expected true or false", "write `true`"),
        ("api: {bind_address: localhost}", 1, 21, "expected an address", "127.0.0.1"),
        ("api: {port: 70000}", 1, 13, "expected a number from 0 to 65535", ""),
        ("api: {token_file: token}", 1, 19, "expected the absolute path", ""),
        ("api: {socket_group: \"a b\"}", 1, 21, "expected the name of a group", ""),
        ("api: {prot: 80}", 1, 7, "unknown key `prot` in `api`", "did you mean `port`?"),
        ("metrics: {enable: true}", 1, 11, "unknown key `enable`", "did you mean `enabled`?"),
        ("audit: {path: audit.log}", 1, 15, "expected the absolute path", ""),
        ("audit: {retention_days: 0}", 1, 25, "expected a number from 1", ""),
        ("system: {}\nsystem: {}", 2, 1, "the key `system` stands twice", "line 1 already"),
        ("routing:\n  fallback: main\n  fallback: main", 3, 3, "the key `fallback` stands twice", "line 2"),
        ("network: [eth0]", 1, 10, "expected a mapping for `network`", "links"),
        ("network: {link: eth0}", 1, 11, "unknown key `link` in `network`", "did you mean `links`?"),
        ("network: {emit_json: maybe}", 1, 22, "expected true or false", ""),
        ("network: {use_dns: maybe}", 1, 20, "expected true or false", ""),
        ("network: {links: \"eth0 e:1\"}", 1, 24, "the pattern \"e:1\" holds", ""),
    ];
    for (text, line, column, message, help) in cases {
        let (_, problems) = read(text);
        let Some(problem) = problems.iter().find(|p| p.is_error()) else { panic!("{text}: no error") };
        let span = problem.fault.span.unwrap_or_default();
        assert_eq!((span.line, span.column), (line, column), "{text}\n{problem}");
        assert!(problem.fault.message.starts_with(message), "{text}\n{problem}");
        assert!(problem.fault.help.contains(help), "{text}\n{problem}");
        let shown = problem.to_string();
        assert!(shown.starts_with(&format!("n.yaml:{line}:{column}: error: {message}")), "{shown}");
        let lines: Vec<_> = shown.lines().collect();
        let caret = lines[2].find('^').expect("a caret");
        assert!(lines[1].len() >= caret, "{shown}");
        assert_eq!(
            &lines[1][4..],
            format!("| {}", text.lines().nth(line - 1).expect("that line")),
            "{shown}"
        );
    }
}

#[test]
fn older_names_of_filters_mean_the_same() {
    let new = "filters: [{match: {interface: \"a*\", event: [off]}, action: ignore}]";
    let old = "filters: [{match_rule: {interface_pattern: \"a*\", event_type: off}, action: ignore}]";
    assert_eq!(good(new), good(old));
    assert_eq!(good(new).filters.list.len(), 1);
}

#[test]
fn filters_that_are_never_asked_are_a_warning() {
    let text = "filters:\n- {match: {event: off}, action: log}\n- {match: {}, action: ignore}\n- {match: {event: off}, action: log}\n- default: execute\n";
    let (config, problems) = read(text);
    assert_eq!((config.filters.list.len(), problems.len()), (3, 2), "{problems:?}");
    assert!(problems.iter().all(|problem| !problem.is_error()));
    let shown = problems[0].to_string();
    assert!(
        shown.starts_with("n.yaml:4:3: warning: this is never asked: the filter in line 3 matches every"),
        "{shown}"
    );
    assert!(problems[1].to_string().starts_with("n.yaml:5:3: warning"), "{}", problems[1]);
    // One that logs lets all through.
    assert_eq!(read("filters: [{action: log}, {match: {event: off}, action: ignore}]").1, vec![]);
}

#[test]
fn all_faults_of_a_file_are_reported_in_order() {
    let text = "system: {log_level: loud, startup_events: 5}\nrouting:\n  gateways: {e: [a, b]}\n  x: 1\nx: 2\nx: 3\n";
    let (_, problems) = read(text);
    let places: Vec<_> = problems.iter().filter_map(|p| p.fault.span).map(|s| (s.line, s.column)).collect();
    assert_eq!(places, [(1, 21), (1, 43), (3, 18), (3, 21), (4, 3), (5, 1), (6, 1)]);
}

#[test]
fn a_faulty_value_leaves_the_old_one() {
    let (config, problems) = read("routing: {policy_rules: [eth1, 'a b'], table_base: 300}");
    assert_eq!(problems.len(), 1);
    assert!(config.routing.interfaces.is_empty());
    assert_eq!(config.routing.table_base, 300);
}

#[test]
fn later_files_win_and_mappings_merge() {
    let texts = [
        ("a.yaml", "routing: {policy_rules: [eth1, eth2], table_base: 300, gateways: {eth1: 192.0.2.1}}"),
        ("b.yaml", "routing: {policy_rules: [eth3], gateways: {eth2: 192.0.2.2}, limits: {objects: 9}}"),
        ("c.yaml", "routing: {gateways: {eth1: [192.0.2.9]}, limits: {addresses: 8}}"),
    ];
    let texts = texts.map(|(name, text)| (PathBuf::from(name), text.to_owned()));
    let mut problems = Vec::new();
    let routing = compile(&texts, &mut problems).routing;
    assert_eq!(problems, vec![]);
    assert_eq!(routing.interfaces.items().collect::<Vec<_>>(), ["eth3"]);
    assert_eq!(routing.table_base, 300);
    let of_eth1: Vec<_> = routing.gateways_of(&["eth1"]).map(ToString::to_string).collect();
    assert_eq!(of_eth1, ["192.0.2.9"]);
    assert_eq!(routing.gateways_of(&["eth2"]).count(), 1);
    assert_eq!((routing.limits.objects, routing.limits.addresses), (9, 8));
}

#[test]
fn the_older_section_means_the_same_and_warns() {
    let old = "network:\n  links: \"eth0 eth1\"\n  routing_policy_rules: eth1\n  use_dns: false\n";
    let (config, problems) = read(old);
    let new = good("monitoring: {interfaces: [eth0, eth1]}\nrouting: {policy_rules: [eth1]}");
    assert_eq!(config, new);
    assert_eq!(problems.len(), 3);
    assert!(problems.iter().all(|p| !p.is_error()));
    let shown = problems[0].to_string();
    assert!(shown.starts_with("n.yaml:2:3: warning: `network.links` is the old spelling"), "{shown}");
    assert!(shown.ends_with("write `monitoring: { interfaces: [eth0, eth1] }`"), "{shown}");
}

#[test]
fn a_later_file_can_exchange_two_marks() {
    let texts = ["routing: {marks: {a: 1/3, b: 2/3}}", "routing: {marks: {a: 2/3, b: 1/3}}"];
    let texts = texts.map(|text| (PathBuf::from("n.yaml"), text.to_owned()));
    let mut problems = Vec::new();
    let routing = compile(&texts, &mut problems).routing;
    assert_eq!(problems, vec![]);
    assert_eq!(routing.mark_of(&["a"]).map(|mark| mark.value), Some(2));
}

#[test]
fn a_key_under_its_older_name_means_the_same_and_warns() {
    let (config, problems) = read("routing:\n  limits: {local_networks: 6}\n");
    assert_eq!(config, good("routing: {limits: {copies: 6}}"));
    let [warning] = &problems[..] else { panic!("{problems:?}") };
    let expected = "n.yaml:2:12: warning: `routing.limits.local_networks` is the old spelling of `routing.limits.copies`";
    assert!(warning.to_string().starts_with(expected), "{warning}");
    for text in ["{local_networks: 6, copies: 7}", "{copies: 7, local_networks: 6}"] {
        let (_, problems) = read(&format!("routing: {{limits: {text}}}"));
        assert!(problems.iter().any(Problem::is_error), "{text}: {problems:?}");
    }
    let (config, problems) = with(&[("NETEVD_ROUTING_LIMITS_LOCAL_NETWORKS", "6")]);
    assert_eq!(config.routing.limits.copies, 6);
    assert!(problems[0].to_string().contains("NETEVD_ROUTING_LIMITS_COPIES"), "{problems:?}");
}

#[test]
fn old_and_new_side_by_side_are_an_error_in_either_order() {
    let (old, new) = ("network: {links: eth0}", "monitoring: {interfaces: [eth1]}");
    for (first, second) in [(old, new), (new, old)] {
        let texts = [("a.yaml", first), ("b.yaml", second)];
        let texts = texts.map(|(name, text)| (PathBuf::from(name), text.to_owned()));
        let mut problems = Vec::new();
        compile(&texts, &mut problems);
        let error = problems.iter().find(|p| p.is_error()).expect("a conflict").to_string();
        assert!(error.starts_with("b.yaml:1:") && error.contains("a.yaml:1:"), "{error}");
    }
}

fn with(variables: &[(&str, &str)]) -> (Config, Vec<Problem>) {
    let of = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut config = Config::default();
    let problems = environment::apply(&mut config, &variables.iter().map(of).collect::<BTreeMap<_, _>>());
    (config, problems)
}

#[test]
fn the_environment_overrides() {
    let (config, problems) = with(&[
        ("NETEVD_SYSTEM_BACKEND", "kernel"),
        ("NETEVD_SYSTEM_STARTUP_EVENTS", "false"),
        ("NETEVD_MONITORING_INTERFACES", "eth0, wg* !wg9"),
        ("NETEVD_ROUTING_LIMITS_WRITES_PER_SECOND", "50"),
        ("NETEVD_ROUTING_MAIN_PREFIXES", "10.0.0.0/8 fc00::/7"),
        ("NETEVD_ROUTING_IGNORE_PROTOCOLS", "bird, 186"),
        ("NETEVD_SCRIPTS_TIMEOUT", "2m"),
        ("NETEVD_SCRIPTS_MAX_PARALLEL", ""),
        ("RUST_LOG", "netevd_worker=trace"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(problems, vec![]);
    assert_eq!(config.system.backend, Backend::Kernel);
    assert!(!config.system.startup_events);
    assert!(config.monitors("wg1") && config.monitors("eth0") && !config.monitors("wg9"));
    assert_eq!(config.routing.limits.writes_per_second, 50);
    assert_eq!(config.routing.main_prefixes.len(), 2);
    assert!(config.planning.ignored_protocols.contains(186));
    assert_eq!(config.scripts.timeout, Duration::from_secs(120));
    assert_eq!(config.scripts.max_parallel.get(), 8);
    assert_eq!(config.system.log_directives.as_deref(), Some("netevd_worker=trace"));
}

#[test]
fn faults_of_the_environment_name_the_variable() {
    for (name, value, error, message, help) in [
        ("NETEVD_SYSTEM_BACKEND", "kernal", true, "unknown value `kernal`", "did you mean `kernel`?"),
        ("NETEVD_MONITORING_INTERFACES", "eth0,a:b", true, "the pattern \"a:b\"", ""),
        ("NETEVD_ROUTING_TABLE_BASE", "x", true, "expected a number", ""),
        ("NETEVD_ROUTING_GATEWAYS", "x", true, "`routing.gateways` cannot be set", "into the file"),
        ("NETEVD_ROUTING_MARKS", "x", true, "`routing.marks` cannot be set", "into the file"),
        ("NETEVD_FILTERS", "x", true, "`filters` cannot be set by a variable", "into the file"),
        ("NETEVD_API_PORT", "many", true, "expected a number from 0", ""),
        (
            "NETEVD_SYSTEM_BAKEND",
            "kernel",
            false,
            "no setting of this name",
            "did you mean `NETEVD_SYSTEM_BACKEND`?",
        ),
        ("NETEVD_REJECTED", "DNS", false, "no setting of this name", ""),
    ] {
        let (_, problems) = with(&[(name, value)]);
        assert_eq!(problems.len(), 1, "{name}");
        assert_eq!(problems[0].is_error(), error, "{name}");
        let shown = problems[0].to_string();
        assert!(shown.starts_with(&format!("{name}: ")), "{shown}");
        assert!(shown.contains(message) && shown.contains(help), "{shown}");
    }
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("netevd-config-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a new directory");
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, text).expect("written");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn load_named(path: &std::path::Path) -> Result<Loaded, String> {
    let shown = |problems: Vec<Problem>| problems.iter().map(|p| format!("{p}\n")).collect::<String>();
    load(&Source::new(Some(path)), &BTreeMap::new()).map_err(shown)
}

#[test]
fn drop_ins_are_read_in_bytewise_order() {
    let scratch = Scratch::new("drop-ins");
    let main = scratch.write("n.yaml", "routing: {table_base: 1}");
    scratch.write("n.yaml.d/9.yaml", "routing: {table_base: 9}");
    scratch.write("n.yaml.d/10.yaml", "routing: {table_base: 10}");
    scratch.write("n.yaml.d/.hidden.yaml", "nonsense: 1");
    scratch.write("n.yaml.d/b.yaml~", "nonsense: 1");
    let loaded = load_named(&main).expect("good");
    assert_eq!(loaded.config.routing.table_base, 9);
    let names: Vec<_> = loaded.files.iter().filter_map(|f| f.file_name()?.to_str()).collect();
    assert_eq!(names, ["n.yaml", "10.yaml", "9.yaml"]);
}

#[test]
fn a_gateway_or_a_mark_of_an_unlisted_interface_is_a_warning_where_it_stands() {
    let scratch = Scratch::new("unlisted");
    let text = "routing:\n  gateways: {eth2: first, eth3: first}\n  marks:\n    eth9: 0x1/0xff\n    eth3: 0x2/0xff\n";
    let main = scratch.write("n.yaml", text);
    let listed = scratch.write("n.yaml.d/1.yaml", "routing: {policy_rules: [eth2, 'eth[3-4]']}");
    let warnings = |main: &std::path::Path| {
        let loaded = load_named(main).expect("good");
        loaded.warnings.iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    let [found] = &warnings(&main)[..] else { panic!("{:?}", warnings(&main)) };
    let expected =
        "n.yaml:4:5: warning: `routing.marks` names eth9, which `routing.policy_rules` does not list";
    assert!(found.contains(expected) && found.contains("list it there"), "{found}");
    // Another file says it, and says it last.
    scratch.write("n.yaml.d/2.yaml", "routing: {gateways: {eth9: 192.0.2.1}}");
    assert!(
        warnings(&main)[0].contains("2.yaml:1:22: warning: `routing.gateways` names eth9"),
        "{:?}",
        warnings(&main)
    );
    std::fs::remove_file(listed).expect("it was there");
    assert_eq!(warnings(&main).len(), 5, "{:?}", warnings(&main));
}

#[test]
fn a_missing_file_is_an_error_only_when_it_is_named() {
    let scratch = Scratch::new("missing");
    let path = scratch.0.join("n.yaml");
    let error = load_named(&path).expect_err("named");
    assert!(error.contains("there is no such file"), "{error}");
    let source = Source { file: path, required: false };
    let loaded = load(&source, &BTreeMap::new()).expect("defaults");
    assert_eq!((loaded.config, loaded.files), (Config::default(), vec![]));
}

#[test]
fn what_is_no_text_is_refused() {
    let scratch = Scratch::new("text");
    let latin = scratch.write("latin.yaml", b"system: {}\n# caf\xe9\n");
    let error = load_named(&latin).expect_err("not UTF-8");
    assert!(error.contains("line 2, column 6 is no UTF-8"), "{error}");
    let long = scratch.write("long.yaml", "#".repeat((1 << 20) + 1));
    assert!(load_named(&long).expect_err("too long").contains("1 MiB"));
    assert!(load_named(&scratch.0).expect_err("a directory").contains("cannot be read"));
}

#[test]
fn a_policy_that_the_helper_would_not_read_is_refused() {
    let scratch = Scratch::new("policy");
    let names: Vec<_> = (0..9000).map(|n| format!("eth{n}")).collect();
    let path = scratch.write("n.yaml", format!("routing: {{policy_rules: [{}]}}", names.join(", ")));
    let error = load_named(&path).expect_err("too much");
    assert!(error.contains("more than 65536 bytes"), "{error}");
}

#[test]
fn monitored_are_all_but_lo_unless_listed() {
    let mut config = Config::default();
    assert!(config.monitors("eth0") && !config.monitors("lo"));
    config.monitoring = PatternList::new(["!veth*"]).expect("good");
    assert!(config.monitors("eth0") && !config.monitors("veth1") && !config.monitors("lo"));
    config.monitoring = PatternList::new(["lo", "eth*", "!eth9"]).expect("good");
    assert!(config.monitors("lo") && config.monitors("eth0"));
    assert!(!config.monitors("eth9") && !config.monitors("wlan0"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "(system|routing|network|monitoring): ?\n? {0,2}[a-z_]{0,9}: ?\\PC{0,30}\n?") {
        let (_, problems) = read(&text);
        for problem in problems { prop_assert!(!problem.to_string().is_empty()); }
    }

    #[test]
    fn every_fault_points_into_the_text(text in "[-a-c:{}\\[\\]!'\", \n\u{e9}]{0,50}") {
        let (_, problems) = read(&text);
        for problem in problems {
            if let Some(span) = problem.fault.span {
                prop_assert!(span.line >= 1 && span.column >= 1);
                prop_assert!(span.line <= text.lines().count().max(1) + 1, "{text:?}\n{problem}");
            }
        }
    }
}
