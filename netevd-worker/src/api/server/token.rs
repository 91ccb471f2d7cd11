//! The token of `api.token_file`: read at the start and at each reload, kept as a digest, compared in
//! constant time, and never told to anybody.

use sha2::{Digest, Sha256};
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use subtle::ConstantTimeEq;

/// Fewer could be guessed.
const SHORTEST: usize = 16;
/// What is longer is no token.
const MAX_LENGTH: u64 = 4_096;

/// What is left of a token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token([u8; 32]);

impl Token {
    /// The error says what was found and how to fix it, but nothing of the content. The file must not belong
    /// to one of these users, who could choose the token.
    pub(super) fn read(path: &Path, not_of: &[u32]) -> Result<Self, String> {
        let name = path.display();
        let unreadable = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => format!(
                "api.token_file {name} is not there; to make it: (umask 027; od -An -N32 -tx1 /dev/urandom | \
                 tr -d ' \\n' >{name}; chgrp netevd {name})"
            ),
            io::ErrorKind::PermissionDenied => format!(
                "api.token_file {name} cannot be read by the daemon's user; to fix it: chgrp netevd {name} && \
                 chmod 0640 {name}"
            ),
            _ => format!("api.token_file {name} cannot be read: {error}"),
        };
        // A pipe would keep the loop waiting.
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)
            .map_err(|error| unreadable(&error))?;
        let found = file.metadata().map_err(|error| unreadable(&error))?;
        if !found.is_file() {
            return Err(format!("api.token_file {name} is no regular file"));
        }
        if not_of.contains(&found.uid()) {
            return Err(owner_fault(path, found.uid()));
        }
        // Scripts have the worker's group: who may write may choose.
        if found.mode() & 0o026 != 0 {
            return Err(format!(
                "api.token_file {name} has mode {:04o}, so that others may read or write it; to fix it: \
                 chmod 0640 {name}, and put another token into it",
                found.mode() & 0o7777
            ));
        }
        let mut text = Vec::new();
        file.take(MAX_LENGTH + 1).read_to_end(&mut text).map_err(|error| unreadable(&error))?;
        Self::of(&text).map_err(|fault| {
            format!("api.token_file {name} {fault}; it must hold one line of {SHORTEST} or more visible characters")
        })
    }

    pub(super) fn of(text: &[u8]) -> Result<Self, &'static str> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if u64::try_from(text.len()).is_ok_and(|length| length > MAX_LENGTH) {
            return Err("is too long");
        }
        if text.contains(&b'\n') {
            return Err("has more than one line");
        }
        if !text.iter().all(u8::is_ascii_graphic) {
            return Err("has blanks, control or other characters that no header can carry");
        }
        if text.len() < SHORTEST {
            return Err("is too short");
        }
        Ok(Self(Sha256::digest(text).into()))
    }

    /// Takes as long for a wrong one as for the right one: digests are compared, and all of them.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown).into();
        self.0.ct_eq(&shown).into()
    }
}

/// What is said of a token that belongs to the worker's user or that of scripts.
pub(in crate::api) fn owner_fault(path: &Path, uid: u32) -> String {
    let name = path.display();
    format!(
        "api.token_file {name} belongs to uid {uid}, as whom the worker or scripts run: a script could choose the \
         token; to fix it: chown root {name}, and put another token into it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_one_line_of_visible_characters() {
        let token = Token::of(b"0123456789abcdef\n").expect("a token");
        assert!(token.is(b"0123456789abcdef"));
        for wrong in [&b"0123456789abcdeF"[..], b"0123456789abcdef\n", b"", b"0123456789abcdef0"] {
            assert!(!token.is(wrong));
        }
        for bad in [
            &b""[..],
            b"short\n",
            b"0123456789 abcdef",
            b"0123456789abcdef\nx",
            "0123456789abcdeü".as_bytes(),
        ] {
            assert!(Token::of(bad).is_err());
        }
        assert!(Token::of(&[b'a'; 5_000]).is_err());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let path = std::env::temp_dir().join(format!("netevd-token-{}", std::process::id()));
        std::fs::write(&path, "0123456789abcdef\n").expect("written");
        let mode =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        mode(0o640);
        assert!(Token::read(&path, &[]).is_ok());
        mode(0o660);
        assert!(Token::read(&path, &[]).is_err(), "the group may choose it");
        mode(0o644);
        let fault = Token::read(&path, &[]).err().expect("refused");
        assert!(fault.contains("0644") && fault.contains("chmod 0640"), "{fault}");
        assert!(!fault.contains("0123456789"));
        std::fs::remove_file(&path).expect("removed");
        assert!(Token::read(&path, &[]).err().expect("gone").contains("is not there"));
        assert!(Token::read(&std::env::temp_dir(), &[]).is_err());
    }

    #[test]
    fn a_file_of_the_worker_s_or_the_scripts_user_is_refused() {
        let path = std::env::temp_dir().join(format!("netevd-token-owner-{}", std::process::id()));
        std::fs::write(&path, "0123456789abcdef\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
        let own = nix::unistd::geteuid().as_raw();
        assert!(Token::read(&path, &[own + 1]).is_ok());
        let fault = Token::read(&path, &[own + 1, own]).err().expect("refused");
        assert!(fault.contains(&format!("belongs to uid {own}")) && fault.contains("chown root"), "{fault}");
        assert!(!fault.contains("0123456789"));
        std::fs::remove_file(&path).expect("removed");
    }
}
