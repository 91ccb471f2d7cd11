#!/bin/bash
# boot.sh ROOTFS FILES BINARIES WORK AGENT
#
# Boots a root file system with its systemd as process 1 of namespaces of its own, by util-linux
# alone: nothing is needed of the host's init, and nothing of the host changes but an own cgroup.
# Run it as:  unshare --mount --net tests/boot/boot.sh ...
#
# ROOTFS stays as it is: it is the lower layer of an overlay, `make install` of BINARIES (not for "-")
# and the tree FILES go on top, and AGENT is the tests' hand inside. The machine has the uplinks up0 and
# up1, whose other ends are in the namespace /run/netns/isp of the mount namespace outside. WORK gets the
# console's log.
#
# Says "init PID" (in this process's own numbers) once process 1 runs, and lives until standard
# input ends: when the test process dies, however it dies, the machine goes with it.
set -eu
project=$(dirname "$(readlink -f "$0")")/../..

if [ "${1:-}" = inner ]; then
    root=$2
    hostname netevd-boot
    mount --bind "$root" "$root"
    cd "$root"
    mount -t proc proc proc
    # Read-only /sys: networkd does without udev then.
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755,nosuid tmpfs dev
    for name in null zero full random urandom tty; do
        : >"dev/$name"
        mount --bind "/dev/$name" "dev/$name"
    done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    ln -s fd/0 dev/stdin
    ln -s fd/1 dev/stdout
    ln -s fd/2 dev/stderr
    mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs tmp
    mkdir -p run/old
    pivot_root . run/old
    cd /
    umount -l /run/old
    rmdir /run/old
    exec env -i container=netevd-test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb \
        /lib/systemd/systemd --system systemd.log_target=console systemd.show_status=1 </dev/null
fi

rootfs=$1
files=$2
binaries=$3
work=$4
agent=$5
mount --make-rprivate /
mkdir -p "$work/layers"
mount -t tmpfs -o mode=755 netevd-boot "$work/layers"
mkdir "$work/layers/upper" "$work/layers/work" "$work/layers/root"
root=$work/layers/root
mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$work/layers/upper,workdir=$work/layers/work" "$root"

# As a package does it: files, users, and the service enabled.
[ "$binaries" = - ] || make -s -C "$project" install DESTDIR="$root" BUILT="$binaries"
install -D -m 755 "$agent" "$root/opt/netevd/netevd-test-agent"
cp -a --no-preserve=ownership "$files/." "$root/"
if [ "$binaries" != - ]; then
    chroot "$root" systemd-sysusers netevd.conf
    chroot "$root" systemctl --quiet enable netevd.service 2>/dev/null
fi
# Where scripts may write: a directory that the administrator gave to everybody.
mkdir -p "$root/srv/out"
ln -s srv/out "$root/out"
chmod 1777 "$root/srv/out"
: >"$root/out/records"
chmod 666 "$root/out/records"

mount -t tmpfs tmpfs /run
mkdir /run/netns
ip netns add isp
ip -n isp link set lo up
ip link set lo up
for number in 0 1; do
    ip link add "up$number" type veth peer name "up${number}p" netns isp
    ip -n isp addr add "192.0.2.$((number * 32 + 1))/27" dev "up${number}p"
    ip -n isp link set "up${number}p" up
done

# A subtree of the unified hierarchy; with a cgroup namespace it looks like the root.
hierarchy=/sys/fs/cgroup
[ -e "$hierarchy/cgroup.controllers" ] || hierarchy=$hierarchy/unified
[ -e "$hierarchy/cgroup.procs" ] || { echo "boot.sh: no cgroup2 is mounted here" >&2; exit 1; }
cgroup=$hierarchy/netevd-boot-$$
mkdir "$cgroup"
leave() {
    # What is left is the machine's own: its processes end with its process 1.
    [ -z "${init:-}" ] || kill -KILL "$init" 2>/dev/null || true
    echo $$ >"$hierarchy/cgroup.procs" || true
    wait || true
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
}
trap leave EXIT
echo $$ >"$cgroup/cgroup.procs"
unshare --mount --cgroup --uts --ipc --pid --fork --kill-child=KILL "$0" inner "$root" >"$work/console" 2>&1 </dev/null &
unshare=$!
# A minute at least.
for _ in $(seq 6000); do
    init=$(cat "/proc/$unshare/task/$unshare/children" 2>/dev/null || true)
    init=${init%% *}
    [ -z "$init" ] || break
    kill -0 "$unshare"
    sleep 0.01
done
[ -n "$init" ] || { cat "$work/console" >&2; exit 1; }
echo "init $init"
cat >/dev/null
