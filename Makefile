# What people and CI run. `make` alone prints the list.

CARGO ?= cargo
# Each integration test has a machine of its own; more at a time than this only slows all down.
RUST_TEST_THREADS ?= 4
export RUST_TEST_THREADS

HOST = $(shell rustc -vV | sed -n 's/^host: //p')

# A program says where its code stood (panics do). Said of the building machine's directories, that would
# be different on each, and nobody's business: the names of the crates remain.
REMAP = --remap-path-prefix=$(CURDIR)=/netevd \
	--remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo \
	--remap-path-prefix=$(shell rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$(shell rustc -vV | sed -n 's/^commit-hash: //p')

.DEFAULT_GOAL := help
.PHONY: help build release man install uninstall demo test rootfs test-boot test-hostile test-random test-api size layout fuzz miri bench lint audit exposure deny sbom reproducible packages packages-ci clean bench-table soak

help: ## Print this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

build: ## Build the three programs and the test agent (debug)
	$(CARGO) build --workspace --locked

release: release-helper release-worker notices ## Build optimised programs into target/release, helper and worker statically linked
	RUSTFLAGS="$(RUSTFLAGS) $(REMAP)" $(CARGO) build --workspace --exclude netevd-priv --exclude netevd-worker --locked --release

# Helper and worker are linked statically: no loader, no library that could be replaced, and a third of
# the memory; relocations are packed, and each program's layout.ld groups the functions that run. Only with
# --target do the flags spare the compiler's own plug-ins. netevd itself is not: it looks up users and
# hosts' names by the C library, which wants modules for that.
STATIC = -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs
# From the workspace, where the compiler runs: a full path would be another in each place, and so would the program.
LAYOUT = $(1)/layout.ld
# What no static program uses is left out; the script says what. The last step, which sees all crates at once, goes
# for size: each function keeps the level of its crate, and what is copied into callers is less.
LEAN = -C link-arg=-Wl,-T,packaging/static.ld -C opt-level=s
# What is there already stays untouched, for tests that run beside this may be reading it.
# The linker's list of what went where, for tests/support/layout.sh.
MAP ?=
comma := ,
linker = $(if $(2),-C link-arg=-Wl$(comma)$(1)$(2))
define static
RUSTFLAGS="$(RUSTFLAGS) $(REMAP) $(STATIC)" $(CARGO) rustc -p $(1) --bin $(1) --locked --release --target $(HOST) -- \
	$(call linker,-T$(comma),$(LAYOUT)) $(LEAN) $(call linker,-Map=,$(if $(MAP),$(MAP)/$(1).map))
cmp -s target/$(HOST)/release/$(1) target/release/$(1) || install -D -m 755 target/$(HOST)/release/$(1) target/release/$(1)
endef
.PHONY: release-helper release-worker
release-helper:
	$(call static,netevd-priv)

release-worker:
	$(call static,netevd-worker)

man: ## Regenerate what is made from code: manual pages, schema, tables of keys, the papers of an audit
	NETEVD_WRITE_MANUAL=1 $(CARGO) test --locked --bin netevd manual
	NETEVD_WRITE_MANUAL=1 $(CARGO) test --locked -p netevd-worker --lib config::
	NETEVD_WRITE_MANUAL=1 $(CARGO) test --locked --test doc_sync

# Where things go, as packagers expect it: DESTDIR is put in front of everything and is named in no
# file. What the administrator writes is in SYSCONFDIR; nothing there is replaced or removed.
DESTDIR ?=
PREFIX ?= /usr
SYSCONFDIR ?= /etc
# The directory of the built programs.
BUILT ?= target/release
# What starts them where they are for another architecture than this machine's.
EMULATOR ?=
# The licence texts of what is linked into them, which `make release` puts beside them.
NOTICES ?= $(BUILT)/NOTICES
# Worker and helper. Where SELinux is in force they belong below libexec: its policy labels files there as
# programs, and files below lib as libraries.
LIBEXECDIR ?= $(PREFIX)/lib/netevd
# ip(8) before iproute2 6.15 reads only the directory below /etc, later versions /usr/share/iproute2 as well.
RTPROTOSDIR ?= $(SYSCONFDIR)/iproute2/rt_protos.d
UNITS = netevd.service netevd-priv.service netevd.socket netevd-scripts.service netevd-scripts.socket
DOCDIR = $(PREFIX)/share/doc/netevd
SHARE = $(PREFIX)/share
MANUALS = $(notdir $(wildcard man/*.[578]))
# Shell, and where its completions are looked for.
COMPLETIONS = bash:bash-completion/completions/netevd zsh:zsh/site-functions/_netevd \
	fish:fish/vendor_completions.d/netevd.fish
# The events' own table says which directories there are.
EVENTS = $(shell sed -n 's/^    [A-Z][A-Za-z]* "\([a-z-]*\)" [A-Z].*/\1/p' netevd-worker/src/model/event.rs)
# The files of this repository name /usr.
PREFIXED = sed 's|/usr/bin/netevd|$(PREFIX)/bin/netevd|; s|/usr/lib/netevd/netevd-|$(LIBEXECDIR)/netevd-|; s|/usr/share/doc|$(PREFIX)/share/doc|'

# 0711: a program that its user cannot read, no process of that user can look into.
install: ## Install what `make release` built: DESTDIR= PREFIX=/usr SYSCONFDIR=/etc LIBEXECDIR= RTPROTOSDIR=
	@for program in netevd netevd-worker netevd-priv; do \
		[ -x $(BUILT)/$$program ] || { echo "make install: $(BUILT)/$$program is not there: make release" >&2; exit 1; }; done
	@[ -f $(NOTICES) ] || { echo "make install: $(NOTICES) is not there, the licence texts that must accompany" \
		"the programs: make notices, or NOTICES=FILE" >&2; exit 1; }
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 0755 $(BUILT)/netevd $(DESTDIR)$(PREFIX)/bin/netevd
	install -m 0711 $(BUILT)/netevd-worker $(BUILT)/netevd-priv $(DESTDIR)$(LIBEXECDIR)/
	$(PREFIXED) systemd/netevd-polkit >$(DESTDIR)$(LIBEXECDIR)/netevd-polkit
	chmod 0755 $(DESTDIR)$(LIBEXECDIR)/netevd-polkit
	for unit in $(UNITS); do \
		$(PREFIXED) systemd/$$unit >$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit && \
		chmod 0644 $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit 1; done
	install -D -m 0644 systemd/sysusers.d/netevd.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/netevd.conf
	install -D -m 0644 systemd/tmpfiles.d/netevd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/netevd.conf
	install -D -m 0644 systemd/rt_protos.d/netevd.conf $(DESTDIR)$(RTPROTOSDIR)/netevd.conf
	install -d $(DESTDIR)$(SYSCONFDIR)/netevd $(EVENTS:%=$(DESTDIR)$(SYSCONFDIR)/netevd/%.d)
	install -d $(DESTDIR)$(DOCDIR)/examples
	install -m 0644 README.md CHANGELOG.md SECURITY.md LICENSE COPYING $(NOTICES) docs/*.md $(DESTDIR)$(DOCDIR)/
	for part in user developer; do \
		install -d $(DESTDIR)$(DOCDIR)/$$part && \
		install -m 0644 docs/$$part/*.md $(DESTDIR)$(DOCDIR)/$$part/ || exit 1; done
	install -m 0644 examples/*.yaml examples/*.json systemd/examples/*.conf $(DESTDIR)$(DOCDIR)/examples/
	cp -R examples/scripts examples/units examples/monitoring examples/compose $(DESTDIR)$(DOCDIR)/examples/
	for page in $(MANUALS); do \
		install -D -m 0644 man/$$page $(DESTDIR)$(SHARE)/man/man$${page##*.}/$$page || exit 1; done
	for item in $(COMPLETIONS); do \
		file=$(DESTDIR)$(SHARE)/$${item#*:}; install -d $${file%/*} && \
		$(EMULATOR) $(BUILT)/netevd completions $${item%%:*} >$$file && chmod 0644 $$file || exit 1; done
	chmod -R u=rwX,go=rX $(DESTDIR)$(DOCDIR)/examples

uninstall: ## Remove what `make install` installed; configuration and scripts stay
	rm -f $(DESTDIR)$(PREFIX)/bin/netevd $(DESTDIR)$(LIBEXECDIR)/netevd-worker $(DESTDIR)$(LIBEXECDIR)/netevd-priv \
		$(DESTDIR)$(LIBEXECDIR)/netevd-polkit
	rm -f $(UNITS:%=$(DESTDIR)$(PREFIX)/lib/systemd/system/%)
	rm -f $(DESTDIR)$(PREFIX)/lib/sysusers.d/netevd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/netevd.conf
	rm -f $(DESTDIR)$(RTPROTOSDIR)/netevd.conf
	rm -rf $(DESTDIR)$(DOCDIR)
	for page in $(MANUALS); do rm -f $(DESTDIR)$(SHARE)/man/man$${page##*.}/$$page; done
	for item in $(COMPLETIONS); do rm -f $(DESTDIR)$(SHARE)/$${item#*:}; done
	-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(LIBEXECDIR) $(EVENTS:%=$(DESTDIR)$(SYSCONFDIR)/netevd/%.d) \
		$(DESTDIR)$(SYSCONFDIR)/netevd

demo: build ## Show the main job in a private network namespace, as root or not, in half a minute
	@tests/support/packages.sh ip:iproute2 unshare:util-linux
	@examples/demo/run.sh target/debug

test: packages build ## Install what the tests need, then run all of them
	$(CARGO) test --workspace --locked --no-fail-fast

size: release packages ## What the optimised programs keep in memory with everything on, against its bounds (root)
	@rm -rf target/size
	install -D -m 755 -t target/size $(addprefix target/release/,netevd netevd-worker netevd-priv netevd-test-agent)
	NETEVD_TEST_BINARIES=$(CURDIR)/target/size $(CARGO) test --locked --test it size_ -- --ignored --nocapture

layout: ## Profile again which functions run, and group them (valgrind; many minutes)
	@tests/support/layout.sh

rootfs: ## The root file systems of Debian 12 and 13 that the boot tests use, made once (root)
	@[ "$$(id -u)" != 0 ] || tests/support/packages.sh ip:iproute2 unshare:util-linux mmdebstrap:mmdebstrap
	@[ "$$(id -u)" != 0 ] || for suite in bookworm trixie; do \
		tests/boot/rootfs.sh $$suite target/rootfs/$$suite || exit 1; done

test-boot: release build rootfs ## The release as installed, under systemd 252 and 257 as process 1 (root)
	NETEVD_BOOT=1 NETEVD_TEST_BINARIES=$(CURDIR)/target/release $(CARGO) test --locked --test boot -- --test-threads=1

# Each seed has a machine; what fails says the seed and the last changes.
CHANGES ?= 5000
test-random: packages build ## CHANGES (5,000) random changes of a host for each of three seeds, judged by an oracle (root)
	NETEVD_RANDOM_CHANGES=$(CHANGES) $(CARGO) test --locked --test it routing::random

test-hostile: packages build ## What was tried against netevd, as docs/security-review.md lists it (not what boots machines)
	@CARGO="$(CARGO)" tests/support/hostile.sh

# A program of its own, from PyPI, kept below target/.
SCHEMATHESIS = target/schemathesis/bin/schemathesis
$(SCHEMATHESIS):
	python3 -m venv target/schemathesis
	target/schemathesis/bin/pip install --quiet --disable-pip-version-check schemathesis==4.32.5

test-api: build $(SCHEMATHESIS) ## Requests made up from openapi.yaml, legal and illegal, against a running daemon
	NETEVD_SCHEMATHESIS=$(CURDIR)/$(SCHEMATHESIS) $(CARGO) test --locked --test it api_holds -- --nocapture

# Without a seed another one each time; it is printed.
SOAK_SECONDS ?= 3600
soak: release build ## Everything at once for SOAK_SECONDS (an hour) from SOAK_SEED: exact, and memory and descriptors flat
	@[ "$$(id -u)" != 0 ] || tests/support/packages.sh ip:iproute2 unshare:util-linux \
		dbus-daemon:dbus-daemon networkctl:systemd dnsmasq:dnsmasq-base
	NETEVD_TEST_BINARIES=$(CURDIR)/target/release SOAK_SECONDS=$(SOAK_SECONDS) SOAK_SEED=$(SOAK_SEED) $(CARGO) test --locked --test soak

# Nightly is for these two alone. What is found is in target/fuzz/found.
FUZZ_SECONDS ?= 20
fuzz: ## Fuzz every parser and whole sessions of the helper, FUZZ_SECONDS each (nightly; TARGETS=, FUZZ_SEED=)
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=$(FUZZ_SEED) TARGETS="$(TARGETS)" fuzz/run.sh

# Under Miri a test takes a hundred times as long, and system calls are not to be had: those of the
# pure parts, and few cases of each property.
PURE = budget:: check:: kernel:: report:: route:: rule:: sync::
miri: ## The tests of the pure parts of protocol and helper under Miri (nightly)
	MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=4 \
		$(CARGO) +nightly miri test --locked -p netevd-protocol --lib
	MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=4 \
		$(CARGO) +nightly miri test --locked -p netevd-priv --bin netevd-priv -- $(PURE)

packages: ## Install the Debian packages that the tests need and that are missing (root)
	@tests/support/packages.sh ip:iproute2 unshare:util-linux ping:iputils-ping sysctl:procps cc:gcc \
		dbus-daemon:dbus-daemon networkctl:systemd resolvectl:systemd-resolved pkcheck:polkitd \
		NetworkManager:network-manager dhclient:isc-dhcp-client dnsmasq:dnsmasq-base nft:nftables \
		promtool:prometheus strace:strace python3:python3 chromium:chromium \
		mandoc:mandoc groff:groff-base zsh:zsh fish:fish systemd-analyze:systemd

# At once, so that steps which run side by side do not wait for dpkg's lock.
packages-ci: packages ## The same for all that CI does: packages, images, emulated machines (root)
	@tests/support/packages.sh mmdebstrap:mmdebstrap dh:debhelper dpkg-buildpackage:dpkg-dev lintian:lintian \
		rpmbuild:rpm rpmlint:rpmlint zstd:zstd makepkg:makepkg pacman:pacman-package-manager \
		fakeroot:fakeroot bsdtar:libarchive-tools podman:podman buildah:buildah runc:runc \
		busybox:busybox-static readelf:binutils minisign:minisign ssh-keygen:openssh-client git:git jq:jq \
		mke2fs:e2fsprogs qemu-system-x86_64:qemu-system-x86 qemu-aarch64-static:qemu-user-static \
		aarch64-linux-gnu-objdump:binutils-aarch64-linux-gnu

# Without root the rows of D-Bus are left out: the bus wants users of its own. The rows of networkd-dispatcher
# and nm-dispatcher are there where their packages are; installing those is not this program's business.
PARTS ?=
BENCH = $(CARGO) bench --quiet --locked --profile dev --bench netevd --
bench: release ## Measure beside the floor and other programs (PARTS="events storms"); root or user namespaces
	@tests/support/packages.sh ip:iproute2 unshare:util-linux cc:gcc \
		dbus-daemon:dbus-daemon busctl:systemd dnsmasq:dnsmasq-base
	NETEVD_TEST_BINARIES=$(CURDIR)/target/release $(BENCH) $(PARTS)

bench-table: ## Print what `make bench` measured last as a table in Markdown
	@$(BENCH) --markdown

.PHONY: bench-paper
bench-paper: ## README.md with the figures of the last `make bench`
	@$(BENCH) --page

# Some minutes on a quiet machine, 4 GB of memory. SCALE= names parts: links addresses routes managed hosts
# queues watchers; the paper wants all.
.PHONY: scale scale-paper
scale: release ## What one more link, address, route, rule, script or client costs; into target/scale.json
	@tests/support/packages.sh ip:iproute2 unshare:util-linux
	NETEVD_TEST_BINARIES=$(CURDIR)/target/release $(CARGO) bench --locked --profile dev --bench netevd -- scale $(SCALE)

scale-paper: ## docs/scale.md with the figures of the last `make scale`
	$(CARGO) bench --locked --profile dev --bench netevd -- scale-paper

lint: ## Formatting, lints, words and the links of the documentation, as CI demands them
	packaging/version-check.sh
	tests/support/words.py
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --test soak --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
		$(CARGO) doc --workspace --no-deps --document-private-items --locked --quiet

audit: ## The helper's budget (lines of code, crates), and the licences of all dependencies
	@tests/support/packages.sh python3:python3
	@tests/support/audit.sh
	@tests/support/licences.py

# A program of its own, from crates.io, kept below target/. Building it takes minutes.
DENY = target/tools/bin/cargo-deny
$(DENY):
	$(CARGO) install --quiet --locked --version 0.20.2 --root target/tools cargo-deny

deny: $(DENY) ## Licences, sources, bans and advisories of all dependencies (installs cargo-deny below target/)
	$(DENY) --locked check

sbom: ## Bills of materials (CycloneDX) of the three programs into target/sbom
	@tests/support/packages.sh python3:python3
	@tests/support/sbom.py

# WHAT=helper builds the helper alone, which takes a minute and not twenty.
WHAT ?= all
reproducible: ## Build the release twice, in other places and surroundings, and compare byte for byte
	@tests/support/reproducible.sh $(WHAT)

exposure: ## What systemd-analyze says of the units, against the most that each may show
	@[ "$$(id -u)" != 0 ] || tests/support/packages.sh systemd-analyze:systemd
	@tests/support/exposure.sh

# Packages, images and releases, each in a file beside its sources.
include $(wildcard packaging/*.mk)

clean: ## Remove everything that was built
	$(CARGO) clean
