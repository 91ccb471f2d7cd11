//! The unprivileged side of netevd.
