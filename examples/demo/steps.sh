# What `make demo` shows; run.sh runs this inside a private machine. Each step awaits what it
# promises and ends the demo with status 1 if that does not happen.
set -eu

# Colours only on a terminal (https://no-color.org).
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
else
    bold='' dim='' plain=''
fi
steps=0

step() {
    steps=$((steps + 1))
    printf '\n%s%s. %s%s\n' "$bold" "$steps" "$1" "$plain"
}

say() {
    printf '   %s\n' "$@"
}

# Shows a command and what it prints.
show() {
    printf '   %s$ %s%s\n' "$dim" "$*" "$plain"
    sh -c "$*" 2>&1 | sed 's/^/     /'
}

# Runs a command that changes something, and shows it.
run() {
    printf '   %s# %s%s\n' "$dim" "$*" "$plain"
    sh -ec "$*"
}

# await WHAT COMMAND: until the command succeeds, at most a minute.
await() {
    end=$(($(date +%s) + 60))
    until sh -c "$2" >/dev/null 2>&1; do
        if [ "$(date +%s)" -gt "$end" ]; then
            printf '\nFAILED in step %s: not seen within a minute: %s\n--- log of netevd\n' "$steps" "$1"
            cat /out/log
            exit 1
        fi
        sleep 0.01
    done
}

# What the scripts wrote since the last time.
shown=0
scripts_said() {
    total=$(wc -l </out/events)
    say "The scripts wrote:"
    tail -n "+$((shown + 1))" /out/events | head -n "$((total - shown))" | sed 's/^/     /'
    shown=$total
}

other_side() {
    nsenter --net=/run/netns/lan sh -ec "$1"
}

# --- the machine
sysctl -qw net.ipv6.conf.default.addr_gen_mode=1
ip netns add lan
ip netns add box
other_side 'sysctl -qw net.ipv6.conf.default.addr_gen_mode=1
    ip link add lan type bridge; ip addr add 192.0.2.1/24 dev lan; ip addr add 192.0.2.254/24 dev lan
    ip link set lan up'
for link in eth0 eth1; do
    ip link add name "$link" type veth peer name "${link}p" netns lan
    ip link set "$link" up
    other_side "ip link set ${link}p master lan; ip link set ${link}p up"
done
ip link add docker0 type bridge
ip addr add 172.17.0.1/16 dev docker0
ip link set docker0 up
ip link add veth0 type veth peer name inside netns box
ip link set veth0 master docker0
ip link set veth0 up
nsenter --net=/run/netns/box sh -ec 'ip addr add 172.17.0.2/16 dev inside; ip link set inside up'
ip addr add 192.0.2.2/24 dev eth0
ip route add default via 192.0.2.1 dev eth0 metric 100
table=$((200 + $(cat /sys/class/net/eth1/ifindex 2>/dev/null || ip -o link show eth1 | cut -d: -f1)))

mkdir -p /etc/netevd
cat >/etc/netevd/netevd.yaml <<'X'
system: { backend: kernel }
monitoring: { interfaces: ["eth*"] }
routing: { policy_rules: [eth1] }
X
for event in carrier no-carrier degraded configured routable address-added address-removed \
    link-added link-removed; do
    mkdir -p "/etc/netevd/$event.d"
    cat >"/etc/netevd/$event.d/10-note" <<'X'
#!/bin/sh
printf '%-16s %-5s addresses=[%s] gateway=%s%s\n' "$EVENT" "$LINK" "$ADDRESSES" "${GATEWAY:-none}" \
    "$([ "$STARTUP" = 1 ] && echo ' (was there at start)')" >>/out/events
X
    chmod 755 "/etc/netevd/$event.d/10-note"
done
: >/out/events
chmod 666 /out/events

printf '%snetevd on a host with two uplinks in one subnet and a docker-like bridge%s\n' "$bold" "$plain"
say "Everything happens in a private network namespace of this kernel." \
    "eth0 has 192.0.2.2 and the host's default route; eth1 is up and still bare; docker0 is 172.17.0.1/16."
show cat /etc/netevd/netevd.yaml

