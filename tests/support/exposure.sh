#!/bin/sh
# exposure.sh
#
# What `systemd-analyze security` makes of the units as they stand in this tree, each against the
# most that it may show, in tenths. Fails with the whole table of a unit that shows more. The boot
# tests do the same with the installed units, on each systemd.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp systemd/netevd*.service systemd/netevd*.socket "$work"

most() {
    if ! systemd-analyze --no-pager security --offline=true --threshold="$3" "$work/$2" >"$work/table" 2>&1; then
        cat "$work/table" >&2
        echo "exposure.sh: $1 shows more than $3 tenths" >&2
        exit 1
    fi
    sed -n "s/.*Overall exposure level for [^:]*: \([0-9.]*\).*/$1 \1, at most $3 tenths/p" "$work/table"
}
most netevd-priv.service netevd-priv.service 12
most netevd.service netevd.service 14
most netevd-scripts.service netevd-scripts.service 14
mkdir "$work/netevd.service.d"
cp systemd/examples/netevd-strict.conf "$work/netevd.service.d/"
most netevd.service+netevd-strict.conf netevd.service 8
