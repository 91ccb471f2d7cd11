#!/bin/sh
# all.sh PACKAGE|BINARIES DROPIN SUITE...: test.sh for each suite, side by side. DROPIN may be empty.
set -eu
subject=${1:?usage: all.sh PACKAGE|BINARIES DROPIN SUITE...} dropin=$2
shift 2
here=$(dirname "$(readlink -f "$0")")
jobs=
for suite; do
    "$here/test.sh" "$suite" "$subject" "$dropin" &
    jobs="$jobs $suite:$!"
done
failed=
for job in $jobs; do
    wait "${job#*:}" || failed="$failed ${job%%:*}"
done
[ -z "$failed" ] || { echo "test-vm: failed on$failed" >&2; exit 1; }
