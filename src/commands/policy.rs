//! `netevd policy`: the helper's policy, polkit's rule, or the firewall's marks, as compiled from the configuration.

use crate::cli::PolicyOptions;
use crate::nft::{self, Marked};
use crate::{Failure, load, output, polkit, say};
use protocol::{InterfaceName, Policy};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Prints it, or writes it to a file.
pub(crate) fn run(options: &PolicyOptions) -> Result<(), Failure> {
    let config = load(options.config.file.as_deref())?.config;
    let policy = if options.nft {
        nft::ruleset(&marked(&config.routing)?)
    } else if !options.polkit {
        config.routing.to_string()
    } else if polkit::is_plain(&options.user) {
        polkit::rule(&config, &options.user)
    } else {
        return Err(Failure::line(format!("{:?} is no user's name", options.user)));
    };
    match &options.output {
        None => output::put(policy)?,
        Some(file) => replace(file, &policy)
            .map_err(|error| Failure::line(format!("cannot write {}: {error}", file.display())))?,
    }
    Ok(())
}

/// The marked interfaces under their current names: `iifname` does not know alternative ones.
fn marked(policy: &Policy) -> Result<Vec<Marked>, Failure> {
    let marked = policy.marks.iter().map(|(name, mark)| {
        let current = nix::net::if_::if_nametoindex(name.as_str()).and_then(nix::net::if_::if_indextoname);
        let name = match current {
            Ok(current) => current.to_string_lossy().into_owned(),
            // It may come later; by that name, if that is none which only alternative names have.
            Err(_) if name.as_str().len() <= InterfaceName::MAX => name.to_string(),
            Err(_) => {
                let message = format!("routing.marks names {name}, and there is no such interface");
                return Err(Failure::line(format!("{message}: ip link show has all names")));
            }
        };
        if !nft::is_plain(&name) {
            let message = format!("nft cannot name the interface {name:?}: rename it, or leave it out");
            return Err(Failure::line(message));
        }
        let on_arrival = sysctl(&name, "rp_filter") == 1;
        if on_arrival && sysctl(&name, "src_valid_mark") == 0 {
            say(&format!(
                "{name}: rp_filter is 1: published ports need sysctl net.ipv4.conf.{}.src_valid_mark=1, or \
                 rp_filter=2",
                nft::key(&name)
            ));
        }
        Ok(Marked { name, mark: *mark, on_arrival })
    });
    marked.collect()
}

/// The larger of the interface's setting and that of all, which is what the kernel goes by (ip-sysctl(7)). An
/// interface that is not there yet will begin with the default.
fn sysctl(name: &str, setting: &str) -> u32 {
    let read = |of: &str| {
        let file = format!("/proc/sys/net/ipv4/conf/{of}/{setting}");
        fs::read_to_string(file).ok()?.trim().parse::<u32>().ok()
    };
    read(name).or_else(|| read("default")).max(read("all")).unwrap_or_default()
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
