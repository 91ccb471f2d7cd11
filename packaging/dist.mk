# What a release consists of beside the packages and images (docs/developer/releasing.md).

.PHONY: notices
notices: ## Licence texts of everything that is linked into the programs, into target/notices and target/release
	@tests/support/packages.sh python3:python3
	@packaging/notices.py
	@install -D -m 644 target/notices/NOTICES target/release/NOTICES

.PHONY: crates crates-verify
crates: ## Pack the crates as for crates.io into target/package, and compare what is in them
	@tests/support/packages.sh python3:python3 git:git
	@packaging/crates.py

crates-verify: ## The same, and build each crate from its package (minutes)
	$(CARGO) publish --dry-run --workspace --locked --allow-dirty
