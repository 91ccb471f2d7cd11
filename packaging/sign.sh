#!/bin/sh
# sign.sh KEY FILE COMMENT - signs FILE: with a secret key of minisign into FILE.minisig, with one of ssh (or the
# public key of one that the agent holds) into FILE.sig.
set -eu
key=$1 file=$2 comment=$3
case $(head -n 1 "$key") in
"untrusted comment: minisign"*)
    minisign -S -s "$key" -m "$file" -x "$file.minisig" -c "minisign signature of netevd" -t "$comment"
    ;;
"-----BEGIN "*"PRIVATE KEY-----" | ssh-* | sk-*)
    ssh-keygen -q -Y sign -n netevd -f "$key" "$file"
    ;;
*)
    echo "sign.sh: $key is no secret key of minisign or ssh" >&2
    exit 1
    ;;
esac
