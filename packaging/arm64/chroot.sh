#!/bin/sh
# chroot.sh DIRECTORY
#
# Makes the root file system in which programs for aarch64 are built: Debian 12 of the building machine's
# own architecture with Debian's Rust (rustc-web, the newest in a stable release), its standard library for
# arm64, and the cross linker. A complete one of the same description stays. Needs root and mmdebstrap.
set -eu
directory=${1:?usage: chroot.sh DIRECTORY}
here=$(dirname "$(readlink -f "$0")")
native=$(dpkg --print-architecture)

stamp=$(sha256sum <"$0" | cut -d ' ' -f 1)
[ "$(cat "$directory/.made-by" 2>/dev/null || true)" != "$stamp" ] || exit 0

packages=rustc-web,cargo-web,libstd-rust-web-dev,gcc,libc6-dev,make
# Not libc6-dev-arm64-cross: it is the release's first C library, without the corrections of security since,
# and helper and worker contain it.
packages=$packages,libstd-rust-web-dev:arm64,gcc-aarch64-linux-gnu,libc6-dev:arm64

rm -rf "$directory" "$directory.new"
mkdir -p "$(dirname "$directory")"
# rustc-web is in the security updates, so all three lists are needed.
"$here/../../tests/support/mirrors.sh" bookworm |
    mmdebstrap --quiet --mode=root --variant=apt --architectures="$native,arm64" --include="$packages" \
        --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        bookworm "$directory.new" -
echo "$stamp" >"$directory.new/.made-by"
mv "$directory.new" "$directory"
