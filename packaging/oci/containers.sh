#!/bin/sh
# containers.sh DIRECTORY COMMAND... - runs podman or buildah with images and containers below DIRECTORY, so
# that the host's own stay untouched. No registry is asked.
set -eu
directory=${1:?usage: containers.sh DIRECTORY COMMAND...}
shift
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
# Moved into its place, since others may read it at this moment.
put() {
    cat >"$directory/.$1.$$"
    mv "$directory/.$1.$$" "$directory/$1"
}
put storage.conf <<END
[storage]
driver = "overlay"
graphroot = "$directory/storage"
runroot = "$directory/run"
END
# limit NAME ROW: 32768, or the hard limit of this process where that is less. What podman takes by itself it
# cannot set on a host that does not permit raising limits.
limit() {
    hard=$(sed -n "s/^Max $2  *[^ ]*  *\([0-9]*\) .*/\1/p" /proc/self/limits)
    [ "${hard:-32768}" -lt 32768 ] || hard=32768
    printf '"%s=%s:%s", ' "$1" "$hard" "$hard"
}
# runc: crun refuses hosts that have cgroups of both versions. cgroupfs and file: no systemd is needed.
put containers.conf <<END
[containers]
log_driver = "k8s-file"
default_ulimits = [$(limit nofile "open files")$(limit nproc processes)]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$directory/tmp"
END
echo 'unqualified-search-registries = []' | put registries.conf
export CONTAINERS_STORAGE_CONF="$directory/storage.conf" CONTAINERS_CONF="$directory/containers.conf"
export CONTAINERS_REGISTRIES_CONF="$directory/registries.conf"
exec "$@"
