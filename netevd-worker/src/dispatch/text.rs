//! Text for the log and for command lines that an administrator may copy.

use crate::text::printable;
use std::path::Path;

/// A path for the log.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// A path as one word of a POSIX shell.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+@".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted(Path::new("/etc/netevd/routable.d/10-a")), "/etc/netevd/routable.d/10-a");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
