//! Whether the kernel could execute a file: what `list scripts` says before the first event does.

use super::run;
use super::text::quoted;
use super::trust::{Verdict, refused};
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// BINPRM_BUF_SIZE: the kernel looks at no more of a file.
const HEAD: u64 = 256;

/// The start of a file, as far as the kernel looks.
pub(super) fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// The interpreter that the first line names, as the kernel reads it.
pub(super) fn interpreter(head: &[u8]) -> Option<String> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let is_space = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let name = line.split(is_space).find(|word| !word.is_empty())?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// The first line ends as lines do on Windows: the kernel takes the carriage return for a part of the name.
pub(super) fn has_carriage_return(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    head.starts_with(b"#!") && line.ends_with(b"\r")
}

/// How to fix that.
pub(super) fn without_carriage_returns(path: &Path) -> String {
    format!("sed -i 's/\\r$//' {}", quoted(path))
}

/// Refused when the kernel would not execute a file that was judged good. A file that the caller may not
/// read is not looked into.
pub(super) fn check(path: &Path) -> Verdict {
    let word = quoted(path);
    let refusal = |found: &str, cure: String| refused(path, found, cure);
    if statvfs(path).is_ok_and(|found| found.flags().contains(FsFlags::ST_NOEXEC)) {
        let cure = format!("mount -o remount,exec \"$(findmnt -no TARGET -T {word})\"");
        return refusal("is on a file system that is mounted noexec", cure);
    }
    let Ok(head) = head(path) else { return Verdict::Runs };
    if head.is_empty() {
        return refusal("is empty", format!("rm {word}, or write the script"));
    }
    if has_carriage_return(&head) {
        let found = "has a first line that ends in a carriage return, as on Windows";
        return refusal(found, without_carriage_returns(path));
    }
    match interpreter(&head) {
        Some(name) if !is_executable(Path::new(&name)) => {
            let error = io::Error::from_raw_os_error(nix::libc::ENOENT);
            let cause = run::why_not_started(path, &error);
            refusal(&format!("cannot be started: {cause}"), format!("head -n 1 {word}"))
        }
        Some(_) => Verdict::Runs,
        None if head.starts_with(b"\x7fELF") => Verdict::Runs,
        None => refusal("has no first line like #!/bin/sh", format!("sed -i '1i #!/bin/sh' {word}")),
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_would_not_execute_is_named() {
        let directory = std::env::temp_dir().join(format!("netevd-startable-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("writable");
        let path = directory.join("10-a");
        for (text, found, cure) in [
            ("", "is empty", "rm "),
            ("echo hello\n", "has no first line", "sed -i '1i #!/bin/sh' "),
            ("#!/bin/sh\r\necho\r\n", "ends in a carriage return", "sed -i 's/\\r$//' "),
            ("#!/nonexistent/sh -e\n", "interpreter /nonexistent/sh is not there", "head -n 1 "),
            ("#!\n", "has no first line", "sed"),
        ] {
            std::fs::write(&path, text).expect("writable");
            let verdict = check(&path);
            let Verdict::Refused { found: said, cure: command, .. } = &verdict else {
                panic!("{text:?}: {verdict}")
            };
            assert!(said.contains(found) && command.starts_with(cure), "{text:?}: {verdict}");
        }
        for text in ["#!/bin/sh\n", "#! /bin/sh -e\n:\n", "#!/bin/sh"] {
            std::fs::write(&path, text).expect("writable");
            assert_eq!(check(&path), Verdict::Runs, "{text:?}");
        }
        std::fs::copy("/bin/true", &path).expect("there");
        assert_eq!(check(&path), Verdict::Runs);
        std::fs::remove_dir_all(&directory).expect("there");
    }
}
