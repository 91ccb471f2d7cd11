#!/bin/sh
# test.sh BUILT: the programs for aarch64 in BUILT, started on this machine by qemu-user.
#
# qemu-user translates the programs and hands their system calls to this kernel: links, addresses, processes
# and signals are real. It knows no messages about rules (RTM_GETRULE: EOPNOTSUPP in 7.2), no seccomp, no
# Landlock and no filters of sockets, so no rule or route is made here; the worker's attempt has to end in
# its own message and nothing else.
set -eu
built=$(readlink -f "${1:?usage: test.sh BUILT}")
project=$(readlink -f "$(dirname "$0")/../..")
if [ "${ARM64_MACHINE:-}" != 1 ]; then
    # Its own network and mounts, which end with it.
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
printf 'system: { backend: kernel }\nrouting: { policy_rules: [eth1] }\n' >"$work/netevd.yaml"
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
await "the worker is ready" grep 'ready: 2 of 3 links monitored, host online' "$log"
grep -q 'no seccomp filters' "$log" || fail "the helper does not say that it has no filter here"
await "the worker says what the emulator cannot do" grep 'Operation not supported' "$log"
"$work/netevd" list interfaces >"$work/said" || fail "netevd list interfaces: $(cat "$work/said")"
grep -q 'eth1 *routable.*192.0.2.34/27' "$work/said" || fail "eth1 is not as it is: $(cat "$work/said")"
ip link set eth1 mtu 1400
changed() { "$work/netevd" events --tail 20 | grep 'eth1 mtu'; }
await "the change of the MTU is an event" changed
kill -HUP "$launcher"
await "reload" grep 'configuration reloaded' "$log"
kill -TERM "$launcher"
status=0
wait "$launcher" || status=$?
[ "$status" = 0 ] || fail "it stops with status $status"
echo "arm64: netevd, netevd-worker and netevd-priv for aarch64 start, watch this kernel, reload and stop"
