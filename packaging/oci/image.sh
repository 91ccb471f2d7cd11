#!/bin/sh
# image.sh scratch|debian - writes the image into IMAGES, with the bills of materials of target/sbom attached.
# `make image` and `make image-debian` call it.
#
# Environment: IMAGES, where images go; what scratch.sh wants; DEB, the Debian package for debian.
set -eu
cd "$(dirname "$0")/../.."
kind=${1:?usage: image.sh scratch|debian}
version=$(sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
arch=${IMAGE_ARCH:-$(dpkg --print-architecture)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C.UTF-8 TZ=UTC
mkdir -p "${IMAGES:=target/images}"
work=$(mktemp -d "$IMAGES/.image.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

case $kind in
scratch)
    packaging/oci/scratch.sh "$work/tree"
    tree=$work/tree tag=$version out=$IMAGES/netevd-$version-$arch.oci.tar
    # What fits a small device; more is a mistake.
    bounds='--unpacked 15 --packed 7'
    ;;
debian)
    packaging/oci/debian.sh bookworm "$work/tree.tar" "$DEB"
    tree=$work/tree.tar tag=$version-debian out=$IMAGES/netevd-$version-debian-$arch.oci.tar
    bounds=
    ;;
esac
for program in netevd netevd-worker netevd-priv; do
    set -- "$@" --sbom "target/sbom/$program.cdx.json"
done
shift
# shellcheck disable=SC2086 # the bounds are words
packaging/oci/image.py "$work/image.tar" "netevd:$tag" "$arch=$tree" --version "$version" \
    --revision "$(git rev-parse HEAD 2>/dev/null || true)" $bounds "$@"
mv "$work/image.tar" "$out"
echo "$out"
