#!/bin/sh
# arch.sh [srcinfo [write]]: packages the programs in BUILT for pacman, and compares the files on disk with the
# package's list. See common.sh. With `srcinfo` it only compares .SRCINFO with the PKGBUILD, or writes it. (namcap, Arch's
# linter, is in no registry but Arch's.)
#
# makepkg refuses to run as root and writes its directories' names into the package.
set -eu
cd "$(dirname "$0")/.."
[ "${1:-}" != srcinfo ] || BUILT=.
. packaging/common.sh

makepkg() {
    inside user "$work/mnt" PKG_BUILT=/mnt/built PACKAGER="netevd maintainers <maintainers@netevd.invalid>" \
        makepkg "$@"
}

if [ "${1:-}" = srcinfo ]; then
    workplace
    mkdir "$work/mnt"
    cp packaging/arch/PKGBUILD packaging/arch/netevd.install "$work/mnt/"
    makepkg --printsrcinfo >"$work/SRCINFO"
    [ "${2:-}" != write ] || cp "$work/SRCINFO" packaging/arch/.SRCINFO
    diff -u packaging/arch/.SRCINFO "$work/SRCINFO" >&2 && exit 0
    echo "arch.sh: packaging/arch/.SRCINFO is not that of the PKGBUILD: packaging/arch.sh srcinfo write" >&2
    exit 1
fi

stage sources
mkdir "$work/mnt"
cp packaging/arch/PKGBUILD packaging/arch/netevd.install "$work/mnt/"
version=$(packaging/version.sh arch)
mv "$work/sources" "$work/netevd-$version"
archive "netevd-$version" "$work/mnt/netevd-$version.tar.gz"
sum=$(sha256sum <"$work/mnt/netevd-$version.tar.gz" | cut -d ' ' -f 1)
sed -i "s/^pkgver=.*/pkgver=$version/; s/^_tag=.*/_tag=v$(packaging/version.sh cargo)/; s/^sha256sums=.*/sha256sums=($sum)/" \
    "$work/mnt/PKGBUILD"
level=19
[ "${COMPRESSION:-full}" = full ] || level=1
sed "s/^CARCH=.*/CARCH=${PACKAGE_ARCH:-$(uname -m)}/; s/^COMPRESSZST=.*/COMPRESSZST=(zstd -c -T2 -$level -)/; s/^PKGEXT=.*/PKGEXT=.pkg.tar.zst/" /etc/makepkg.conf >"$work/mnt/makepkg.conf"
# Without the packages that it depends on (--nodeps): this system's are not pacman's.
makepkg --config /mnt/netevd/makepkg.conf --nodeps -f --noconfirm >"$work/log" 2>&1 || {
    tail -n 40 "$work/log" >&2
    exit 1
}
package=$(basename "$work"/mnt/*.pkg.tar.zst)
mv "$work/mnt/$package" "$PACKAGES/"
echo "$PACKAGES/$package"
