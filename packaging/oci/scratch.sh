#!/bin/sh
# scratch.sh TREE - fills the new directory TREE with what the image netevd:VERSION consists of: the programs,
# busybox for scripts, the users, licences. `make image` calls it.
#
# Environment: BUILT, the directory of the release programs; STATIC_NETEVD, the statically linked command
# line; BUSYBOX, a static busybox; NOTICES, the licence texts.
set -eu
cd "$(dirname "$0")/../.."
tree=${1:?usage: scratch.sh TREE}
umask 022
stop() {
    echo "scratch.sh: $*" >&2
    exit 1
}
[ -f "${NOTICES:=target/notices/NOTICES.image}" ] || stop "$NOTICES is not there: make notices"
for program in "${BUILT:=target/release}/netevd-worker" "$BUILT/netevd-priv" "${STATIC_NETEVD:=target/static/netevd}" \
    "${BUSYBOX:=/bin/busybox}"; do
    [ -x "$program" ] || stop "$program is not there"
    # There is no loader in the image.
    if readelf -lW "$program" | grep -q INTERP; then stop "$program is not linked statically"; fi
done

mkdir "$tree"
mkdir -p "$tree/dev" "$tree/proc" "$tree/sys" "$tree/run" "$tree/tmp" "$tree/root" "$tree/var/log" "$tree/etc/netevd" \
    "$tree/bin" "$tree/sbin" "$tree/usr/bin" "$tree/usr/sbin" "$tree/usr/lib/netevd" "$tree/usr/share/doc/netevd"
chmod 1777 "$tree/tmp"
chmod 700 "$tree/root"
install -m 755 "$STATIC_NETEVD" "$tree/usr/bin/netevd"
install -m 711 "$BUILT/netevd-worker" "$BUILT/netevd-priv" "$tree/usr/lib/netevd/"
# The events' own table says which directories there are.
sed -n 's/^    [A-Z][A-Za-z]* "\([a-z-]*\)" [A-Z].*/\1/p' netevd-worker/src/model/event.rs | while read -r event; do
    mkdir "$tree/etc/netevd/$event.d"
done
install -m 644 packaging/oci/netevd.yaml "$tree/etc/netevd/netevd.yaml"
packaging/oci/users.sh "$tree"

install -m 755 "$BUSYBOX" "$tree/bin/busybox"
"$BUSYBOX" --list-full >"$tree/applets"
while read -r applet; do
    [ "$applet" = linuxrc ] || [ -e "$tree/$applet" ] || ln -s /bin/busybox "$tree/$applet"
done <"$tree/applets"
rm "$tree/applets"

install -m 644 LICENSE COPYING "$tree/usr/share/doc/netevd/"
# 355 kB of plain text count in an image of 15 MB; busybox has zcat.
gzip -9n <"$NOTICES" >"$tree/usr/share/doc/netevd/NOTICES.gz"
chmod 644 "$tree/usr/share/doc/netevd/NOTICES.gz"
