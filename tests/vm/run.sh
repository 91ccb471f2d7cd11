#!/bin/sh
# run.sh MACHINE PAYLOAD
#
# Boots a machine made by disk.sh in qemu and runs PAYLOAD/main in it as root, in a directory with all of
# PAYLOAD. Prints what that prints; ends with 0 if it did. The machine's disk stays as it is, and there is
# no network card: what happens inside stays inside. No /dev/kvm is needed. What the kernel says goes to
# MACHINE/console.
set -eu
machine=${1:?usage: run.sh MACHINE PAYLOAD} payload=${2:?usage: run.sh MACHINE PAYLOAD}
work=$(mktemp -d "$machine/run.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

tar -C "$payload" --owner=root:0 --group=root:0 -cf "$work/payload" .
# The first serial line is the kernel's console, the second one the payload's.
timeout "${VM_SECONDS:-1800}" qemu-system-x86_64 \
    -machine pc -accel tcg,thread=multi -cpu max -smp "${VM_CPUS:-2}" -m 1024 \
    -display none -monitor none -no-reboot -nic none \
    -kernel "$machine/kernel" -initrd "$machine/initrd" \
    -append "root=/dev/vda rw fsck.mode=skip console=ttyS0 quiet systemd.show_status=0" \
    -drive file="$machine/disk",format=raw,if=virtio,snapshot=on \
    -drive file="$work/payload",format=raw,if=virtio,read-only=on \
    -serial file:"$machine/console" -serial file:"$work/output" </dev/null &
qemu=$!
trap 'kill "$qemu" 2>/dev/null || true; rm -rf "$work"' EXIT
touch "$work/output"
tail --pid="$qemu" -f -n +1 "$work/output" | sed -u "s/\r$//; s/^/$(basename "$machine"): /"
wait "$qemu" || { echo "run.sh: qemu ended with $?; the console's end:"; tail -n 20 "$machine/console"; }
grep -q '^vm: payload ended with 0' "$work/output"
