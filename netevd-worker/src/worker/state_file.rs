//! The file that lets a restarted worker run scripts only for what changed meanwhile.

use crate::model::UnfinishedEvent;
use crate::state::{SavedState, State};
use nix::fcntl::OFlag;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Larger than any real state; what is larger is not ours.
const MAX_SIZE: u64 = 64 << 20;

/// `state.json` in the runtime directory.
pub(super) struct StateFile {
    file: PathBuf,
    place: String,
}

impl StateFile {
    /// For this boot and network namespace.
    pub(super) fn new(runtime_dir: &Path) -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/net").unwrap_or_default();
        let place = format!("{} {}", boot.trim_end(), namespace.display());
        Self { file: runtime_dir.join("state.json"), place }
    }

    /// The state before a restart; `None` on a first start, and when what is there is of no use.
    pub(super) fn load(&self) -> Option<State> {
        let text = match read(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            other => other,
        };
        let saved = text
            .map_err(|e| e.to_string())
            .and_then(|text| SavedState::parse(&text, &self.place).map_err(|e| e.to_string()));
        match saved {
            Ok(saved) => Some(State::restore(saved)),
            Err(reason) => {
                let file = self.file.display();
                tracing::info!("{file} is not used ({reason}): scripts run for everything that is there");
                None
            }
        }
    }

    /// Saves atomically, with the events that have not run.
    pub(super) fn save(&self, state: &State, unfinished: &[UnfinishedEvent]) -> io::Result<()> {
        let text = serde_json::to_vec(&state.save(&self.place, unfinished))?;
        let new = self.file.with_extension("new");
        // What an interrupted worker left, or a script put there.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&text)?;
        drop(file);
        fs::rename(&new, &self.file)
    }
}

/// Without `scripts.user` a script may put anything in the file's place: a pipe must keep nobody waiting, and
/// no link is followed.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(file)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    let mut text = Vec::new();
    file.take(MAX_SIZE + 1).read_to_end(&mut text)?;
    match u64::try_from(text.len()) {
        Ok(length) if length <= MAX_SIZE => Ok(text),
        _ => Err(io::Error::other("too large")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_that_stands_in_the_file_s_place_keeps_a_start_waiting() {
        let directory = std::env::temp_dir().join(format!("netevd-memory-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let state_file = StateFile::new(&directory);
        let (file, new) = (directory.join("state.json"), directory.join("state.new"));
        let victim = directory.join("victim");
        state_file.save(&State::default(), &[]).expect("saved");
        fs::copy(&file, &victim).expect("copied");
        let stands = |place: &Path, what: usize| {
            let _ = fs::remove_file(place);
            match what {
                0 => mkfifo(place, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe"),
                1 => symlink(&victim, place).expect("a link"),
                _ => symlink("/dev/zero", place).expect("a link"),
            }
        };
        for what in 0..3 {
            stands(&file, what);
            assert!(state_file.load().is_none(), "{what}");
            stands(&new, what);
            state_file.save(&State::default(), &[]).expect("saved");
            assert!(state_file.load().is_some(), "{what}");
        }
        assert!(fs::symlink_metadata(&file).expect("there").is_file() && !new.exists());
        fs::remove_dir_all(&directory).expect("removed");
    }
}
