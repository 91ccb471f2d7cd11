//! The papers of an audit, and of scale: docs/audit-guide.md, docs/protocol.md, docs/threat-model.md and SECURITY.md say
//! what the code says, and every test that they name is there. `make man` regenerates what is made from code.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

mod calls;
mod caps;
mod document;
mod frames;
mod helper;
mod io_boundary;
mod named;
mod source;
mod supply;
mod surface;
