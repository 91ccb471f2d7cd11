#!/bin/sh
# reproducible.sh [all|helper] - builds the release twice and compares the programs byte for byte. The two
# builds have nothing in common but the sources, the toolchain and the downloaded crates: other
# directories, another HOME and CARGO_HOME, another time zone, language, umask and number of jobs.
# Writes below target/reproducible only. Its digests are those of target/release after `make release` with
# the same rustc, linker and C library, which it names.
set -eu
cd "$(dirname "$0")/../.."
case ${1:-all} in
all) goal=release programs='netevd netevd-worker netevd-priv' ;;
helper) goal=release-helper programs=netevd-priv ;;
*) echo "usage: reproducible.sh [all|helper]" >&2; exit 2 ;;
esac
cargo=${CARGO:-cargo}
"$cargo" fetch --locked --quiet
home=${CARGO_HOME:-$HOME/.cargo}
export RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}"
rustc=$(rustc -V)
work=$PWD/target/reproducible
rm -rf "$work"
mkdir -p "$work"
# Once, so that both builds have the same whatever happens here meanwhile.
tar -c --exclude=./target --exclude=./.git -f "$work/sources.tar" .

# once NAME JOBS DIRECTORY: a build of its own.
once() (
    tree=$work/$1/tree/$3
    mkdir -p "$tree" "$work/$1/home/cargo"
    tar -x -C "$tree" -f "$work/sources.tar"
    # The crates as downloaded; what is built of them is each build's own.
    ln -s "$home/registry" "$work/$1/home/cargo/registry"
    export HOME="$work/$1/home" CARGO_HOME="$work/$1/home/cargo" CARGO_BUILD_JOBS="$2" CARGO_NET_OFFLINE=true
    unset RUSTFLAGS CARGO_TARGET_DIR
    make -C "$tree" --no-print-directory "$goal" >"$work/$1/log" 2>&1 || {
        tail -n 20 "$work/$1/log" >&2
        exit 1
    }
    for program in $programs; do mv "$tree/target/release/$program" "$work/$1/"; done
    rm -rf "$tree"
)
(umask 022; TZ=UTC LC_ALL=C once one 1 netevd)
(umask 077; TZ=Asia/Kathmandu LC_ALL=C.UTF-8 once two 2 another/and/deeper/place)

echo "$rustc; $(ld --version | head -n 1); $(ldd --version | head -n 1)"
status=0
for program in $programs; do
    digest=$(sha256sum <"$work/one/$program" | cut -d ' ' -f 1)
    if ! cmp "$work/one/$program" "$work/two/$program"; then
        echo "reproducible: two builds of $program differ" >&2
        status=1
    elif strings -a "$work/one/$program" 2>/dev/null | grep -F -e "$work" -e "$home" >&2; then
        echo "reproducible: $program names directories of the machine that built it" >&2
        status=1
    else
        echo "$digest  $program"
    fi
done
exit $status
