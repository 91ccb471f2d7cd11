//! Tests of `environment`.
