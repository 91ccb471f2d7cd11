#!/bin/sh
# inside.sh ROOT GOAL...
#
# Makes GOAL in the project, in the root file system made by chroot.sh. What is built there goes to this
# project's target/aarch64; crates come from this user's own registry, which `cargo fetch` filled, and
# nothing is asked of the network. Needs root; the mounts are this process's own.
set -eu
root=$(readlink -f "${1:?usage: inside.sh ROOT GOAL...}")
shift
project=$(readlink -f "$(dirname "$0")/../..")
registry=$(readlink -f "${CARGO_HOME:-$HOME/.cargo}")/registry

if [ "${ARM64_MOUNTS:-}" != 1 ]; then
    mkdir -p "$project/target/aarch64" "$registry"
    # Without a namespace of processes: in one `make` would be its first, which no signal ends.
    ARM64_MOUNTS=1 exec unshare --mount "$0" "$root" "$@"
fi
mkdir -p "$root/netevd" "$root/cargo/registry"
mount --make-rprivate /
mount --bind "$project" "$root/netevd"
mount --bind "$project/target/aarch64" "$root/netevd/target"
mount --bind "$registry" "$root/cargo/registry"
mount --rbind /proc "$root/proc"
# The emulator starts tests, where this machine has it.
if emulator=$(command -v qemu-aarch64-static); then
    : >>"$root/usr/bin/qemu-aarch64-static"
    mount --bind "$emulator" "$root/usr/bin/qemu-aarch64-static"
fi
exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    CARGO_HOME=/cargo CARGO_NET_OFFLINE=true \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=/netevd/packaging/arm64/linker.sh \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static" \
    make -C /netevd "$@"
