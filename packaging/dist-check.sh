#!/bin/sh
# dist-check.sh - makes the release twice from HEAD and the same programs, in clones that differ in directory,
# umask, time zone and language, and compares the files byte for byte. The second is signed with a throw-away
# key and verified. The image based on Debian takes minutes and is left out, unless FORMATS names it. Packages are
# compressed quickly: what is compressed is the same. Environment: BUILT, STATIC_NETEVD, FORMATS and COMPRESSION as
# for dist.sh. Writes below target/dist-check only.
set -eu
cd "$(dirname "$0")/.."
BUILT=$(realpath -e "${BUILT:-target/release}")
STATIC_NETEVD=$(realpath -e "${STATIC_NETEVD:-target/static/netevd}")
FORMATS=${FORMATS:-deb rpm arch image} COMPRESSION=${COMPRESSION:-quick}
export BUILT STATIC_NETEVD FORMATS COMPRESSION
unset RELEASE_KEY SOURCE_DATE_EPOCH
work=$PWD/target/dist-check
rm -rf "$work"
mkdir -p "$work/key"
ssh-keygen -q -t ed25519 -N '' -C throw-away -f "$work/key/ssh"
echo "releases@netevd namespaces=\"netevd\" $(cat "$work/key/ssh.pub")" >"$work/key/signers"

# once NAME DIRECTORY: clones, and makes the release.
once() {
    git clone --quiet --no-local --no-hardlinks --depth 1 "file://$PWD" "$work/$1/$2"
    "$work/$1/$2/packaging/dist.sh" "$work/$1/dist" || exit 1
    rm -rf "${work:?}/$1/${2%%/*}"
}
(umask 022; TZ=UTC LC_ALL=C once one netevd)
(umask 077; TZ=Asia/Kathmandu LC_ALL=C.UTF-8 RELEASE_KEY="$work/key/ssh" once two another/and/deeper/place)

packaging/verify.sh "$work/two/dist" "$work/key/signers"
packaging/static-test.sh "$work"/two/dist/netevd-*-linux-*.tar.gz
rm "$work/two/dist/SHA256SUMS.sig"
if ! diff -r "$work/one/dist" "$work/two/dist"; then
    echo "dist-check: two releases of the same programs differ; they are in $work/one/dist and two/dist" >&2
    exit 1
fi
echo "dist-check: two releases of the same programs are equal"
cat "$work/one/dist/SHA256SUMS"
