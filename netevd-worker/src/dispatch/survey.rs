//! Every file of every script directory and what becomes of it, for people who ask.

use super::directory::{ScriptRoots, names, skip_reason, unreadable};
use super::identity::Identity;
use super::startable;
use super::trust::{TrustedOwner, Verdict, judge};
use crate::model::EventKind;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is; a directory when that cannot be listed.
    pub path: PathBuf,
    /// Whose directory it is in.
    pub kind: EventKind,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// A directory beneath a root that belongs to no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// The directory name that was probably meant.
    pub nearest: Option<&'static str>,
}

/// What is found beneath the roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// By event in the order of the documentation, then in the order of running.
    pub entries: Vec<Entry>,
    /// Directories whose scripts would never run.
    pub strays: Vec<UnknownDirectory>,
}

/// Directories beneath a root that hold something else than scripts.
const OTHERS: [&str; 1] = ["netevd.yaml.d"];
/// Edits between a stray's name and a right one for the right one to be offered.
const NEAR: usize = 3;

/// Looks at all roots, judging for the identity that scripts would run as.
pub fn survey(roots: &ScriptRoots, owner: TrustedOwner, identity: &Identity) -> Survey {
    let entries = EventKind::ALL.iter().flat_map(|kind| entries(roots, *kind, owner, identity)).collect();
    Survey { entries, strays: roots.iter().flat_map(strays).collect() }
}

fn entries(roots: &ScriptRoots, kind: EventKind, owner: TrustedOwner, identity: &Identity) -> Vec<Entry> {
    let mut found: Vec<(OsString, Entry)> = Vec::new();
    let mut first: HashMap<OsString, PathBuf> = HashMap::new();
    for directory in roots.directories(kind) {
        let names = match names(&directory) {
            Ok(names) => names,
            Err(error) => {
                let verdict = unreadable(&directory, &error);
                found.push((OsString::new(), Entry { path: directory, kind, verdict }));
                continue;
            }
        };
        for name in names {
            let path = directory.join(&name);
            let verdict = if let Some(reason) = skip_reason(&name) {
                Verdict::Skipped(reason)
            } else if let Some(by) = first.get(&name) {
                Verdict::Masked { by: by.clone() }
            } else {
                first.insert(name.clone(), path.clone());
                match judge(&path, owner, identity) {
                    Verdict::Runs => startable::check(&path),
                    verdict => verdict,
                }
            };
            found.push((name, Entry { path, kind, verdict }));
        }
    }
    // Stable: of one name, the earlier root stays first.
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.into_iter().map(|(_, entry)| entry).collect()
}

fn strays(root: &Path) -> Vec<UnknownDirectory> {
    let Ok(names) = names(root) else { return Vec::new() };
    let mut strays: Vec<UnknownDirectory> = names
        .map(|name| (root.join(&name), name))
        .filter(|(path, name)| {
            let name = name.to_string_lossy();
            let is_known = EventKind::ALL.iter().any(|kind| kind.directory() == name);
            !is_known && !OTHERS.contains(&&*name) && !name.starts_with('.') && path.is_dir()
        })
        .map(|(path, name)| UnknownDirectory { path, nearest: nearest(&name.to_string_lossy()) })
        .collect();
    strays.sort_by(|a, b| a.path.cmp(&b.path));
    strays
}

/// The event directory whose name is closest, if any is close.
fn nearest(name: &str) -> Option<&'static str> {
    let stem = name.strip_suffix(".d").unwrap_or(name).to_lowercase().replace('_', "-");
    EventKind::ALL
        .iter()
        .map(|kind| (strsim::osa_distance(&stem, kind.name()), kind))
        .filter(|(distance, kind)| *distance <= NEAR && *distance < kind.name().len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, kind)| kind.directory())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_name_is_offered() {
        for (found, right) in [
            ("routable", Some("routable.d")),
            ("routeable.d", Some("routable.d")),
            ("No_Carrier.d", Some("no-carrier.d")),
            ("address-add.d", Some("address-added.d")),
            ("lib", None),
            ("documentation", None),
        ] {
            assert_eq!(nearest(found), right, "{found}");
        }
    }
}
