#!/bin/sh
# audit.sh - the helper's budget: at most 1,500 lines of code without tests, comments and empty lines,
# and the crates of netevd-priv/CRATES, no more and no fewer. Changes nothing.
set -eu
cd "$(dirname "$0")/../.."
budget=1500

# What is for tests alone says so itself, by #[cfg(test)] in front of it or #![cfg(test)] at its
# head, and stands at the end of its file: a file's name excuses nothing.
lines=$(find netevd-priv/src -name '*.rs' -exec \
    awk '/^#!?\[cfg\(test\)\]/ { nextfile } !/^[[:space:]]*(\/\/|$)/ { n++ } END { print n }' {} +)
listed=$(sed -n 's/^\([a-z][^ ]*\) .*/\1/p' netevd-priv/CRATES | LC_ALL=C sort)
linked=$("${CARGO:-cargo}" tree -p netevd-priv -e normal,no-proc-macro --prefix none --locked |
    cut -d ' ' -f 1 | LC_ALL=C sort -u)

echo "netevd-priv: $lines of $budget lines of code, $(echo "$linked" | wc -l) crates"
status=0
if [ "$lines" -gt "$budget" ]; then
    echo "audit: netevd-priv is over its budget: take something out before something goes in" >&2
    status=1
fi
if [ "$listed" != "$linked" ]; then
    echo "audit: netevd-priv/CRATES and the crates that are linked differ:" >&2
    list=$(mktemp)
    echo "$listed" >"$list"
    echo "$linked" | diff "$list" - | sed -n 's/^</  listed, not linked:/p; s/^>/  linked, not listed:/p' >&2
    rm -f "$list"
    status=1
fi
exit $status
