#!/bin/sh
# reproducible.sh scratch|debian - makes the image twice, with another time zone, umask, language and place, and
# compares byte for byte. What image.sh wants in the environment is wanted here.
set -eu
cd "$(dirname "$0")/../.."
kind=${1:?usage: reproducible.sh scratch|debian}
mkdir -p "${IMAGES:=target/images}"
work=$(mktemp -d "$IMAGES/.twice.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
(umask 022 && TZ=UTC IMAGES=$work/one packaging/oci/image.sh "$kind")
mkdir "$work/two somewhere"
(umask 077 && TZ=Asia/Tokyo LANG=C IMAGES="$work/two somewhere" packaging/oci/image.sh "$kind")
for image in "$work"/one/*.tar; do
    cmp "$image" "$work/two somewhere/${image##*/}"
    echo "${image##*/}: both builds are the same, $(sha256sum <"$image" | cut -c 1-64)"
done
