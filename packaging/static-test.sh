#!/bin/sh
# static-test.sh ARCHIVE - that the static archive runs where it is unpacked: on a host whose nsswitch.conf names
# modules, which a static program cannot load, and in a root directory without any C library. In namespaces. As
# root: in a user namespace of one id netevd looks up no user, so the first would show nothing.
set -eu
archive=$(realpath -e "${1:?usage: static-test.sh ARCHIVE}")
[ "$(id -u)" = 0 ] || {
    echo "static-test: needs root" >&2
    exit 1
}
# A module that needs more than the C library, as those of directory services do.
[ -n "$(find /lib/*/libnss_systemd.so.2 /usr/lib*/libnss_systemd.so.2 2>/dev/null)" ] || {
    echo "static-test: libnss_systemd.so.2 is not here: apt-get install libnss-systemd" >&2
    exit 1
}
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
tar -xzf "$archive" --strip-components=1 -C "$work"
cat >"$work/config.yaml" <<'X'
system: { backend: kernel }
api: { enabled: false }
X
mkdir -p "$work/proc" "$work/run" "$work/dev" "$work/tmp" "$work/sys"
echo 'passwd: files systemd
group: files systemd
hosts: files systemd dns' >"$work/nsswitch.conf"
echo 'root:x:0:0::/:/bin/sh' >"$work/etc/passwd"
: >"$work/etc/group"
: >"$work/dev/null"

# Both inside: netevd must get ready, and end with 0 when it is asked to.
cat >"$work/inside.sh" <<'X'
mkfifo "$1/log"
shift_to=$1
shift
"$@" 2>"$shift_to/log" &
child=$!
while read -r line; do
    echo "$line"
    case $line in *" ready: "*) kill -TERM $child ;; esac
done <"$shift_to/log"
status=0
wait $child || status=$?
rm "$shift_to/log"
exit $status
X
# try NAME COMMAND...
try() {
    name=$1
    shift
    if ! timeout 60 unshare --net --mount "$@" >"$work/out" 2>&1 || ! grep -q ' ready: ' "$work/out"; then
        echo "static-test: $name: netevd did not start and stop:" >&2
        cat "$work/out" >&2
        exit 1
    fi
    echo "static-test: $name: starts, gets ready, stops"
}
# shellcheck disable=SC2016 # expanded inside
try "a host with modules in nsswitch.conf" sh -ec '
    mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
    mount -t tmpfs tmpfs /run
    sh "$1/inside.sh" "$1/tmp" "$1/usr/bin/netevd" start --dry-run --config "$1/config.yaml"' sh "$work"
# shellcheck disable=SC2016
try "a root without a C library" sh -ec '
    mount -t tmpfs tmpfs "$1/run"
    mount --rbind /proc "$1/proc"
    mount --bind /dev/null "$1/dev/null"
    sh "$1/inside.sh" "$1/tmp" chroot "$1" /usr/bin/netevd start --dry-run --config /config.yaml' sh "$work"
