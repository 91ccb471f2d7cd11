#!/bin/sh
# static-pie.sh PROGRAM...: whether each is a static program for aarch64 that can be at any address.
set -eu
for program; do
    elf=$(readelf --file-header --program-headers --wide "$program")
    wrong=
    case $elf in *'Machine: '*AArch64*) ;; *) wrong='not for aarch64' ;; esac
    case $elf in *'Type: '*'DYN '*) ;; *) wrong='not position-independent: see packaging/arm64/linker.sh' ;; esac
    case $elf in *' INTERP '*) wrong='not static' ;; esac
    [ -z "$wrong" ] || {
        echo "static-pie.sh: $program is $wrong" >&2
        exit 1
    }
done
