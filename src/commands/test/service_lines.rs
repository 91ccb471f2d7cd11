//! Which lines of the installed service a transient unit gets: read from its file and drop-ins, with their
//! specifiers expanded, without what belongs to the daemon alone. Pure.

/// What belongs to the daemon's own life and not to what its scripts may. All else is handed over: a line
/// that this program does not know confines as well.
const OF_THE_DAEMON: [&str; 44] = [
    "BusName",
    "Environment",
    "EnvironmentFile",
    "ExecCondition",
    "ExecReload",
    "ExecReloadPost",
    "ExecStart",
    "ExecStartPost",
    "ExecStartPre",
    "ExecStop",
    "ExecStopPost",
    "ExitType",
    "FileDescriptorStoreMax",
    "FileDescriptorStorePreserve",
    "Group",
    "GuessMainPID",
    "KillMode",
    "NotifyAccess",
    "OpenFile",
    "PIDFile",
    "PassEnvironment",
    "ReloadSignal",
    "RemainAfterExit",
    "Restart",
    "RestartForceExitStatus",
    "RestartMaxDelaySec",
    "RestartMode",
    "RestartPreventExitStatus",
    "RestartSec",
    "RestartSteps",
    "RuntimeMaxSec",
    "RuntimeRandomizedExtraSec",
    "Sockets",
    "StandardError",
    "StandardInput",
    "StandardOutput",
    "SuccessExitStatus",
    "TimeoutAbortSec",
    "TimeoutSec",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "Type",
    "User",
    "WatchdogSec",
];
/// Directories that systemd makes for the daemon and lets it write to: by their names, where they are. The
/// unit must neither make nor remove them.
const PLACES: [(&str, &str); 4] = [
    ("RuntimeDirectory", "/run"),
    ("StateDirectory", "/var/lib"),
    ("CacheDirectory", "/var/cache"),
    ("LogsDirectory", "/var/log"),
];
/// What goes with them.
const PLACES_MORE: [&str; 7] = [
    "RuntimeDirectoryMode",
    "RuntimeDirectoryPreserve",
    "StateDirectoryMode",
    "CacheDirectoryMode",
    "LogsDirectoryMode",
    "ConfigurationDirectory",
    "ConfigurationDirectoryMode",
];

