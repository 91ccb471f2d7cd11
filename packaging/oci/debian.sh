#!/bin/sh
# debian.sh SUITE OUT.tar [DEB] - a minimal Debian with ip(8), apt for images that are built on it, and, with DEB, that
# package of netevd installed. Needs mmdebstrap, and root or a user namespace. The packages come from where
# this host gets its own; MIRROR names another place.
set -eu
suite=${1:?usage: debian.sh SUITE OUT.tar [DEB]}
out=${2:?usage: debian.sh SUITE OUT.tar [DEB]}
deb=${3:-}
here=$(dirname "$(readlink -f "$0")")

mirror=${MIRROR:-}
if [ -z "$mirror" ]; then
    mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
fi
if [ -z "$mirror" ]; then
    mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*debian\/\?\) .*/\2/p' /etc/apt/sources.list 2>/dev/null | head -n 1)
fi
[ -n "$mirror" ] || { echo "debian.sh: no Debian mirror in /etc/apt; name one: MIRROR=URL" >&2; exit 1; }

set --
if [ -n "$deb" ]; then
    # The package's own dependencies, and the users first, so that they have the fixed ids.
    set -- --include=iproute2,systemd-standalone-sysusers \
        --essential-hook="'$here/users.sh' \"\$1\"" \
        --customize-hook="upload '$deb' /tmp/netevd.deb" \
        --customize-hook='chroot "$1" dpkg -i /tmp/netevd.deb' \
        --customize-hook='rm "$1/tmp/netevd.deb"' \
        --customize-hook="upload '$here/netevd.yaml' /etc/netevd/netevd.yaml" \
        --customize-hook='echo "# Name a mirror of Debian here to install more." >"$1/etc/apt/sources.list"'
fi
# What a container's runtime makes, what no container reads, and what differs between two builds. This host's
# mirror stays named only in the base for tests, which is not given away.
mmdebstrap --quiet --variant=apt --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-include=/usr/share/doc/netevd/*' "$@" \
    --customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1/etc/machine-id" "$1"/var/log/*.log
        rm -f "$1/etc/passwd-" "$1/etc/group-" "$1/etc/shadow-" "$1/etc/gshadow-"
        rm -f "$1"/var/cache/ldconfig/aux-cache "$1"/var/log/apt/*' \
    "$suite" "$out" "$mirror"
