#!/bin/sh
# test.sh BUILT: the programs for aarch64 in BUILT, started on this machine by qemu-user.
#
# qemu-user translates the programs and hands their system calls to this kernel, so rules and routes are
# real. It knows neither seccomp nor Landlock nor filters of sockets: that the helper says so and goes on
# is part of the test, and its filter's program is judged by the unit tests (make test-arm64).
set -eu
built=$(readlink -f "${1:?usage: test.sh BUILT}")
project=$(readlink -f "$(dirname "$0")/../..")
if [ "${ARM64_MACHINE:-}" != 1 ]; then
    # Network and mounts of its own; they end with it.
    ARM64_MACHINE=1 exec unshare --net --mount "$0" "$built"
fi
fail() {
    echo "arm64: $1" >&2
    [ ! -e "${log:-}" ] || cat "$log" >&2
    exit 1
}
mount -t tmpfs -o mode=755 tmpfs /run
work=/run/arm64
mkdir -p "$work"

for program in netevd-priv netevd-worker; do
    readelf --file-header --program-headers "$built/$program" >"$work/elf"
    grep -q 'Machine: *AArch64' "$work/elf" || fail "$program is not for aarch64"
    grep -q 'Type: *DYN' "$work/elf" || fail "$program is not position-independent"
    ! grep -q INTERP "$work/elf" || fail "$program is not static"
done

# Programs that the launcher finds beside itself, each started by the emulator.
loader=$project/target/rootfs-arm64
for program in netevd netevd-worker netevd-priv; do
    install -m 755 "$built/$program" "$work/$program.aarch64"
    printf '#!/bin/sh\nexec qemu-aarch64-static -L %s %s/%s.aarch64 "$@"\n' "$loader" "$work" "$program" >"$work/$program"
    chmod 755 "$work/$program"
done
# The launcher looks beside what it is, which is the program and not the script.
mkdir "$work/beside"
mv "$work/netevd.aarch64" "$work/beside/netevd"
mv "$work/netevd-worker" "$work/netevd-priv" "$work/beside/"
printf '#!/bin/sh\nexec qemu-aarch64-static -L %s %s/beside/netevd "$@"\n' "$loader" "$work" >"$work/netevd"

"$work/netevd" version | grep -q '^netevd [0-9]' || fail "netevd version says something else"
for example in "$project"/examples/*.yaml; do
    "$work/netevd" validate "$example" >/dev/null || fail "$example is not valid"
done
printf 'routing: { fallbak: main }\n' >"$work/faulty.yaml"
! "$work/netevd" validate "$work/faulty.yaml" 2>"$work/said" || fail "a faulty configuration is good"
grep -q 'did you mean `fallback`' "$work/said" || fail "it does not say what was meant: $(cat "$work/said")"

ip link set lo up
ip link add eth1 type veth peer name far
ip link set far up
ip link set eth1 up
ip addr add 192.0.2.34/27 dev eth1
ip addr add 2001:db8:1::34/64 dev eth1 nodad
ip route add default via 192.0.2.33 metric 200
ip route add default via 2001:db8:1::1 metric 200
cat >"$work/netevd.yaml" <<Y
system: { backend: kernel }
routing: { policy_rules: [eth1] }
Y
log=$work/log
"$work/netevd" start --config "$work/netevd.yaml" >"$log" 2>&1 &
launcher=$!
trap 'kill -KILL "$launcher" 2>/dev/null || true' EXIT
# await WHAT COMMAND...: within half a minute.
await() {
    what=$1
    shift
    tries=150
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" != 0 ] && kill -0 "$launcher" || fail "$what: not within half a minute"
        sleep 0.2
    done
}
await "policy routing is on" grep 'policy routing on' "$log"
for family in -4 -6; do
    # The rules from and to the address, and the default route of its table.
    rules=$(ip -N -j $family rule show | jq '[.[] | select(.protocol == "110")] | length')
    [ "$rules" = 2 ] || fail "ip $family rule: $rules rules of netevd's and not 2"
    ip -N -j $family route show table all | jq -e '.[] | select(.dst == "default" and .protocol == "110")' \
        >/dev/null || fail "ip $family route: no default route of netevd's"
done
grep -q 'no seccomp filters' "$log" || fail "the helper does not say that it has no filter here"
kill -HUP "$launcher"
await "reload" grep 'configuration reloaded' "$log"
ip rule del from 192.0.2.34 protocol 110
await "a rule that was deleted is back" sh -c 'ip rule show | grep "from 192.0.2.34 "'
"$work/netevd" status >"$work/said" || fail "netevd status: $(cat "$work/said")"
kill -TERM "$launcher"
status=0
wait "$launcher" || status=$?
[ "$status" = 0 ] || fail "it stops with status $status"
"$work/netevd" flush >/dev/null || fail "netevd flush"
[ -z "$(ip rule show protocol 110)" ] || fail "netevd flush leaves rules behind"
echo "arm64: netevd, netevd-worker and netevd-priv for aarch64 do their work under qemu-user"
