# What a release consists of beside the packages and images (docs/developer/releasing.md).

.PHONY: notices
notices: ## Licence texts of everything that is linked into the programs, into target/notices and target/release
	@tests/support/packages.sh python3:python3
	@packaging/notices.py
	@cmp -s target/notices/NOTICES target/release/NOTICES || \
		install -D -m 644 target/notices/NOTICES target/release/NOTICES

.PHONY: crates crates-verify
crates: ## Pack the crates as for crates.io into target/package, and compare what is in them
	@tests/support/packages.sh python3:python3 git:git
	@packaging/crates.py

crates-verify: ## The same, and build each crate from its package (minutes)
	$(CARGO) publish --dry-run --workspace --locked --allow-dirty

# The command line as well, for hosts without a package (make dist): it then knows the users of /etc/passwd
# alone (src/sys.rs).
.PHONY: release-static
release-static: ## Build netevd statically linked into target/static, for the tar file of make dist
	RUSTFLAGS="$(RUSTFLAGS) $(REMAP) $(STATIC)" $(CARGO) rustc -p netevd --bin netevd --locked --release --target $(HOST) -- \
		$(LEAN)
	cmp -s target/$(HOST)/release/netevd target/static/netevd || \
		install -D -m 755 target/$(HOST)/release/netevd target/static/netevd

DIST ?= target/dist
# Of deb rpm arch image image-debian; without it all, and in dist-check all but the last.
FORMATS ?=
export FORMATS
# Programs that were named are there already.
RELEASED = $(if $(filter file,$(origin BUILT)),release release-static)
.PHONY: dist dist-check
dist: $(RELEASED) ## Everything that a release consists of, into target/dist; RELEASE_KEY= signs it
	@tests/support/packages.sh python3:python3 git:git readelf:binutils
	BUILT=$(BUILT) packaging/dist.sh $(DIST)

dist-check: $(RELEASED) ## Make the release twice in other surroundings, compare, verify
	@tests/support/packages.sh python3:python3 git:git readelf:binutils minisign:minisign ssh-keygen:openssh-client
	packaging/verify-test.sh
	BUILT=$(BUILT) packaging/dist-check.sh
