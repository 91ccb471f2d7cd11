#!/bin/sh
# verify.sh DIRECTORY KEY - checks a downloaded release: the signature of SHA256SUMS by KEY (a public key of
# minisign, or a file of allowed signers of ssh), then every file. With `unsigned` for KEY only the sums.
# docs/user/install.md has the same as single commands.
set -eu
directory=${1:?usage: verify.sh DIRECTORY KEY}
key=${2:?usage: verify.sh DIRECTORY KEY}
stop() {
    echo "verify: $*" >&2
    exit 1
}
[ "$key" = unsigned ] || key=$(realpath -e "$key")
cd "$directory"
if [ "$key" = unsigned ]; then
    echo "verify: the signature is not checked" >&2
elif grep -q '^untrusted comment: minisign public key' "$key"; then
    minisign -V -q -p "$key" -m SHA256SUMS || stop "SHA256SUMS is not signed by $key"
else
    signer=$(ssh-keygen -Y find-principals -s SHA256SUMS.sig -f "$key") || stop "SHA256SUMS.sig is of nobody in $key"
    ssh-keygen -q -Y verify -f "$key" -I "$signer" -n netevd -s SHA256SUMS.sig <SHA256SUMS ||
        stop "SHA256SUMS is not signed by $signer"
fi
sha256sum --check --strict --quiet SHA256SUMS || stop "a file is not the one that was released"
# A file that nobody signed looks as if it belonged to the release.
for file in *; do
    case $file in SHA256SUMS | SHA256SUMS.sig | SHA256SUMS.minisig) continue ;; esac
    awk -v name="$file" '$2 == name { found = 1 } END { exit !found }' SHA256SUMS ||
        stop "$file is not in SHA256SUMS"
done
echo "verify: $(wc -l <SHA256SUMS) files are those of SHA256SUMS"