# --- the steps
step "Start: two processes, and scripts for the state that was there before"
/opt/netevd/netevd start >/out/log 2>&1 &
daemon=$!
await "the daemon is ready" "grep -qiw ready /out/log"
await "the script for eth0's state at start" "grep -q '^routable *eth0' /out/events"
await "the script for eth1's carrier at start" "grep -q '^carrier *eth1' /out/events"
for process in $(cat "/proc/$daemon/task/$daemon/children"); do
    say "$(printf '%-14s uid %-6s capabilities %s' "$(cat "/proc/$process/comm")" \
        "$(awk '/^Uid/ {print $2}' "/proc/$process/status")" \
        "$(awk '/^CapPrm/ {print $2}' "/proc/$process/status")")"
done
say "(0000000000001000 is CAP_NET_ADMIN: the helper's only one. The worker has none.)"
if ! grep -q 4294967295 /proc/self/uid_map; then
    say "(Without root this machine has a single user id, so both share it. Run as root to see two.)"
fi
scripts_said

step "An address appears on eth1"
run ip addr add 192.0.2.3/24 dev eth1
await "configured.d for eth1" "grep -q '^configured *eth1' /out/events"
scripts_said
say "No rule yet: without a gateway nothing is installed, and nothing is ever half-installed."
show "ip rule | grep 110 || echo none"
! ip rule | grep -q 'proto 110' || { echo "FAILED: rules without a gateway"; exit 1; }
say "So an answer from 192.0.2.3 would leave through eth0, and many networks drop it:"
show ip route get 203.0.113.9 from 192.0.2.3

step "eth1 gets its default route: rules and table appear"
run ip route add default via 192.0.2.1 dev eth1 metric 200
await "the rules for 192.0.2.3" "[ \$(ip rule | grep -c 'proto 110') = 2 ]"
await "the default in table $table" "ip route show table $table | grep -q 'default via 192.0.2.1'"
await "routable.d for eth1" "grep -q '^routable *eth1' /out/events"
show ip rule
show ip route show table "$table"
scripts_said
say "What arrives on eth1 leaves through eth1, and a container gets its answer by its own bridge:"
show ip route get 203.0.113.9 from 192.0.2.3
show ip route get 172.17.0.2 from 192.0.2.3
ip route get 203.0.113.9 from 192.0.2.3 | grep -q 'dev eth1' || { echo "FAILED: not through eth1"; exit 1; }
ip route get 172.17.0.2 from 192.0.2.3 | grep -q 'dev docker0' || { echo "FAILED: not through docker0"; exit 1; }

step "eth1 loses its carrier and gets it back"
run "nsenter --net=/run/netns/lan ip link set eth1p down"
await "no-carrier.d for eth1" "grep -q '^no-carrier *eth1' /out/events"
run "nsenter --net=/run/netns/lan ip link set eth1p up"
await "routable.d for eth1 again" "[ \$(grep -c '^routable *eth1' /out/events) = 2 ]"
scripts_said
await "the complete table" "[ \$(ip rule | grep -c 'proto 110') = 2 ] &&
    ip route show table $table | grep -q 'default via 192.0.2.1'"
show ip route show table "$table"

step "The gateway changes: one atomic replace"
run ip route replace default via 192.0.2.254 dev eth1 metric 200
await "the new gateway in table $table" "ip route show table $table | grep -q 'default via 192.0.2.254'"
show ip route show table "$table"

step "Another program wipes our rules and our table"
run "ip rule flush protocol 110; ip route flush table $table"
before=$(date +%s%N)
await "rules and table are back" "[ \$(ip rule | grep -c 'proto 110') = 2 ] &&
    ip route show table $table | grep -q 'default via 192.0.2.254' &&
    ip route show table $table | grep -q '172.17.0.0/16'"
say "Seen back after $((($(date +%s%N) - before) / 1000000)) ms (looking itself takes about 20):"
show ip rule
show ip route show table "$table"

step "eth1 is removed: nothing of it stays"
run ip link del eth1
await "link-removed.d for eth1" "grep -q '^link-removed *eth1' /out/events"
await "no object of netevd's" "! ip rule | grep -q 'proto 110' && [ -z \"\$(ip route show table $table)\" ]"
show ip rule
show "ip route show table $table 2>/dev/null | grep . || echo '(no such table)'"
scripts_said

step "Stop"
run kill -TERM "$daemon"
status=0
wait "$daemon" || status=$?
[ "$status" = 0 ] || { echo "FAILED: netevd ended with status $status"; cat /out/log; exit 1; }
say "Ended with status 0."

printf '\n%sdemo: all %s steps seen, scripts ran %s times, nothing of it is left on this host%s\n' \
    "$bold" "$steps" "$(wc -l </out/events)" "$plain"
