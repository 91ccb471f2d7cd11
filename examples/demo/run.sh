#!/bin/sh
# run.sh BINARIES - shows netevd's main job on this kernel, in namespaces that end with it.
#
# Needs no root and changes nothing of this host: as root it makes plain namespaces, else a user
# namespace around them. steps.sh is what happens inside.
set -eu
binaries=${1:?usage: run.sh target/debug}
here=$(dirname "$(readlink -f "$0")")
machine=$here/../../tests/support/host.sh

for program in netevd netevd-worker netevd-priv; do
    [ -x "$binaries/$program" ] || {
        echo "demo: $binaries/$program is not built: run make build first" >&2
        exit 1
    }
done

namespaces="--mount --net --pid --uts --ipc --fork --kill-child=KILL"
# shellcheck disable=SC2086 # the options are words
if [ "$(id -u)" != 0 ] || ! unshare $namespaces true 2>/dev/null; then
    namespaces="--user --map-root-user $namespaces"
    unshare $namespaces true || {
        echo "demo: neither root nor user namespaces (sysctl user.max_user_namespaces," \
            "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)" >&2
        exit 1
    }
fi
# shellcheck disable=SC2086
exec unshare $namespaces "$machine" "$binaries" sh -c "$(cat "$here/steps.sh")" demo </dev/null
