#!/bin/sh
# deb.sh: packaging/deb.sh for programs that were built in CROSS_ROOT.
#
# dpkg-shlibdeps looks for the libraries of netevd in this system's directories and asks which packages
# they are in. So CROSS_ROOT's are mounted there, for this process alone, and debian/rules names its dpkg.
set -eu
libraries=/usr/lib/aarch64-linux-gnu
[ -d "$libraries" ] || {
    mkdir "$libraries"
    trap 'rmdir "$libraries"' EXIT
}
# shellcheck disable=SC2016 # expanded inside
unshare --mount sh -c 'mount --bind "$1$2" "$2" && exec "$3"' sh \
    "${CROSS_ROOT:?the root file system of make release-arm64}" "$libraries" "$(dirname "$0")/../deb.sh"
