//! What a test does that cannot run here.

use std::fmt::Display;
use std::io::Write;

/// Says on standard error, past the harness's capture, that the running test does not run here, and
/// why. With `NETEVD_TEST_REQUIRE=1`, as in CI, the test fails: there a test that is skipped is a
/// promise that nobody keeps.
pub(crate) fn skip(reason: impl Display) {
    assert!(std::env::var_os("NETEVD_TEST_REQUIRE").is_none(), "NETEVD_TEST_REQUIRE is set, and: {reason}");
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {}: {reason}", thread.name().unwrap_or_default());
}
