//! `netevd policy`: the helper's policy, or polkit's rule, as compiled from the configuration.

use crate::cli::PolicyOptions;
use crate::{Failure, load, output, polkit};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Prints it, or writes it to a file.
pub(crate) fn run(options: &PolicyOptions) -> Result<(), Failure> {
    let config = load(options.config.file.as_deref())?.config;
    let policy = match options.polkit {
        false => config.routing.to_string(),
        true if polkit::is_plain(&options.user) => polkit::rule(&config, &options.user),
        true => return Err(Failure::line(format!("{:?} is no user's name", options.user))),
    };
    match &options.output {
        None => output::put(policy)?,
        Some(file) => replace(file, &policy)
            .map_err(|error| Failure::line(format!("cannot write {}: {error}", file.display())))?,
    }
    Ok(())
}

/// Under another name first: a reader finds the old text or the new one, never a part.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let new = file.with_added_extension("new");
    // What an interrupted run left.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // New, so that no link that stands there is followed.
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
    written.write_all(text.as_bytes())?;
    // Whatever the umask is: the helper, who reads it, is neither its owner nor of its group.
    written.set_permissions(Permissions::from_mode(0o644))?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_legible() {
        let directory = std::env::temp_dir().join(format!("netevd-policy-{}", std::process::id()));
        fs::create_dir(&directory).expect("a new directory");
        let file = directory.join("policy");
        let victim = directory.join("victim");
        fs::write(&victim, "precious").expect("written");
        std::os::unix::fs::symlink(&victim, directory.join("policy.new")).expect("a link");
        for text in ["first and longer\n", "second\n"] {
            replace(&file, text).expect("replaced");
            assert_eq!(fs::read_to_string(&file).expect("legible"), text);
        }
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_to_string(&victim).expect("there"), "precious");
        assert!(!directory.join("policy.new").exists());
        assert!(replace(&directory.join("none/policy"), "").is_err());
        fs::remove_dir_all(&directory).expect("removed");
    }
}
