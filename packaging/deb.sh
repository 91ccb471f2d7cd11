#!/bin/sh
# deb.sh: packages the programs in BUILT for Debian, and runs lintian. See common.sh.
set -eu
cd "$(dirname "$0")/.."
. packaging/common.sh
stage netevd
mv "$work/netevd/packaging/debian" "$work/netevd/debian"
sed -i "1s/(.*)/($(packaging/version.sh deb)-1)/" "$work/netevd/debian/changelog"
level=6
[ "${COMPRESSION:-full}" = full ] || level=0
host=
[ "${PACKAGE_ARCH:-}" != aarch64 ] || host='-a arm64'
# Without the packages for building from source (-d): nothing is built.
# shellcheck disable=SC2086 # option and argument
(cd "$work/netevd" && LEVEL=$level dpkg-buildpackage $host -b -us -uc -nc -d) >"$work/log" 2>&1 || {
    tail -n 40 "$work/log" >&2
    exit 1
}
package=$(basename "$work"/*.deb)
mv "$work/$package" "$PACKAGES/"
echo "$PACKAGES/$package"
[ "${LINT:-yes}" = yes ] || exit 0
# Classification and experiments (-E) are printed and fail nothing.
lintian -i -E --pedantic --fail-on error,warning,info,pedantic "$PACKAGES/$package"
