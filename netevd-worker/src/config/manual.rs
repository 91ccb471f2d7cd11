//! What is made from the table of keys for people to read: the manual page netevd.yaml(5) and the table
//! of docs/configuration.md. The tests compare; with `NETEVD_WRITE_MANUAL=1` they write (`make man`).

use super::keys::{KEYS, Key, Kind};
use super::{Fault, Origin, Problem, compile};
use crate::filter::{self, Field};
use crate::model::EventKind;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const BEFORE: &str = r#".TH NETEVD.YAML 5 2026-11-24 netevd netevd
.SH NAME
netevd.yaml \- configuration of netevd
.SH SYNOPSIS
.I /etc/netevd/netevd.yaml
.br
.I /etc/netevd/netevd.yaml.d/*.yaml
.SH DESCRIPTION
.BR netevd (8)
reads the file and then its drop\-ins in bytewise order of their names. Nothing in them is needed: without
the file the defaults hold. A file that is named by
.B \-\-config
has to be there; its drop\-ins are
.IR FILE .d/*.yaml.
.PP
Mappings merge over the files (sections, limits, and gateways and marks by interface); single values and lists
replace. Unknown and repeated keys, wrong types and bad values are errors, shown with line and column by
.BR "netevd validate" ,
upon which the daemon does not start, and on reload keeps the configuration that it has. Anchors, aliases
and tags of YAML are not accepted.
.PP
.B "netevd validate \-\-schema"
prints a JSON schema for editors.
.SH KEYS
"#;

const UNITS: &str = r#".SH UNITS
A list of rules; each that matches is done, by a request to systemd that polkit has to permit
.RB ( "netevd policy \-\-polkit" ).
.TP
.B on
An event, or a list of them.
.TP
.B link
Names or globs, or a list of them; left out: every monitored link.
.TP
.BR start ", " stop ", " restart ", " reload
One of these, with the name of a unit: %i is the link's name, escaped as by
.BR systemd\-escape (1),
%e the event.
.SH FILTERS
A list. The first filter that matches and executes or ignores decides about an event; changes of routes
are judged one by one. Where none decides everything runs.
.TP
.B match
What has to be so; left out: every event.
.BR interface :
names or globs, a list of them, \(dq!veth*\(dq excludes.
.BR event :
an event, or a list.
.BR ip_family :
ipv4 or ipv6.
.BR backend :
one, or a list.
.BR condition :
see below.
.TP
.B action
.BR execute ,
.B ignore
(neither scripts nor units), or
.BR log ,
upon which the next filter is asked.
.TP
.B scripts
With execute: the only scripts that run, by their file names.
.TP
.B default
Alone, as the last entry: execute or ignore.
.SH CONDITIONS
Comparisons of a variable with values, joined by
.BR && ", " || ", " !
and parentheses:
.BR == ", " != ", " < ", " <= ", " > ", " >= ,
.BR "in [a, b]" ,
.B ~ \(dqglob\(dq.
Variables that are true or false stand alone. A comparison holds when one of the variable's values
satisfies it; without a value it does not. != is the contrary of ==.
"#;

const AFTER: &str = r#".SH ENVIRONMENT
.TP
.BI NETEVD_ SECTION _ KEY
Overrides one setting: NETEVD_SYSTEM_BACKEND=kernel, NETEVD_ROUTING_POLICY_RULES=\(dqeth1 eth2\(dq. Keys that
hold mappings or lists of mappings cannot be set so.
.TP
.B RUST_LOG
Overrides system.log_level, and can be told by module: info,netevd_worker=debug.
.SH EXAMPLE
.EX
system:
  backend: auto
monitoring:
  interfaces: ["eth*", "wg*", "!eth9"]
routing:
  policy_rules: [eth1]
filters:
  \- match: { interface: "wg*", condition: \(aqhas_gateway && mtu >= 1400\(aq }
    action: execute
    scripts: [10\-vpn.sh]
  \- match: { interface: "wg*" }
    action: ignore
.EE
.SH SEE ALSO
.BR netevd (8),
.BR netevd\-scripts (7),
.BR systemd.unit (5)
"#;

/// What may be written, in Markdown.
fn values(kind: &Kind) -> String {
    match kind {
        Kind::Boolean => "`true` `false`".to_owned(),
        Kind::Number(range) => format!("{} to {}", range.start(), range.end()),
        Kind::Words(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" "),
        Kind::Duration(range) => format!(
            "`500ms`, `30s`, `2m`, or seconds; {} ms to {} h",
            range.start().as_millis(),
            range.end().as_secs() / 3_600
        ),
        Kind::Patterns => "names or globs, `\"!veth*\"` excludes".to_owned(),
        Kind::Paths => "absolute paths, the last component may be a glob".to_owned(),
        Kind::Path => "absolute path".to_owned(),
        Kind::OptionalPath => "absolute path, `null`".to_owned(),
        Kind::Address => "IP address".to_owned(),
        Kind::OptionalUser => "name or number of a user, `null`".to_owned(),
        Kind::Group => "name or number of a group".to_owned(),
        Kind::Gateways => "`{ eth1: [192.0.2.1, \"fe80::1\"], eth2: first }`".to_owned(),
        Kind::Marks => "`{ eth1: 0x650000/0xff0000 }`".to_owned(),
        Kind::Addresses => "IP addresses".to_owned(),
        Kind::Prefixes => "prefixes, such as `10.0.0.0/8`".to_owned(),
        Kind::Protocols => "names (`bird`, `zebra`) or numbers of routing protocols".to_owned(),
        Kind::Nothing => "`{}`".to_owned(),
        Kind::Units => "`[{ on: routable, link: \"wg*\", start: \"vpn-routes@%i.service\" }]`".to_owned(),
        Kind::Filters => "`[{ match: { interface: \"veth*\" }, action: ignore }]`".to_owned(),
    }
}

/// The rows of docs/configuration.md.
fn rows() -> String {
    let more = |key: &Key| match key.kind {
        Kind::Units => "; [events.md](events.md)",
        Kind::Filters => "; [filters.md](filters.md)",
        _ => "",
    };
    let row = |key: &Key| {
        format!(
            "| `{}` | `{}` | {} | {}{} |\n",
            key.path,
            key.default,
            values(&key.kind),
            key.about,
            more(key)
        )
    };
    KEYS.iter().map(row).collect()
}

/// The rows of docs/filters.md.
fn variables() -> String {
    let row = |field: &Field| {
        format!("| `{}` | {} | {} |\n", field.name(), field.kind().what_bare(), field.about())
    };
    Field::ALL.iter().map(row).collect()
}

/// Markdown with backquotes to roff.
fn roff(text: &str) -> String {
    let mut out = String::new();
    let mut is_bold = false;
    for character in text.chars() {
        match character {
            '`' => {
                is_bold = !is_bold;
                out.push_str(if is_bold { "\\fB" } else { "\\fR" });
            }
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '"' => out.push_str("\\(dq"),
            '\'' => out.push_str("\\(aq"),
            '~' => out.push_str("\\(ti"),
            other => out.push(other),
        }
    }
    out
}

fn upper(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// netevd.yaml(5).
fn manual() -> String {
    let mut page = BEFORE.to_owned();
    for key in &KEYS {
        let about = roff(&upper(key.about));
        let (path, default, values) = (roff(key.path), roff(key.default), roff(&values(&key.kind)));
        let _ =
            writeln!(page, ".TP\n.B {path}\n{about}.\n.br\nValues: {values}. Default: \\fB{default}\\fR.");
    }
    page.push_str(UNITS);
    for field in Field::ALL {
        let about = roff(&upper(field.about()));
        let _ = writeln!(
            page,
            ".TP\n.B {}\n{} \\- {about}.",
            roff(field.name()),
            upper(field.kind().what_bare())
        );
    }
    let _ = write!(page, ".SH EVENTS\n.nh\n");
    let names: Vec<String> = EventKind::ALL.iter().map(|kind| roff(kind.name())).collect();
    let _ = writeln!(page, "{}.", names.join(", "));
    let _ = writeln!(page, ".hy");
    page.push_str(AFTER);
    page
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn writes() -> bool {
    std::env::var_os("NETEVD_WRITE_MANUAL").is_some()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_manual_page_is_of_this_version() {
    if writes() {
        std::fs::create_dir_all(root().join("man")).expect("writable");
        std::fs::write(root().join("man/netevd.yaml.5"), manual()).expect("writable");
    }
    assert!(read("man/netevd.yaml.5") == manual(), "man/netevd.yaml.5 is of another version: make man");
}

#[test]
fn the_documentation_has_every_key() {
    const HEAD: &str = "| key | default | values | what |\n|---|---|---|---|\n";
    let path = "docs/configuration.md";
    let text = read(path);
    let (before, rest) = text.split_once("## Keys\n\n").expect("a section of keys");
    let (_, after) = rest.split_once("\n\n").expect("more text");
    let expected = format!("{before}## Keys\n\n{HEAD}{}\n{after}", rows());
    if writes() {
        std::fs::write(root().join(path), &expected).expect("writable");
    }
    assert!(read(path) == expected, "{path} has other keys: make man. Expected:\n{}", rows());
}

#[test]
fn the_documentation_of_filters_has_every_variable() {
    let text = read("docs/filters.md");
    assert!(text.contains(&variables()), "docs/filters.md: expected\n{}", variables());
}

/// The fenced blocks of a page: language and text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = page.split("```").collect();
    let fenced = parts.iter().skip(1).step_by(2);
    fenced.filter_map(|part| part.split_once('\n')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

#[test]
fn the_examples_of_the_documentation_are_good() {
    let page = read("docs/filters.md");
    let (mut configurations, mut conditions, mut mistakes) = (0, 0, 0);
    for (language, text) in blocks(&page) {
        if language == "yaml" {
            let mut problems = Vec::new();
            let config = compile(&[("n.yaml".into(), text.clone())], &mut problems);
            assert_eq!(problems, vec![], "{text}");
            assert!(!config.filters.is_empty(), "{text}");
            configurations += 1;
        } else if let Some(said) = text.strip_prefix("$ netevd validate\n") {
            // The line that is shown, in the place that is told.
            let line = said.lines().nth(1).and_then(|line| line.split_once("| ")).expect("the line").1;
            let file = format!("filters:\n  # one\n{line}\n    action: log\n");
            let mut problems = Vec::new();
            compile(&[("/etc/netevd/netevd.yaml".into(), file)], &mut problems);
            assert_eq!(problems.iter().map(|p| format!("{p}\n")).collect::<String>(), said);
            mistakes += 1;
        } else {
            filter::parse(text.trim()).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            conditions += 1;
        }
    }
    assert!(configurations > 0 && conditions > 0 && mistakes > 0);
    // Small ones in the text: whatever has a sign of comparison.
    for code in
        page.split('`').skip(1).step_by(2).filter(|code| code.contains(" == ") || code.contains(" in [192"))
    {
        filter::parse(code).unwrap_or_else(|wrong| panic!("{code}: {wrong:?}"));
    }
}

#[test]
fn the_manual_s_example_is_good() {
    let page = manual();
    let example = page.split(".EX\n").nth(1).and_then(|rest| rest.split(".EE").next()).expect("an example");
    let text = example.replace("\\-", "-").replace("\\(aq", "'");
    let mut problems = Vec::new();
    compile(&[("n.yaml".into(), text.clone())], &mut problems);
    assert_eq!(problems, vec![], "{text}");
}

#[test]
fn a_place_within_a_condition_is_shown_in_the_line() {
    let text = "filters:\n- action: log\n  match: { condition: 'mtu > 1 && mtuu > 2' }\n";
    let mut problems = Vec::new();
    compile(&[("n.yaml".into(), text.to_owned())], &mut problems);
    let Problem { origin, fault: Fault { span, .. }, .. } = &problems[0];
    assert_eq!(
        (origin, span.map(|span| (span.line, span.column))),
        (&Origin::File("n.yaml".into()), Some((3, 35)))
    );
}
