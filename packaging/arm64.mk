# Programs and packages for aarch64, made on another machine: Debian's Rust and cross linker in a root file
# system below target/, so that nothing is needed but mmdebstrap, and root. For arm64 hosts themselves
# `make release` and `make deb` are enough.

ARM64 = aarch64-unknown-linux-gnu
ARM64_ROOT = target/rootfs-arm64
ARM64_BUILT = target/aarch64/release
ARM64_INSIDE = packaging/arm64/inside.sh $(ARM64_ROOT)

.PHONY: arm64-root release-arm64 check-arm64 test-arm64

arm64-root:
	@tests/support/packages.sh mmdebstrap:mmdebstrap unshare:util-linux
	packaging/arm64/chroot.sh $(ARM64_ROOT)
	$(CARGO) fetch --locked

release-arm64: arm64-root ## Cross-build the release for aarch64 into target/aarch64/release (root)
	$(ARM64_INSIDE) release-helper release-worker release-arm64-netevd HOST=$(ARM64)

# Inside: what `release` does, for that target.
.PHONY: release-arm64-netevd
release-arm64-netevd:
	RUSTFLAGS="$(RUSTFLAGS) $(REMAP)" $(CARGO) build -p netevd --locked --release --target $(ARM64)
	install -D -m 755 target/$(ARM64)/release/netevd target/release/netevd
