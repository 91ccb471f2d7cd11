#!/bin/sh
# version.sh cargo|deb|rpm|arch|epoch
#
# The version as each format writes it, from Cargo.toml (or PACKAGE_VERSION): 0.2.0-rc.1 sorts before
# 0.2.0 as 0.2.0~rc.1 for dpkg and rpm, and as 0.2.0rc1 for pacman. The epoch is the time of the last
# commit, or outside of git the day of the newest release in CHANGELOG.md, or of debian/changelog.
set -eu
cd "$(dirname "$0")/.."
version=${PACKAGE_VERSION:-$(sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)}
[ -n "$version" ] || { echo "version.sh: Cargo.toml has no version in [workspace.package]" >&2; exit 1; }
case ${1:-} in
cargo) echo "$version" ;;
deb | rpm) echo "$version" | sed 's/-/~/' ;;
arch)
    case $version in
    *-*) echo "${version%%-*}$(echo "${version#*-}" | tr -d '.-')" ;;
    *) echo "$version" ;;
    esac
    ;;
epoch)
    if ! git log -1 --format=%ct 2>/dev/null; then
        day=$(sed -n 's/^## \[[0-9].*\] - \([0-9-]*\)$/\1/p' CHANGELOG.md | head -n 1)
        [ -n "$day" ] || day=$(sed -n 's/^ -- .*>  //p' packaging/debian/changelog | head -n 1)
        date -u -d "$day" +%s
    fi
    ;;
*) echo "usage: version.sh cargo|deb|rpm|arch|epoch" >&2; exit 2 ;;
esac
