//! What is built is what was read: checksums, locked builds, and what CI compares.

use crate::document::text;

#[test]
fn every_crate_has_a_checksum_and_comes_from_crates_io() {
    let lock = text("Cargo.lock");
    let packages = lock.split("[[package]]").skip(1);
    let mut foreign = 0;
    for package in packages.filter(|package| package.contains("\nsource = ")) {
        foreign += 1;
        let source = "\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"";
        let checksum = package.split(source).nth(1).and_then(|rest| rest.split('"').next());
        assert!(checksum.is_some_and(|sum| sum.len() == 64), "{package}");
    }
    assert!(foreign > 100, "{foreign}");
}

/// Without `--locked` cargo would take a newer version where the lock file has none.
#[test]
fn every_build_is_locked() {
    let makefile = text("Makefile").replace("\\\n", " ");
    let builds = ["$(CARGO) build", "$(CARGO) test", "$(CARGO) bench", "$(CARGO) clippy", "$(CARGO) install"];
    let mut seen = 0;
    for line in makefile.lines().filter(|line| builds.iter().any(|build| line.contains(build))) {
        assert!(line.contains("--locked"), "{line}");
        seen += 1;
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn ci_compares_crates_and_programs() {
    assert!(text(".ci/run").contains("exec .ci/steps.py"));
    let steps = text(".ci/steps.py");
    for command in ["make lint", "make audit sbom exposure", "make reproducible WHAT=helper", "make test"] {
        assert!(steps.contains(&format!("\"{command}\"),")), "{command}");
    }
}
