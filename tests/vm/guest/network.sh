# shellcheck shell=sh
# Sourced: two uplinks, and at the far end of both the namespace `far` with a client beyond. Without policy
# routing whatever this machine answers leaves through up0.
network() {
    ip netns add far
    ip -n far link set lo up
    ip -n far addr add 198.51.100.9/32 dev lo
    ip -n far addr add 2001:db8:9::9/128 dev lo
    for number in 0 1; do
        up=up$number far=far$number
        ip link add "$up" type veth peer name "$far" netns far
        ip addr add "192.0.2.$((number * 32 + 2))/27" dev "$up"
        ip addr add "2001:db8:1$number::2/64" dev "$up" nodad
        ip -n far addr add "192.0.2.$((number * 32 + 1))/27" dev "$far"
        ip -n far addr add "2001:db8:1$number::1/64" dev "$far" nodad
        ip link set "$up" up
        ip -n far link set "$far" up
    done
    ip route add default via 192.0.2.1 dev up0
    ip route add default via 192.0.2.33 dev up1 metric 200
    ip route add default via 2001:db8:10::1 dev up0 metric 100
    ip route add default via 2001:db8:11::1 dev up1 metric 200
    ip netns exec far nft -f - <<'N'
table inet judge {
    counter far0 { }
    counter far1 { }
    chain in {
        type filter hook prerouting priority 0
        iifname { far0, far1 } meta l4proto { icmp, icmpv6 } jump reply
    }
    chain reply {
        iifname far0 icmp type echo-reply counter name far0
        iifname far1 icmp type echo-reply counter name far1
        iifname far0 icmpv6 type echo-reply counter name far0
        iifname far1 icmpv6 type echo-reply counter name far1
    }
}
N
}

# answered ADDRESS: the client asks ADDRESS three times; prints how many answers came through which uplink.
answered() {
    client=198.51.100.9
    case $1 in *:*) client=2001:db8:9::9 ;; esac
    ip netns exec far nft reset counters >/dev/null
    ip netns exec far ping -q -c 3 -i 0.2 -W 5 -I "$client" "$1" >/dev/null || true
    ip netns exec far nft -j list counters |
        jq -r '[.nftables[].counter | values | "\(.name)=\(.packets)"] | sort | join(" ")'
}

# ours: netevd's rules and routes, by the kernel; 110 is netevd's protocol.
ours() {
    for family in -4 -6; do
        ip -N -j "$family" rule show
        ip -N -j "$family" route show table all
    done | jq -c '.[] | select(.protocol == "110")' | sort
}

# whole ADDRESS GATEWAY LINK: rules from and to the address, and the default route of its table.
whole() {
    family=-4
    case $1 in *:*) family=-6 ;; esac
    table=$((200 + $(cat "/sys/class/net/$3/ifindex")))
    ip -N -j "$family" rule show | jq -e --arg a "$1" --arg t "$table" '
        def one(f): [.[] | select(.protocol == "110" and .table == $t and f)] | length == 1;
        one(.src == $a) and one(.dst == $a)' &&
        ip -N -j "$family" route show table "$table" | jq -e --arg g "$2" --arg l "$3" '
        [.[] | select(.dst == "default" and .gateway == $g and .dev == $l and .protocol == "110")] | length == 1'
}
