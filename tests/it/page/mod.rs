//! The dashboard.

mod source;
