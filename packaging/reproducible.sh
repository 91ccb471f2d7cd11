#!/bin/sh
# reproducible.sh: makes each package twice of the same programs and compares byte for byte. The two have
# nothing in common but sources and programs: other directories, HOME, time zone, language and umask. The
# compression is the quick one: what it compresses is the same as in the full one.
# Writes below target/packages/reproducible only.
set -eu
cd "$(dirname "$0")/.."
BUILT=$(cd "${BUILT:-target/release}" && pwd)
place=$PWD/target/packages/reproducible
rm -rf "$place"
SOURCE_DATE_EPOCH=$(packaging/version.sh epoch)
export SOURCE_DATE_EPOCH BUILT COMPRESSION=quick LINT=no

# once NAME DIRECTORY: all formats, from its own copy of the sources.
once() (
    tree=$place/$1/$2
    mkdir -p "$tree" "$place/$1/home"
    git ls-files -z --cached --others --exclude-standard | tar -c --null --no-recursion -T - | tar -x -C "$tree"
    export HOME="$place/$1/home" PACKAGES="$place/$1/packages"
    # Not the project's repository: the tree is below it.
    export GIT_DIR=/nonexistent
    for format in deb rpm arch; do "$tree/packaging/$format.sh" >/dev/null; done
)
(umask 022; TZ=UTC LC_ALL=C once one netevd) &
first=$!
(umask 077; TZ=Asia/Kathmandu LC_ALL=C.UTF-8 once two another/and/deeper/place)
wait $first

status=0
for package in "$place"/one/packages/*; do
    name=${package##*/}
    if cmp "$package" "$place/two/packages/$name"; then
        echo "$(sha256sum <"$package" | cut -d ' ' -f 1)  $name"
    else
        echo "reproducible: two builds of $name differ: diffoscope $package $place/two/packages/$name" >&2
        status=1
    fi
done
exit $status
