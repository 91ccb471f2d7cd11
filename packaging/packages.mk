# Packages for Debian, rpm and pacman, made of the programs in BUILT as they are. No root, no network.
# Built on Debian; what is missing of the tools is installed when root asks.
PACKAGES ?= target/packages
# full, or quick for tests
COMPRESSION ?= full
# Another version than Cargo.toml's, for tests of upgrades.
PACKAGE_VERSION ?=
# no: without the linters. (make knows a variable LINT: ?= would leave it.)
LINT = yes
PACKAGING = BUILT="$(BUILT)" PACKAGES="$(PACKAGES)" COMPRESSION="$(COMPRESSION)" LINT="$(LINT)" \
	PACKAGE_VERSION="$(PACKAGE_VERSION)"
# Programs that were named are there already.
PROGRAMS = $(if $(filter file,$(origin BUILT)),release)
TOOLS = tests/support/packages.sh
.PHONY: deb rpm arch reproducible-packages test-packages test-packages-build

deb: $(PROGRAMS) ## The Debian package of the release into target/packages, and lintian
	@$(TOOLS) dh:debhelper dpkg-buildpackage:dpkg-dev lintian:lintian
	@$(PACKAGING) packaging/deb.sh

rpm: $(PROGRAMS) ## The rpm and src.rpm into target/packages, and rpmlint
	@$(TOOLS) rpmbuild:rpm rpmlint:rpmlint zstd:zstd
	@$(PACKAGING) packaging/rpm.sh

arch: $(PROGRAMS) ## The package for pacman into target/packages
	@$(TOOLS) makepkg:makepkg pacman:pacman-package-manager fakeroot:fakeroot zstd:zstd unshare:util-linux bsdtar:libarchive-tools
	@packaging/arch.sh srcinfo
	@$(PACKAGING) packaging/arch.sh

reproducible-packages: $(PROGRAMS) ## Make each package twice, in other places and surroundings, and compare
	@$(TOOLS) dh:debhelper dpkg-buildpackage:dpkg-dev rpmbuild:rpm zstd:zstd makepkg:makepkg \
		pacman:pacman-package-manager fakeroot:fakeroot unshare:util-linux bsdtar:libarchive-tools
	@BUILT="$(BUILT)" packaging/reproducible.sh

# The packages of this version, and the same programs as the next one.
TESTED = target/packages/tested
test-packages-build: $(PROGRAMS)
	@$(TOOLS) ip:iproute2 unshare:util-linux mmdebstrap:mmdebstrap dh:debhelper dpkg-buildpackage:dpkg-dev rpmbuild:rpm \
		zstd:zstd makepkg:makepkg pacman:pacman-package-manager fakeroot:fakeroot bsdtar:libarchive-tools
	@rm -rf $(TESTED)
	@for format in deb rpm arch; do \
		$(PACKAGING) PACKAGES=$(TESTED)/now COMPRESSION=quick LINT=no packaging/$$format.sh || exit 1; done & \
	for format in deb rpm arch; do \
		$(PACKAGING) PACKAGES=$(TESTED)/next PACKAGE_VERSION=99.0.0 COMPRESSION=quick LINT=no \
			packaging/$$format.sh || exit 1; done && wait $$!

test-packages: build rootfs test-packages-build ## Install, upgrade and remove each package in a booted Debian 12 or 13 (root)
	NETEVD_BOOT=1 NETEVD_TEST_BINARIES=$(abspath $(BUILT)) NETEVD_TEST_PACKAGES=$(abspath $(TESTED)) \
		$(CARGO) test --locked --test packages -- --test-threads=2
