# common.sh: what deb.sh, rpm.sh and arch.sh share. They run in the project's directory.
#
# Environment: BUILT, the directory of the release programs; PACKAGES, where packages go; COMPRESSION, full
# or quick; PACKAGE_ARCH, aarch64 for programs that were built for it elsewhere; PACKAGE_VERSION, another version than Cargo.toml's (tests of upgrades need two).

BUILT=$(cd "${BUILT:-target/release}" && pwd)
mkdir -p "${PACKAGES:=target/packages}"
PACKAGES=$(cd "$PACKAGES" && pwd)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(packaging/version.sh epoch)}
export BUILT PACKAGES SOURCE_DATE_EPOCH
# Whatever the caller's is, what is packaged has the usual modes.
umask 022
# fakeroot closes every number up to the limit at each start.
# shellcheck disable=SC3045 # dash has it
ulimit -n 1024
# No message and no sorted list depends on the caller's language; no date on the caller's place.
export LC_ALL=C.UTF-8 TZ=UTC

# A directory of this run, $work, that is removed at exit.
workplace() {
    work=$(mktemp -d "$PACKAGES/.build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM
}

# stage NAME: copies the sources to $work/NAME, without anything that was built.
stage() {
    workplace
    mkdir "$work/$1"
    if git rev-parse --git-dir >/dev/null 2>&1; then
        # Also what is not committed yet: the package of a change can be tried before.
        git ls-files -z --cached --others --exclude-standard |
            tar -c --null --no-recursion -T - | tar -x -C "$work/$1"
    else
        tar -c --exclude=./target . | tar -x -C "$work/$1"
    fi
    chmod -R u=rwX,go=rX "$work/$1"
}

# The sources as a tar file whose bytes depend on the sources alone.
# archive DIRECTORY FILE: DIRECTORY is in $work, and the one directory in FILE.
archive() {
    tar -c --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
        --format=ustar -C "$work" "$1" | gzip -9n >"$2"
}

# inside root|user DIRECTORY COMMAND...
#
# Runs a command that writes its directories' names into what it makes, or that refuses to run as root:
# in a user namespace, as its root or as an ordinary user, with DIRECTORY as /mnt/netevd and BUILT as
# /mnt/built, wherever they are. It needs no root, and root's files stay root's.
inside() {
    who=
    [ "$1" = root ] || who='unshare --user --map-user=1000 --map-group=1000'
    directory=$2
    shift 2
    # shellcheck disable=SC2016 # expanded inside
    unshare --user --map-root-user --mount sh -c '
        directory=$1 who=$2
        shift 2
        mount -t tmpfs -o mode=755 tmpfs /mnt
        mkdir /mnt/netevd /mnt/built
        mount --bind "$directory" /mnt/netevd
        mount --bind "$BUILT" /mnt/built
        cd /mnt/netevd
        exec $who "$@"' sh "$directory" "$who" \
        env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS HOME=/mnt/netevd "$@"
}
