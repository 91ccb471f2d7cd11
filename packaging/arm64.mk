# Programs and packages for aarch64, made on another machine: Debian's Rust and cross linker in a root file
# system below target/, so that nothing is needed but mmdebstrap, and root. For arm64 hosts themselves
# `make release` and `make deb` are enough.

ARM64 = aarch64-unknown-linux-gnu
ARM64_ROOT = target/rootfs-arm64
ARM64_BUILT = target/aarch64/release
ARM64_INSIDE = packaging/arm64/inside.sh $(ARM64_ROOT)

.PHONY: arm64-root release-arm64 check-arm64 test-arm64-helper test-arm64 packages-arm64

arm64-root:
	@tests/support/packages.sh mmdebstrap:mmdebstrap unshare:util-linux
	packaging/arm64/chroot.sh $(ARM64_ROOT)
	$(CARGO) fetch --locked

release-arm64: arm64-root ## Cross-build the release for aarch64 into target/aarch64/release (root)
	$(ARM64_INSIDE) release-helper release-worker release-arm64-netevd HOST=$(ARM64)

# Inside: what `release` does, for that target. In a directory of cargo's for itself: its flags are others than
# those of helper and worker, and with --remap-path-prefix cargo gives the crates of both the same names, so that
# each build would compile all of the other's again.
.PHONY: release-arm64-netevd check-arm64-inside
release-arm64-netevd:
	RUSTFLAGS="$(RUSTFLAGS) $(REMAP)" $(CARGO) build -p netevd --locked --release --target $(ARM64) \
		--target-dir target/dynamic
	cmp -s target/dynamic/$(ARM64)/release/netevd target/release/netevd || \
		install -D -m 755 target/dynamic/$(ARM64)/release/netevd target/release/netevd

# The pure parts as they are on aarch64: the frames, and the program of the helper's seccomp filter. Its test
# by real calls needs a kernel that has filters, which qemu-user is not.
check-arm64: arm64-root ## The tests of the protocol and of the helper's pure parts for aarch64, by qemu-user (root)
	@tests/support/packages.sh qemu-aarch64-static:qemu-user-static
	$(ARM64_INSIDE) check-arm64-inside

check-arm64-inside:
	$(CARGO) test --locked --target $(ARM64) -p netevd-protocol --lib
	$(CARGO) test --locked --target $(ARM64) -p netevd-priv --bin netevd-priv -- --skip a_call_or_argument

# Starts programs of ARM64_BUILT; the C library is there for the one that is not static.
ARM64_EMULATOR = qemu-aarch64-static -L $(CURDIR)/$(ARM64_ROOT)
# Those of the helper's own tests that look at no rule: the emulator passes on no message about rules.
ARM64_HELPER_TESTS = refuses_to_start_with_a_policy refuses_to_start_without_net_admin routes_of_our_own_are_deleted
# The helper alone: minutes less than the whole release.
test-arm64-helper: check-arm64 ## The helper for aarch64 at work on this kernel, by qemu-user (root)
	@tests/support/packages.sh ip:iproute2 unshare:util-linux readelf:binutils
	$(ARM64_INSIDE) release-helper HOST=$(ARM64)
	packaging/arm64/static-pie.sh $(ARM64_BUILT)/netevd-priv
	printf '#!/bin/sh\nexec qemu-aarch64-static %s "$$@"\n' $(CURDIR)/$(ARM64_BUILT)/netevd-priv >target/aarch64/helper
	chmod 755 target/aarch64/helper
	NETEVD_TEST_HELPER=$(CURDIR)/target/aarch64/helper $(CARGO) test --locked --workspace --test kernel -- \
		$(ARM64_HELPER_TESTS)

test-arm64: release-arm64 test-arm64-helper ## The whole release for aarch64 at work on this kernel, by qemu-user (root)
	packaging/arm64/static-pie.sh $(ARM64_BUILT)/netevd-priv $(ARM64_BUILT)/netevd-worker
	packaging/arm64/test.sh $(ARM64_BUILT)

packages-arm64: release-arm64 notices ## deb, rpm and pacman's package for arm64 into target/packages
	@$(TOOLS) dh:debhelper dpkg-buildpackage:dpkg-dev lintian:lintian rpmbuild:rpm rpmlint:rpmlint zstd:zstd \
		makepkg:makepkg pacman:pacman-package-manager fakeroot:fakeroot unshare:util-linux bsdtar:libarchive-tools \
		qemu-aarch64-static:qemu-user-static aarch64-linux-gnu-objdump:binutils-aarch64-linux-gnu
	install -m 644 target/notices/NOTICES $(ARM64_BUILT)/NOTICES
	@for script in arm64/deb.sh rpm.sh arch.sh; do \
		$(PACKAGING) BUILT="$(ARM64_BUILT)" PACKAGE_ARCH=aarch64 EMULATOR="$(ARM64_EMULATOR)" \
			CROSS_ROOT="$(CURDIR)/$(ARM64_ROOT)" packaging/$$script || exit 1; done
