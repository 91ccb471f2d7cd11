//! The file that lets a restarted worker run scripts only for what changed meanwhile.

use crate::state::{SavedState, State};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Larger than any real state; what is larger is not ours.
const LARGEST: u64 = 64 << 20;

/// `state.json` in the runtime directory.
pub(super) struct Memory {
    file: PathBuf,
    place: String,
}

impl Memory {
    /// For this boot and network namespace.
    pub(super) fn new(runtime_dir: &Path) -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/net").unwrap_or_default();
        let place = format!("{} {}", boot.trim_end(), namespace.display());
        Self { file: runtime_dir.join("state.json"), place }
    }

    /// The state before a restart; `None` on a first start, and when what is there is of no use.
    pub(super) fn recall(&self) -> Option<State> {
        let text = match fs::metadata(&self.file) {
            Ok(found) if found.len() <= LARGEST => fs::read(&self.file),
            Ok(_) => Err(io::Error::other("too large")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error),
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

    /// Saves atomically.
    pub(super) fn save(&self, state: &State) -> io::Result<()> {
        let text = serde_json::to_vec(&state.save(&self.place))?;
        let new = self.file.with_extension("new");
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&text)?;
        drop(file);
        fs::rename(&new, &self.file)
    }
}
