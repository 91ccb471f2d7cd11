#!/bin/sh
# version-check.sh [--release]
#
# The version stands in Cargo.toml. What else has to name it (Debian's changelog, the spec, the PKGBUILD
# and its .SRCINFO) is compared with it here, and CHANGELOG.md with --release: its newest section is this
# version then; before, it may be [Unreleased].
set -eu
cd "$(dirname "$0")/.."
cargo=$(packaging/version.sh cargo)
status=0
# same WHERE FOUND WANTED
same() {
    [ "$2" = "$3" ] && return
    echo "version-check: $1 has \"$2\"; by Cargo.toml ($cargo) it is \"$3\"" >&2
    status=1
}
same packaging/debian/changelog \
    "$(sed -n '1s/^netevd (\(.*\)) .*/\1/p' packaging/debian/changelog)" "$(packaging/version.sh deb)-1"
same packaging/rpm/netevd.spec \
    "$(sed -n 's/^Version: *//p' packaging/rpm/netevd.spec)" "$(packaging/version.sh rpm)"
same "packaging/rpm/netevd.spec, tag of the sources" \
    "$(sed -n 's/^%global tag //p' packaging/rpm/netevd.spec)" "v$cargo"
same "packaging/rpm/netevd.spec, %changelog" \
    "$(sed -n '/^%changelog/,$s/^\* .* - \(.*\)$/\1/p' packaging/rpm/netevd.spec | head -n 1)" "$(packaging/version.sh rpm)-1"
arch=$(packaging/version.sh arch)
same packaging/arch/PKGBUILD "$(sed -n 's/^pkgver=//p' packaging/arch/PKGBUILD)" "$arch"
same "packaging/arch/PKGBUILD, tag of the sources" "$(sed -n 's/^_tag=//p' packaging/arch/PKGBUILD)" "v$cargo"
same packaging/arch/.SRCINFO "$(sed -n 's/^\tpkgver = //p' packaging/arch/.SRCINFO)" "$arch"
newest=$(sed -n 's/^## \[\(.*\)\].*/\1/p' CHANGELOG.md | head -n 1)
if [ "${1:-}" = --release ] || [ "$newest" != Unreleased ]; then
    same CHANGELOG.md "$newest" "$cargo"
fi
exit $status
