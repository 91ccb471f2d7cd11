//! The polkit rule that lets the worker do exactly what the configuration asks of other services
//! (polkit(8)). Pure: configuration in, JavaScript out.

use netevd_worker::config::{Config, UnitRule};
use std::fmt::Write as _;

/// Where administrators put rules.
pub(crate) const FILE: &str = "/etc/polkit-1/rules.d/50-netevd.rules";

/// The rule for a worker of this user, who must be a plain name (see [`is_plain`]).
pub(crate) fn rule(config: &Config, user: &str) -> String {
    let mut rule = format!(
        "// What netevd may ask of other services, made from its configuration by\n\
         //     netevd policy --polkit > {FILE}\n\
         // netevd.service does so at each start and reload. Without the first line this file stays as it is.\n"
    );
    let actions = actions(config);
    let units: Vec<String> = config.units.iter().map(|rule| unit(rule, config)).collect();
    if actions.is_empty() && units.is_empty() {
        rule.push_str("// Nothing in the configuration needs one.\n");
        return rule;
    }
    let _ = write!(
        rule,
        "polkit.addRule(function(action, subject) {{\n    \
             if (subject.user !== \"{user}\") {{\n        \
                 return polkit.Result.NOT_HANDLED;\n    \
             }}\n"
    );
    for (key, action) in actions {
        let _ = write!(
            rule,
            "    // {key}\n    \
                 if (action.id === \"{action}\") {{\n        \
                     return polkit.Result.YES;\n    \
                 }}\n"
        );
    }
    if !units.is_empty() {
        let _ = write!(
            rule,
            "    // units\n    \
                 if (action.id === \"org.freedesktop.systemd1.manage-units\") {{\n        \
                     var verb = action.lookup(\"verb\");\n        \
                     var unit = String(action.lookup(\"unit\"));\n        \
                 var name;\n\
             {}    }}\n",
            units.concat()
        );
    }
    rule.push_str("    return polkit.Result.NOT_HANDLED;\n});\n");
    rule
}

/// A name that needs no escaping in a JavaScript string; systemd's own rule for users' names.
pub(crate) fn is_plain(user: &str) -> bool {
    !user.is_empty() && user.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Actions of resolved and hostnamed, and the key that needs each.
fn actions(config: &Config) -> Vec<(&'static str, &'static str)> {
    let dhclient = &config.backends.dhclient;
    let mut actions = Vec::new();
    if dhclient.use_dns {
        actions.push(("backends.dhclient.use_dns", "org.freedesktop.resolve1.set-dns-servers"));
    }
    if dhclient.use_domain {
        actions.push(("backends.dhclient.use_domain", "org.freedesktop.resolve1.set-domains"));
    }
    if dhclient.use_dns || dhclient.use_domain {
        actions.push(("the end of a lease", "org.freedesktop.resolve1.revert"));
    }
    if dhclient.use_hostname {
        actions.push(("backends.dhclient.use_hostname", "org.freedesktop.hostname1.set-hostname"));
    }
    actions
}

/// One verb of one unit; where its name has that of a link, of each link that the rule is for.
fn unit(rule: &UnitRule, config: &Config) -> String {
    let verb = rule.verb.name();
    let mut text = format!("        // {verb} {}\n", rule.unit);
    for names in rule.unit_names(config) {
        let _ = write!(
            text,
            "        name = /{}/.exec(unit);\n        if (verb === \"{verb}\" && name",
            names.unit
        );
        let any = |patterns: &[String]| {
            let tests: Vec<String> = patterns.iter().map(|p| format!("/{p}/.test(name[1])")).collect();
            tests.join(" || ")
        };
        for list in &names.one_of {
            let _ = write!(text, "\n                && ({})", any(list));
        }
        if !names.none_of.is_empty() {
            let _ = write!(text, "\n                && !({})", any(&names.none_of));
        }
        text.push_str(") {\n            return polkit.Result.YES;\n        }\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use netevd_worker::config::compile;

    fn config(text: &str) -> Config {
        let mut problems = Vec::new();
        let config = compile(&[("n.yaml".into(), text.to_owned())], &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        config
    }

    #[test]
    fn the_defaults_permit_nothing() {
        let rule = rule(&Config::default(), "netevd");
        assert!(rule.lines().all(|line| line.starts_with("//")), "{rule}");
    }

    /// The script of the unit tells netevd's own file by its first line, and a rule that permits
    /// something by the call.
    #[test]
    fn the_unit_s_script_knows_what_is_written_here() {
        let script = include_str!("../systemd/netevd-polkit");
        let rule = rule(&config("backends: {dhclient: {use_dns: true}}"), "netevd");
        let first = rule.lines().next().expect("a line");
        assert!(script.contains(&format!("\nmark='{first}'\n")), "{first}");
        assert!(script.contains(&format!("\nrule={FILE}\n")));
        assert!(rule.contains("polkit.addRule") && script.contains("*polkit.addRule*)"));
    }

    #[test]
    fn each_key_permits_its_own_action_and_no_more() {
        for (key, ids) in [
            ("use_dns", &["resolve1.set-dns-servers", "resolve1.revert"][..]),
            ("use_domain", &["resolve1.set-domains", "resolve1.revert"]),
            ("use_hostname", &["hostname1.set-hostname"]),
        ] {
            let rule = rule(&config(&format!("backends: {{dhclient: {{{key}: true}}}}")), "netevd");
            let found: Vec<&str> = rule.lines().filter_map(|l| l.split("freedesktop.").nth(1)).collect();
            assert_eq!(found.len(), ids.len(), "{rule}");
            assert!(ids.iter().all(|id| rule.contains(&format!("=== \"org.freedesktop.{id}\""))), "{rule}");
        }
    }

    #[test]
    fn a_unit_is_permitted_with_its_verb() {
        let text = "units: [{on: [carrier, off], link: \"wg*\", restart: \"a-%e@%i.service\"}]";
        let rule = rule(&config(text), "netevd");
        for event in ["carrier", "off"] {
            let form = format!(r"name = /^a\-{event}\@([A-Za-z0-9_]");
            assert_eq!(rule.matches(&form).count(), 1, "{rule}");
        }
        assert_eq!(rule.matches(r#"if (verb === "restart" && name"#).count(), 2, "{rule}");
        assert_eq!(rule.matches("/^wg(?:").count(), 2, "{rule}");
        assert_eq!(rule.matches("&& !(/^lo$/.test(name[1]))").count(), 2, "{rule}");
        assert!(rule.contains("subject.user !== \"netevd\""), "{rule}");
    }
}
