# Container images, as OCI layouts: no registry, no daemon. docs/user/container.md is about running them.
IMAGES ?= target/images
# The command line for the image without a C library.
STATIC_NETEVD ?= target/static/netevd
# A static one: of Debian's busybox-static.
BUSYBOX ?= /bin/busybox
# The Debian package for the image based on Debian.
DEB ?=
IMAGE = BUILT="$(BUILT)" STATIC_NETEVD="$(STATIC_NETEVD)" BUSYBOX="$(BUSYBOX)" IMAGES="$(IMAGES)"
# Programs that were named are there already.
image-programs = $(if $(filter file,$(origin BUILT)),release)
image-static = $(if $(filter file,$(origin STATIC_NETEVD)),release-static)
.PHONY: image image-debian image-base test-image dockerfile-check reproducible-images

image: $(image-programs) $(image-static) notices sbom ## The image netevd:VERSION (static programs, busybox) into target/images
	@tests/support/packages.sh python3:python3 busybox:busybox-static readelf:binutils
	@$(IMAGE) packaging/oci/image.sh scratch

# The package is the one that was installed in tests.
image-debian: $(if $(DEB),,deb) sbom ## The image netevd:VERSION-debian, made from the Debian package, into target/images
	@tests/support/packages.sh python3:python3 mmdebstrap:mmdebstrap
	@$(IMAGE) DEB="$(or $(DEB),$$(ls -t $(PACKAGES)/netevd_*_"$$(dpkg --print-architecture)".deb | head -n 1))" \
		packaging/oci/image.sh debian

reproducible-images: $(image-programs) $(image-static) notices sbom ## Make the image twice, in other surroundings, and compare
	@tests/support/packages.sh python3:python3 busybox:busybox-static readelf:binutils
	@$(IMAGE) packaging/oci/reproducible.sh scratch

# Minimal Debian as docker.io has it, for tests without a registry; made once.
IMAGE_BASE = target/images/base-bookworm.tar
image-base:
	@tests/support/packages.sh mmdebstrap:mmdebstrap
	@mkdir -p $(dir $(IMAGE_BASE))
	@[ -f $(IMAGE_BASE) ] || packaging/oci/debian.sh bookworm $(IMAGE_BASE)

dockerfile-check: $(image-programs) notices image-base ## Build packaging/oci/Dockerfile on a local base, and start it
	@tests/support/packages.sh buildah:buildah podman:podman runc:runc
	@BUILT="$(BUILT)" packaging/oci/dockerfile-check.sh $(IMAGE_BASE)

test-image: build image ## The image under podman, with each set of capabilities (root)
	@[ "$$(id -u)" != 0 ] || tests/support/packages.sh ip:iproute2 podman:podman runc:runc
	NETEVD_IMAGES="$$(echo $(abspath $(IMAGES))/netevd-*.oci.tar)" $(CARGO) test --locked --test image -- --test-threads=2
