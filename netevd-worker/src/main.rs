//! The unprivileged side of netevd. Started by `netevd start`; see [`netevd_worker::worker`].

use std::process::ExitCode;

fn main() -> ExitCode {
    netevd_worker::worker::main()
}