/// The assignments of the section `[Service]` in their order, systemd.syntax(7).
pub(super) fn assignments(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut inside, mut held) = (false, String::new());
    for line in text.lines() {
        // Comments do not end a line that goes on.
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        if let Some(part) = line.strip_suffix('\\') {
            held.push_str(part);
            held.push(' ');
            continue;
        }
        held.push_str(line);
        let whole = std::mem::take(&mut held);
        let whole = whole.trim();
        if whole.starts_with('[') {
            inside = whole == "[Service]";
        } else if let Some((name, value)) = whole.split_once('=').filter(|_| inside) {
            found.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

/// What is handed over, in the order of the files.
#[derive(Debug)]
pub(super) struct ServiceLines {
    service: &'static str,
    properties: Vec<String>,
    /// The daemon's own directories, by the assignment that names them.
    places: Vec<(&'static str, String)>,
}

impl ServiceLines {
    pub(super) fn of(service: &'static str) -> Self {
        Self { service, properties: Vec::new(), places: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        if OF_THE_DAEMON.contains(&name) || PLACES_MORE.contains(&name) {
            return Ok(());
        }
        let value = expanded(self.service, value).map_err(|what| {
            format!(
                "{name}= has the specifier {what}, which netevd test does not know: write what it stands for"
            )
        })?;
        let Some((place, base)) = PLACES.iter().find(|(place, _)| *place == name) else {
            self.properties.push(format!("{name}={value}"));
            return Ok(());
        };
        if value.is_empty() {
            self.places.retain(|(of, _)| of != place);
        }
        let paths = value.split_whitespace().filter_map(|path| path.split(':').next());
        self.places.extend(paths.map(|path| (*place, format!("-{base}/{path}"))));
        Ok(())
    }

    /// The daemon's directories last: a reset of what may be written does not concern them.
    pub(super) fn properties(self) -> Vec<String> {
        let places: Vec<String> = self.places.into_iter().map(|(_, path)| path).collect();
        let more = (!places.is_empty()).then(|| format!("ReadWritePaths={}", places.join(" ")));
        self.properties.into_iter().chain(more).collect()
    }
}

/// Specifiers of systemd.unit(5), which transient units do not have.
fn expanded(service: &str, value: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut ahead = rest.clone();
        match ahead.next() {
            Some('%') => out.push('%'),
            Some('t') => out.push_str("/run"),
            Some('S') => out.push_str("/var/lib"),
            Some('C') => out.push_str("/var/cache"),
            Some('L') => out.push_str("/var/log"),
            Some('E') => out.push_str("/etc"),
            Some('T') => out.push_str("/tmp"),
            Some('V') => out.push_str("/var/tmp"),
            Some('n') => out.push_str(service),
            Some('N' | 'p') => out.push_str(service.trim_end_matches(".service")),
            Some(other) if other.is_ascii_alphabetic() => return Err(format!("%{other}")),
            // A percentage.
            _ => {
                out.push('%');
                continue;
            }
        }
        rest = ahead;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_unit_are_read_as_systemd_reads_them() {
        let text = "Stray=1\n[Unit]\nA=b\n[Service]\n# B=c\nUser=netevd\nReadWritePaths=/run \\\n# no end\n  /var\n\
                    SystemCallFilter=\n ; C=d\n[Install]\nE=f\n[Service]\nUMask = 0022 \n";
        let expected = [
            ("User", "netevd"),
            ("ReadWritePaths", "/run    /var"),
            ("SystemCallFilter", ""),
            ("UMask", "0022"),
        ];
        let found = assignments(text);
        assert!(found.iter().map(|(n, v)| (&**n, &**v)).eq(expected), "{found:?}");
    }

    fn handed(lines: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let mut found = ServiceLines::of("netevd.service");
        lines.iter().try_for_each(|(name, value)| found.add(name, value))?;
        Ok(found.properties())
    }

    #[test]
    fn all_is_handed_over_but_what_is_the_daemon_s_own() {
        for (name, value, expected) in [
            ("ExecStart", "/bin/true", None),
            ("ExecPaths", "/usr", Some("ExecPaths=/usr")),
            ("SystemCallFilter", "", Some("SystemCallFilter=")),
            ("RuntimeDirectory", "netevd a:b", Some("ReadWritePaths=-/run/netevd -/run/a")),
            ("LogsDirectory", "", None),
            ("MemoryMax", "20%", Some("MemoryMax=20%")),
            ("ReadWritePaths", "%t/x %%", Some("ReadWritePaths=/run/x %")),
        ] {
            let found = handed(&[(name, value)]).expect("known");
            assert!(found.iter().map(String::as_str).eq(expected), "{name}: {found:?}");
        }
        assert!(handed(&[("ReadWritePaths", "%h/x")]).is_err_and(|why| why.contains("%h")));
        assert!(OF_THE_DAEMON.is_sorted(), "{OF_THE_DAEMON:?}");
    }

    #[test]
    fn a_reset_takes_back_what_it_resets_alone() {
        let lines = [
            ("RuntimeDirectory", "a"),
            ("LogsDirectory", "a"),
            ("ReadWritePaths", "/run"),
            ("ReadWritePaths", ""),
            ("RuntimeDirectory", ""),
        ];
        let expected = ["ReadWritePaths=/run", "ReadWritePaths=", "ReadWritePaths=-/var/log/a"];
        assert_eq!(handed(&lines).expect("known"), expected);
    }

    /// Whatever is added to the units is confinement, or is decided on here.
    #[test]
    fn the_shipped_units_have_no_line_that_is_lost() {
        let kept = ["CapabilityBoundingSet", "NoNewPrivileges", "SystemCallFilter", "ProtectSystem", "UMask"];
        for text in [
            include_str!("../../../systemd/netevd.service"),
            include_str!("../../../systemd/netevd-scripts.service"),
        ] {
            let lines = assignments(text);
            let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let found = handed(&lines).expect("handed over or left out");
            for name in kept {
                assert!(found.iter().any(|line| line.starts_with(&format!("{name}="))), "{name}");
            }
        }
    }
}
