#!/bin/sh
# dist.sh OUT - makes everything that a release consists of, and puts it into the directory OUT, which is
# emptied before. `make dist` calls it; docs/developer/releasing.md has the steps of a release.
#
# Environment: BUILT, the directory of the release programs; STATIC_NETEVD, the statically linked command line;
# RELEASE_KEY, a secret key of minisign or ssh that signs SHA256SUMS; FORMATS, the packages and images to make
# (a release has all). The sources are those of HEAD.
set -eu
cd "$(dirname "$0")/.."
out=${1:?usage: dist.sh OUT}
umask 022
: "${FORMATS:=deb rpm arch image image-debian}"
export LC_ALL=C.UTF-8 TZ=UTC
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
version=$(sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
commit=$(git rev-parse HEAD)
arch=$(uname -m)

note() { printf 'dist: %s\n' "$*" >&2; }
stop() {
    note "$*"
    exit 1
}

# Whether this is a release: the tag of this version, on exactly these sources.
if [ "$(git describe --exact-match --match "v$version" HEAD 2>/dev/null)" = "v$version" ]; then
    [ -z "$(git status --porcelain)" ] || stop "tag v$version, but the tree has changes: git status"
    title="netevd $version" release=1
else
    title="netevd $version (NOT A RELEASE: commit $commit has no tag v$version)" release=
    note "NOT A RELEASE: commit $commit has no tag v$version"
    [ -z "$(git status --porcelain)" ] || note "NOT A RELEASE: the tree has changes that the source tar has not"
fi

work=$PWD/target/dist-work
rm -rf "$work" "$out"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$work/built" "$out"
out=$(cd "$out" && pwd)

step() { # step NAME COMMAND...: its output only where it fails
    what=$1
    shift
    start=$(date +%s)
    "$@" >"$work/log" 2>&1 || {
        tail -n 40 "$work/log" >&2
        stop "$what failed: $*"
    }
    note "$what: $(($(date +%s) - start)) s"
}

# The same bytes from the same files: sorted, no owner, one time.
archive() { # archive FILE DIRECTORY: below $work
    tar -c --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=ustar \
        -C "$work" "$2" | gzip -9n >"$1"
}

for program in netevd netevd-worker netevd-priv; do
    [ -x "${BUILT:=target/release}/$program" ] || stop "$BUILT/$program is not there: make release"
    install -m 755 "$BUILT/$program" "$work/built/"
done
step notices packaging/notices.py
install -m 644 target/notices/NOTICES "$work/built/"
install -m 644 target/notices/NOTICES "$out/"
step sbom tests/support/sbom.py
install -m 644 target/sbom/netevd.cdx.json target/sbom/netevd-worker.cdx.json target/sbom/netevd-priv.cdx.json "$out/"

git archive --format=tar --prefix="netevd-$version/" HEAD | gzip -9n >"$out/netevd-$version.tar.gz"

# The programs as `make install` places them, all three linked statically: for hosts without a package.
static=$(realpath "${STATIC_NETEVD:-target/static/netevd}")
[ -x "$static" ] || stop "$static is not there: make release-static"
if readelf -lW "$static" | grep -q INTERP; then stop "$static is not linked statically"; fi
tree=netevd-$version-linux-$arch
mkdir "$work/static"
cp -p "$work/built/netevd-worker" "$work/built/netevd-priv" "$work/built/NOTICES" "$work/static/"
install -m 755 "$static" "$work/static/netevd"
step static make -s --no-print-directory install BUILT="$work/static" DESTDIR="$work/$tree" PREFIX=/usr
archive "$out/$tree.tar.gz" "$tree"

# Packages and images: the targets of this tree, each of which must give its files.
format() { # format TARGET PATTERN...
    target=$1
    shift
    why=
    grep -qs "^$target:" packaging/*.mk || why="this tree has no recipe for it"
    case " $FORMATS " in *" $target "*) ;; *) why="not in FORMATS=" ;; esac
    if [ -n "$why" ]; then
        [ -z "$release" ] || stop "a release has all formats; $target: $why"
        note "NO $target: $why"
        return
    fi
    made=$work/$target
    mkdir "$made"
    step "$target" make -s --no-print-directory "$target" BUILT="$work/built" STATIC_NETEVD="$static" \
        PACKAGES="$made" IMAGES="$made" DEB="$(find "$out" -name '*.deb')" LINT=no
    for pattern in "$@"; do
        found=
        for file in "$made"/$pattern; do
            [ ! -f "$file" ] || { found=1 && cp "$file" "$out/"; }
        done
        [ -n "$found" ] || stop "make $target gave no $pattern"
    done
}
format deb '*.deb'
format rpm '*.src.rpm' '*[!c].rpm'
format arch '*.pkg.tar.zst'
format image '*.oci.tar'
format image-debian '*-debian-*.oci.tar'

# With what all of it can be made again: the same gives the same bytes.
{
    echo "netevd $version, commit $commit"
    readelf -p .comment "$work/built/netevd-priv" | sed -n 's/^  \[[^]]*\]  //p'
    for package in libc6-dev binutils gcc dpkg debhelper rpm makepkg mmdebstrap busybox-static gzip xz-utils zstd tar; do
        dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' "$package" 2>/dev/null || true
    done
} >"$out/TOOLS"

(cd "$out" && sha256sum -- * >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" SHA256SUMS)
chmod 644 "$out"/*
if [ -n "$release" ]; then
    # The maintainer who signed the tag made the same files before.
    git tag -l --format='%(contents)' "v$version" | grep -E '^[0-9a-f]{64}  ' >"$work/tagged" || true
    if ! diff "$work/tagged" "$out/SHA256SUMS" >&2; then
        stop "the message of tag v$version does not hold these sums: see docs/developer/releasing.md"
    fi
    note "the sums are those in the message of tag v$version"
fi
if [ -n "${RELEASE_KEY:-}" ]; then
    packaging/sign.sh "$RELEASE_KEY" "$out/SHA256SUMS" "$title"
else
    note "NOT SIGNED: RELEASE_KEY= names no secret key of minisign or ssh"
fi
(cd "$out" && stat -c '%10s  %n' -- *)
