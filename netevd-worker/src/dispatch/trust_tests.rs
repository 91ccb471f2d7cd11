//! Tests of `trust`.
