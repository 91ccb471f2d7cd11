//! Standard input of a script: a sealed file in memory.
//!
//! A script that does not read it blocks nobody, one that reads late gets all of it, and none can
//! change what it holds (memfd_create(2)).

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};

/// A file that holds `document`, at its beginning, unchangeable, close-on-exec.
pub(super) fn sealed(document: &[u8]) -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Linux 6.3 wants to be told that it is not for execution; older kernels refuse the flag.
    let not_executable = flags | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    let fd = match memfd_create("netevd-event", not_executable) {
        Err(Errno::EINVAL) => memfd_create("netevd-event", flags),
        answer => answer,
    }?;
    let mut file = File::from(fd);
    file.write_all(document)?;
    file.rewind()?;
    let seals =
        SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn it_reads_whole_and_cannot_be_changed() {
        let document = vec![b'x'; 300_000];
        let mut file = sealed(&document).expect("memfd");
        let mut read = Vec::new();
        file.read_to_end(&mut read).expect("readable");
        assert_eq!(read, document);
        file.rewind().expect("seekable");
        let refused = file.write(b"y").expect_err("sealed");
        assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
        assert!(file.set_len(0).is_err() && file.set_len(400_000).is_err());
    }
}
