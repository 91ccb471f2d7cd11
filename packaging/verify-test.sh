#!/bin/sh
# verify-test.sh - that a release can be verified with both kinds of key, and that nothing can be changed in it
# unnoticed. Makes throw-away keys; needs minisign and ssh-keygen; writes to a directory that it removes.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
fail() {
    echo "verify-test: $*" >&2
    status=1
}

# release KEY: a small one, signed.
release() {
    rm -rf "$work/release"
    mkdir "$work/release"
    (cd "$work/release" && echo one >netevd_1.deb && echo two >NOTICES && sha256sum -- * >../sums && mv ../sums SHA256SUMS)
    packaging/sign.sh "$1" "$work/release/SHA256SUMS" "netevd 1" >/dev/null
}
accepts() { packaging/verify.sh "$work/release" "$1" >"$work/log" 2>&1 || { fail "$2: refused"; cat "$work/log" >&2; }; }
# refuses PUBLIC WHY TEXT: fails, and says TEXT.
refuses() {
    if packaging/verify.sh "$work/release" "$1" >"$work/log" 2>&1; then
        fail "$2: accepted"
    elif ! grep -q "$3" "$work/log"; then
        fail "$2: refused, but without \"$3\":"
        cat "$work/log" >&2
    fi
}
# changes SECRET PUBLIC OTHER SIGNATURE
changes() {
    release "$1"
    accepts "$2" "unchanged"
    echo three >>"$work/release/netevd_1.deb"
    refuses "$2" "a changed file" "not the one that was released"
    release "$1"
    rm "$work/release/NOTICES"
    refuses "$2" "a missing file" "not the one that was released"
    release "$1"
    echo three >"$work/release/netevd_2.deb"
    refuses "$2" "a file more" "netevd_2.deb is not in SHA256SUMS"
    release "$1"
    echo three >"$work/release/NOTICES"
    (cd "$work/release" && sha256sum NOTICES netevd_1.deb >SHA256SUMS)
    refuses "$2" "changed sums" "is not signed by"
    release "$1"
    refuses "$3" "another's key" "SHA256SUMS"
    rm "$work/release/$4"
    refuses "$2" "no signature" "SHA256SUMS"
    accepts unsigned "unsigned"
}

for who in ours other; do
    minisign -G -W -p "$work/$who.pub" -s "$work/$who.key" >/dev/null
    ssh-keygen -q -t ed25519 -N '' -C "$who" -f "$work/$who.ssh"
    echo "releases@netevd namespaces=\"netevd\" $(cat "$work/$who.ssh.pub")" >"$work/$who.signers"
done
changes "$work/ours.key" "$work/ours.pub" "$work/other.pub" SHA256SUMS.minisig
changes "$work/ours.ssh" "$work/ours.signers" "$work/other.signers" SHA256SUMS.sig

# A signature that the same key made for something else, such as a commit, is none.
ssh-keygen -q -Y sign -n git -f "$work/ours.ssh" <"$work/release/SHA256SUMS" >"$work/release/SHA256SUMS.sig" 2>/dev/null
refuses "$work/ours.signers" "a signature of another namespace" "is not signed by"
if packaging/sign.sh /etc/passwd "$work/release/SHA256SUMS" x 2>"$work/log"; then fail "signed with a file that is no key"; fi
[ "$status" != 0 ] || echo "verify-test: what is unchanged is accepted, every change refused, with minisign and ssh"
exit "$status"
