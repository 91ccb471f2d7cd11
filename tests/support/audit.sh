#!/bin/sh
# audit.sh - the helper's budget: at most 1,500 lines of code without tests, comments and empty lines,
# and the crates of netevd-priv/CRATES in these versions, no more and no fewer. Writes below target/ only.
set -eu
cd "$(dirname "$0")/../.."
budget=1500

# What is for tests alone says so itself, by #[cfg(test)] in front of it or #![cfg(test)] at its
# head, and stands at the end of its file: a file's name excuses nothing.
lines=$(find netevd-priv/src -name '*.rs' -exec \
    awk '/^#!?\[cfg\(test\)\]/ { nextfile } !/^[[:space:]]*(\/\/|$)/ { n++ } END { print n }' {} +)
listed=$(mktemp)
linked=$(mktemp)
trap 'rm -f "$listed" "$linked" "$linked.all"' EXIT
# Names, versions, lines of code. The lines are those for one target; a crate has other files for others.
columns=1-3
[ "$(rustc -vV | sed -n 's/^host: //p')" = x86_64-unknown-linux-gnu ] || columns=1-2
rows() { sed -n "s/  */ /g; /^[a-z]/p" | cut -d ' ' -f "$columns" | LC_ALL=C sort; }
rows <netevd-priv/CRATES >"$listed"
tests/support/crates.py >"$linked.all"
rows <"$linked.all" >"$linked"

echo "netevd-priv: $lines of $budget lines of code, $(wc -l <"$linked") crates"
status=0
if [ "$lines" -gt "$budget" ]; then
    echo "audit: netevd-priv is over its budget: take something out before something goes in" >&2
    status=1
fi
if ! cmp -s "$listed" "$linked"; then
    echo "audit: netevd-priv/CRATES and what the compiler reads differ:" >&2
    diff "$listed" "$linked" | sed -n 's/^</  listed: /p; s/^>/  compiled:/p' >&2
    status=1
fi
exit $status
