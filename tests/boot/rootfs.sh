#!/bin/bash
# rootfs.sh SUITE DIRECTORY
#
# Makes the root file system of the boot tests: a minimal Debian with systemd as PID 1, networkd,
# resolved, polkit and D-Bus. Made once; a complete one is left alone, an incomplete one is made
# again. Needs root and mmdebstrap. The packages come from where this host gets its own, with the
# suite replaced; MIRROR names another place.
set -eu
suite=$1
directory=$2
here=$(dirname "$(readlink -f "$0")")
# A change of this script or of its list of packages makes a new one.
stamp=$(cat "$here/rootfs.sh" | sha256sum | cut -d ' ' -f 1)
[ "$(cat "$directory/.made-by" 2>/dev/null || true)" = "$stamp" ] && exit 0

packages=systemd,systemd-sysv,systemd-resolved,libpam-systemd,udev,dbus,polkitd,iproute2,dnsmasq-base
packages=$packages,procps,passwd,libcap2-bin
# What scripts of administrators call, to see that the units let them.
packages=$packages,iputils-ping,curl,python3-minimal,luajit,bsdutils
# tests/packages installs the rpm and the Arch package there, with those systems' own tools.
[ "$suite" != trixie ] || packages=$packages,rpm,pacman-package-manager

# The first deb line of this host's Debian, without its suite.
mirror=${MIRROR:-}
if [ -z "$mirror" ]; then
    mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1)
fi
if [ -z "$mirror" ]; then
    mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*debian\/\?\) .*/\2/p' /etc/apt/sources.list 2>/dev/null | head -n 1)
fi
[ -n "$mirror" ] || { echo "rootfs.sh: no Debian mirror in /etc/apt; name one: MIRROR=URL" >&2; exit 1; }

new=$directory.new
rm -rf "$new" "$directory"
mkdir -p "$(dirname "$directory")"
nice -n 5 mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "$new" "$mirror"

chroot "$new" systemctl enable systemd-networkd systemd-resolved >/dev/null 2>&1
# What a test machine has no use for, and what would keep it from settling.
for unit in systemd-networkd-wait-online.service systemd-timesyncd.service systemd-firstboot.service \
    getty@tty1.service console-getty.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
    ln -sfn /dev/null "$new/etc/systemd/system/$unit"
done
: >"$new/etc/machine-id"
echo netevd-test >"$new/etc/hostname"
rm -f "$new/etc/resolv.conf"
ln -s ../run/systemd/resolve/stub-resolv.conf "$new/etc/resolv.conf"
echo "$stamp" >"$new/.made-by"
mv "$new" "$directory"
