//! Reads the files in their order and puts the environment on top.
//!
//! `FILE`, then `FILE.d/*.yaml` in bytewise order of their names. A later file wins: mappings
//! (sections, `limits`, `gateways` by interface) merge, scalars and lists are replaced.

use super::problem::Problem;
use super::validator::{KeyPositions, apply};
use super::yaml::TEXT_MAX;
use super::{Config, Fault, Origin, environment, unlisted};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "/etc/netevd/netevd.yaml";

/// Where the configuration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The main file; drop-ins are in the directory of the same name with `.d` added.
    pub file: PathBuf,
    /// Whether the main file must be there. Without it the defaults hold, and drop-ins.
    pub required: bool,
}

/// A good configuration and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
    /// What should be changed, but does no harm.
    pub warnings: Vec<Problem>,
}

impl Source {
    /// The file that `--config` names, or the default one.
    pub fn new(named: Option<&Path>) -> Self {
        match named {
            Some(file) => Self { file: file.to_owned(), required: true },
            None => Self { file: PathBuf::from(DEFAULT_FILE), required: false },
        }
    }

    fn drop_ins(&self) -> PathBuf {
        let mut name = OsString::from(&self.file);
        name.push(".d");
        PathBuf::from(name)
    }
}

/// Reads and checks everything; on any error all problems are returned, warnings among them, in
/// the order of files and of places within a file.
pub fn load(source: &Source, environment: &BTreeMap<String, String>) -> Result<Loaded, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut texts = Vec::new();
    for (path, required) in files(source, &mut problems) {
        match read(&path) {
            Ok(text) => texts.push((path, text)),
            Err(Unread::Missing) if !required => {}
            Err(unread) => problems.push(unread.problem(&path)),
        }
    }
    let mut config = compile(&texts, &mut problems);
    problems.extend(environment::apply(&mut config, environment));
    problems.extend(too_large_for_the_helper(&config, source));
    problems.extend(unlisted::warnings(&config, &texts));
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    Ok(Loaded { config, files: texts.into_iter().map(|(path, _)| path).collect(), warnings: problems })
}

/// Texts to values: the part without any reading.
pub fn compile(texts: &[(PathBuf, String)], problems: &mut Vec<Problem>) -> Config {
    let mut config = Config::default();
    let mut places = KeyPositions::new();
    for (path, text) in texts {
        let faults = apply(&mut config, text, &path.display().to_string(), &mut places);
        let origin = Origin::File(path.clone());
        problems.extend(faults.into_iter().map(|fault| Problem::new(origin.clone(), fault, text)));
    }
    config
}

/// The files in order, and whether each must be there.
fn files(source: &Source, problems: &mut Vec<Problem>) -> Vec<(PathBuf, bool)> {
    let mut files = vec![(source.file.clone(), source.required)];
    let directory = source.drop_ins();
    let mut found = match std::fs::read_dir(&directory).and_then(|entries| {
        entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<OsString>>>()
    }) {
        Ok(names) => names,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return files;
        }
        Err(error) => {
            problems.push(Unread::Failed(error).problem(&directory));
            return files;
        }
    };
    // Hidden files are an editor's.
    found.retain(|name| {
        let name = name.as_encoded_bytes();
        name.ends_with(b".yaml") && !name.starts_with(b".")
    });
    found.sort();
    files.extend(found.into_iter().map(|name| (directory.join(name), true)));
    files
}

enum Unread {
    Missing,
    Failed(io::Error),
    TooLong,
    NoText { line: usize, column: usize },
}

fn read(path: &Path) -> Result<String, Unread> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unread::Missing,
        _ => Unread::Failed(error),
    };
    let limit = u64::try_from(TEXT_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(Unread::Failed)?;
    if bytes.len() > TEXT_MAX {
        return Err(Unread::TooLong);
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default()).into_owned();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        Unread::NoText { line, column }
    })
}

impl Unread {
    fn problem(self, path: &Path) -> Problem {
        match self {
            Unread::Missing => Problem::of_file(
                path,
                "there is no such file",
                "create it, or leave --config out for the defaults",
            ),
            Unread::Failed(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let (found, cure) = permissions(path);
                Problem::of_file(
                    path,
                    format!("it may not be read by uid {}: {found}", nix::unistd::geteuid()),
                    cure,
                )
            }
            Unread::Failed(error) => {
                Problem::of_file(path, format!("it cannot be read: {error}"), "name a readable file")
            }
            Unread::TooLong => {
                Problem::of_file(path, "it is longer than 1 MiB", "keep to settings that differ")
            }
            Unread::NoText { line, column } => {
                let message = format!("line {line}, column {column} is no UTF-8");
                Problem::of_file(path, message, "save the file as UTF-8")
            }
        }
    }
}

/// Owner and mode of the first component that stands in the way, and what fixes it.
fn permissions(path: &Path) -> (String, String) {
    let mut ancestors: Vec<_> = path.ancestors().filter(|p| !p.as_os_str().is_empty()).collect();
    ancestors.reverse();
    for component in ancestors {
        let Ok(found) = std::fs::metadata(component) else { continue };
        let (needed, grant) = match (found.is_dir(), component == path) {
            (true, true) => (0o5, "o+rx"),
            (true, false) => (0o1, "o+x"),
            (false, _) => (0o4, "o+r"),
        };
        if found.mode() & needed != needed {
            return (
                format!(
                    "{} is owned by uid {} gid {}, mode {:04o}",
                    component.display(),
                    found.uid(),
                    found.gid(),
                    found.mode() & 0o7777
                ),
                format!(
                    "keep it in a place for all to read, such as /etc/netevd, or: chmod {grant} {}",
                    component.display()
                ),
            );
        }
    }
    ("permission denied".to_owned(), format!("namei -l {} shows what is in the way", path.display()))
}

/// The helper reads at most 64 KiB of policy and repeats every check on it.
fn too_large_for_the_helper(config: &Config, source: &Source) -> Option<Problem> {
    let error = config.routing.to_string().parse::<protocol::Policy>().err()?;
    let fault = Fault::whole(
        format!("`routing` does not make a policy for the helper: {error}"),
        "use globs instead of long lists",
    );
    Some(Problem { origin: Origin::File(source.file.clone()), fault, line: None })
}
