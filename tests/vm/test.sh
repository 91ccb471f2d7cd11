#!/bin/sh
# test.sh SUITE PACKAGE|BINARIES [DROPIN]
#
# Installs netevd on Debian's own kernel and looks whether it does its work there (guest/main): from the
# .deb PACKAGE, or by `make install` of the programs in BINARIES. DROPIN is a drop-in for
# netevd-priv.service, to see the test fail. Machines are kept in target/rootfs-vm.
set -eu
suite=${1:?usage: test.sh SUITE PACKAGE|BINARIES [DROPIN]} what=${2:?usage: test.sh SUITE PACKAGE|BINARIES [DROPIN]}
here=$(dirname "$(readlink -f "$0")")
project=$here/../..
machine=$project/target/rootfs-vm/$suite

"$here/disk.sh" "$suite" "$machine"
payload=$(mktemp -d "$machine/payload.XXXXXX")
trap 'rm -rf "$payload"' EXIT
trap 'exit 1' INT TERM
cp "$here"/guest/* "$project/examples/units/vpn-routes@.service" "$payload/"
if [ -d "$what" ]; then
    make -s -C "$project" install DESTDIR="$payload/tree" BUILT="$(readlink -f "$what")"
else
    cp "$what" "$payload/"
fi
[ -z "${3:-}" ] || cp "$3" "$payload/dropin.conf"
"$here/run.sh" "$machine" "$payload"
