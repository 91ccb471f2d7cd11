//! The interface to people and programs: what can be asked of a running worker, and the shape of
//! every answer. The loop that owns the state answers; nothing here shares it.
//!
//! [`document`] has the answers as they stand on the wire, which the command line reads back;
//! [`ask`] is how the server, whose connections are tasks of their own, reaches the loop.

pub mod ask;
pub mod document;
mod problem;
mod scripts;
pub mod server;
pub(crate) mod view;
