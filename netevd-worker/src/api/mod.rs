//! The interface to people and programs: what can be asked of a running worker, and the shape of
//! every answer. The loop that owns the state answers; nothing here shares it.
//!
//! [`crate::document`] has the answers as they stand on the wire, which the command line reads back;
//! [`crate::request`] is how the server, whose connections are tasks of their own, reaches the loop.

mod problem;
mod scripts;
pub mod seen;
pub mod server;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What is wrong with the owner of `api.token_file`, where these users run the worker or scripts. A file that
/// is not there, or cannot be looked at, is judged when it is read.
pub fn token_file_fault(path: &Path, lesser_users: &[u32]) -> Option<String> {
    let owner = std::fs::metadata(path).ok()?.uid();
    (owner != 0 && lesser_users.contains(&owner)).then(|| server::token_owner_fault(path, owner))
}
