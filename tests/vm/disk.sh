#!/bin/sh
# disk.sh SUITE DIRECTORY
#
# Makes DIRECTORY/{disk,kernel,initrd}: a minimal Debian with Debian's own kernel, systemd as process 1,
# and a unit that runs what run.sh hands over. A disk of the same description stays; run.sh never
# changes it. Needs root, mmdebstrap and mke2fs.
set -eu
suite=${1:?usage: disk.sh SUITE DIRECTORY} directory=${2:?usage: disk.sh SUITE DIRECTORY}
here=$(dirname "$(readlink -f "$0")")
PATH=$PATH:/usr/sbin:/sbin

stamp=$(cat "$0" "$here/payload.service" "$here"/initramfs/* | sha256sum | cut -d " " -f 1)
[ "$(cat "$directory/.made-by" 2>/dev/null || true)" != "$stamp" ] || exit 0

case $(dpkg --print-architecture) in
amd64) ;;
*) echo "disk.sh: this bed is for amd64 alone" >&2; exit 1 ;;
esac
packages=systemd,systemd-sysv,udev,dbus,polkitd,procps,kmod,linux-image-amd64,initramfs-tools
# What the tests judge by, and the far end's tools.
packages=$packages,iproute2,iputils-ping,nftables,jq,wireguard-tools
# The other manager of networks; networkd comes with systemd.
packages=$packages,network-manager

rm -rf "$directory"
mkdir -p "$directory"
root=$directory/root
"$here/../support/mirrors.sh" "$suite" |
    nice -n 5 mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
        --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --essential-hook="copy-in '$here/initramfs' /run" \
        --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"' \
        --essential-hook='mv "$1/run/initramfs/conf" "$1/etc/initramfs-tools/conf.d/netevd"' \
        --essential-hook='mv "$1/run/initramfs/modules" "$1/usr/share/initramfs-tools/modules.d/netevd"' \
        "$suite" "$root" -

# Without emulated hardware that would keep it from settling, or that nothing here looks at.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    e2scrub_reap.service systemd-firstboot.service getty@tty1.service serial-getty@ttyS0.service; do
    ln -sfn /dev/null "$root/etc/systemd/system/$unit"
done
# Installed is enabled; only the test starts it.
rm -f "$root"/etc/systemd/system/*.wants/NetworkManager*.service
cp "$here/payload.service" "$root/etc/systemd/system/"
mkdir -p "$root/etc/systemd/system/graphical.target.wants"
ln -s ../payload.service "$root/etc/systemd/system/graphical.target.wants/payload.service"
echo netevd-vm >"$root/etc/hostname"
# Another one at each boot would be another machine's first boot.
echo 6e657465766400000000000000000001 >"$root/etc/machine-id"

cp "$root"/boot/vmlinuz-* "$directory/kernel"
cp "$root"/boot/initrd.img-* "$directory/initrd"
rm -rf "${root:?}"/var/cache/apt/* "${root:?}"/var/lib/apt/lists/* "${root:?}"/boot/*
truncate -s 2G "$directory/disk"
mke2fs -q -F -t ext4 -d "$root" "$directory/disk"
rm -rf "$root"
echo "$stamp" >"$directory/.made-by"
