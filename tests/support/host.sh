#!/bin/sh
# host.sh BINARIES [COMMAND...]
#
# Turns a fresh set of namespaces into a throw-away machine. Run it as the first process of them:
#
#   unshare [--user --map-root-user] --mount --net --pid --uts --ipc --fork --kill-child=KILL \
#       tests/support/host.sh target/debug [COMMAND...]
#
# The machine has a root file system of its own in memory, so that /etc/netevd, /usr/lib/netevd
# and /run/netevd are real, private, and owned by its root all the way up (which the daemon's
# trust check demands). Programs come from the real /usr, read-only where the kernel permits it.
# The daemon's binaries (the directory BINARIES) appear in /opt/netevd, results go to /out.
#
# Without a COMMAND it says "ready" and lives until its standard input ends: when the test
# process dies, however it dies, the machine goes with it. With a COMMAND it runs that instead.
set -eu
binaries=$(readlink -f "$1")
shift
here=$(dirname "$(readlink -f "$0")")

mount --make-rprivate /
root=/tmp
[ -d /mnt ] && root=/mnt
mount -t tmpfs -o mode=755,size=256m netevd-host "$root"
cd "$root"
umask 022
mkdir -p .host/usr .old dev etc home opt/netevd out proc root run/netns srv sys tmp usr/lib/netevd \
    usr/local/lib/netevd var/lib var/log
chmod 1777 out tmp
chmod 700 root

# Read-only where that is permitted: a user namespace may not change the flags of every mount,
# and there the files belong to someone else anyway.
bind() {
    mount --rbind "$1" "$2"
    mount -o remount,bind,ro "$2" 2>/dev/null || true
}
bind /usr .host/usr
bind "$binaries" opt/netevd
# What stands already (lib, local and its lib, the script directory) stays this machine's own.
(cd usr && ln -s ../.host/usr/* . 2>/dev/null) || true
(cd usr/lib && ln -s ../../.host/usr/lib/* . 2>/dev/null) || true
(cd usr/local && ln -s ../../.host/usr/local/* . 2>/dev/null) || true
for name in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$name" ]; then
        cp -P "/$name" "$name"
    elif [ -d "/$name" ]; then
        mkdir ".host/$name" && bind "/$name" ".host/$name" && ln -s "/.host/$name" "$name"
    fi
done

for name in alternatives iproute2 ld.so.cache ld.so.conf ld.so.conf.d protocols services; do
    [ -e "/etc/$name" ] && cp -rL "/etc/$name" etc/ 2>/dev/null || true
done
# Numbers stay numbers in what ip prints.
rm -f etc/iproute2/rt_protos.d/netevd.conf
cat >etc/passwd <<'X'
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
netevd:x:970:970:netevd:/nonexistent:/usr/sbin/nologin
netevd-priv:x:971:971:netevd-priv:/nonexistent:/usr/sbin/nologin
netevd-scripts:x:972:972:netevd-scripts:/nonexistent:/usr/sbin/nologin
X
cat >etc/group <<'X'
root:x:0:
nogroup:x:65534:
netevd:x:970:
netevd-priv:x:971:
netevd-scripts:x:972:
X
# The distribution's services, by the numbers that own their files in the real /usr.
services='messagebus|dnsmasq|netdev|polkitd|systemd-network|systemd-resolve|systemd-timesync'
grep -E "^($services):" /etc/passwd >>etc/passwd || true
grep -E "^($services):" /etc/group >>etc/group || true
echo 'passwd: files' >etc/nsswitch.conf
echo 'group: files' >>etc/nsswitch.conf
echo '127.0.0.1 localhost' >etc/hosts

mkdir -p dev/pts dev/shm
for name in null zero full random urandom tty; do
    : >"dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
# In a user namespace nobody makes devices.
if [ -e /dev/net/tun ]; then
    mkdir dev/net && : >dev/net/tun && mount --bind /dev/net/tun dev/net/tun
fi
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr

mount -t proc proc proc
# This network namespace's own; refused in a user namespace where /sys is masked, as in containers.
mount -t sysfs sysfs sys 2>/dev/null || true

pivot_root . .old
cd /
umount -l .old
rmdir .old
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
unset NETEVD_CONFIG XDG_RUNTIME_DIR || true
hostname netevd-host
ip link set lo up

if [ $# -gt 0 ]; then
    "$@"
    exit $?
fi

echo ready
# cat ends when the pipe to the test process does; wait reaps what daemons leave to process 1.
exec 3<&0
cat <&3 >/dev/null &
wait $!
