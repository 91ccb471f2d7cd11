//! The unprivileged side of netevd.
fn main() {}
