# shellcheck shell=sh
# Sourced: links as hosts have them, each with a gateway of its own at the far end: bond, VLAN, macvlan in another
# link's subnet, a VRF's port, a dummy. What asks an address is answered through its link.

# hits ADDRESS FARLINK [MAC]: how many of three answers to the client come in through FARLINK at the far end, from
# this hardware address.
hits() {
    client=198.51.100.9 from=${3:+ether saddr $3}
    case $1 in *:*) client=2001:db8:9::9 ;; esac
    ip netns exec far nft -f - <<N
table inet judged
delete table inet judged
table inet judged {
    counter hits { }
    chain in {
        type filter hook prerouting priority 0
        iifname "$2" $from icmp type echo-reply counter name hits
        iifname "$2" $from icmpv6 type echo-reply counter name hits
    }
}
N
    ip netns exec far ping -q -c 3 -i 0.2 -W 5 -I "$client" "$1" >/dev/null || true
    ip netns exec far nft -j list counter inet judged hits | jq '.nftables[].counter | values | .packets'
}

# answered_through WHAT ADDRESS FARLINK [MAC]: all three.
answered_through() {
    what=$1
    shift
    same "$what: $1 is answered through it" 3 "$(hits "$@")"
}

# lists LINKS: what policy_rules lists from now on.
lists() {
    sed -i "s/policy_rules: \[[^]]*\]/policy_rules: [$1]/" /etc/netevd/netevd.yaml
    is "reload with $1" systemctl reload netevd
}

problems() { netevd status --format json | jq -r '.problems[]'; }
no_problem() { netevd status --format json | jq -e '.status == "ok" and (.problems | length) == 0'; }

# far_end LINK IPV4 IPV6: the gateway's addresses.
far_end() {
    ip -n far addr add "$2" dev "$1"
    ip -n far addr add "$3" dev "$1" nodad
    ip -n far link set "$1" up
}

# near_end LINK IPV4 GATEWAY IPV6 GATEWAY METRIC
near_end() {
    ip link set "$1" up
    ip addr add "$2" dev "$1"
    ip addr add "$4" dev "$1" nodad
    ip route add default via "$3" dev "$1" metric "$6"
    ip -6 route add default via "$5" dev "$1" metric "$6"
}

bond() {
    ip -n far link add farb type bridge
    ip link add bond0 type bond mode active-backup miimon 100
    for number in 0 1; do
        ip link add "port$number" type veth peer name "farb$number" netns far
        ip link set "port$number" master bond0
        ip -n far link set "farb$number" master farb up
    done
    far_end farb 192.0.2.65/27 2001:db8:12::1/64
    near_end bond0 192.0.2.66/27 192.0.2.65 2001:db8:12::2/64 2001:db8:12::1 300
}

vlan() {
    ip -n far link add link far0 name far0.7 type vlan id 7
    far_end far0.7 192.0.2.97/27 2001:db8:17::1/64
    ip link add link up0 name up0.7 type vlan id 7
    near_end up0.7 192.0.2.98/27 192.0.2.97 2001:db8:17::2/64 2001:db8:17::1 400
}

# With another address of up1's subnet, and its gateway.
macvlan() {
    ip link add mac0 link up1 type macvlan mode bridge
    near_end mac0 192.0.2.35/27 192.0.2.33 2001:db8:11::3/64 2001:db8:11::1 500
    mac=$(cat /sys/class/net/mac0/address)
}

fails_over() {
    active() { grep -qx "$1" /sys/class/net/bond0/bonding/active_slave; }
    await "the bond's first port is in use" active port0
    before=$(ours)
    ip -n far link set farb0 down
    await "the other port is in use" active port1
    same "rules and routes are the same after the failover" "$before" "$(ours)"
    answered_through "bond0 after the failover" 192.0.2.66 farb
    answered_through "bond0 after the failover" 2001:db8:12::2 farb
    ip -n far link set farb0 up
}

devices() {
    bond
    vlan
    macvlan
    for judge in "192.0.2.66 farb" "2001:db8:12::2 farb" "192.0.2.98 far0.7" "2001:db8:17::2 far0.7" \
        "192.0.2.35 far1 $mac" "2001:db8:11::3 far1 $mac"; do
        # shellcheck disable=SC2086
        same "without policy routing ${judge% *} is answered through another link" 0 "$(hits $judge)"
    done
    lists "up1, bond0, up0.7, mac0"
    await "bond0: IPv4 rules and routes" whole 192.0.2.66 192.0.2.65 bond0
    await "bond0: IPv6 rules and routes" whole 2001:db8:12::2 2001:db8:12::1 bond0
    await "up0.7: IPv4 rules and routes" whole 192.0.2.98 192.0.2.97 up0.7
    await "up0.7: IPv6 rules and routes" whole 2001:db8:17::2 2001:db8:17::1 up0.7
    await "mac0: IPv4 rules and routes" whole 192.0.2.35 192.0.2.33 mac0
    await "mac0: IPv6 rules and routes" whole 2001:db8:11::3 2001:db8:11::1 mac0
    answered_through bond0 192.0.2.66 farb
    answered_through bond0 2001:db8:12::2 farb
    answered_through "the VLAN" 192.0.2.98 far0.7
    answered_through "the VLAN" 2001:db8:17::2 far0.7
    answered_through "the macvlan" 192.0.2.35 far1 "$mac"
    answered_through "the macvlan" 2001:db8:11::3 far1 "$mac"
    answered_through "up1 beside the macvlan" 192.0.2.34 far1 "$(cat /sys/class/net/up1/address)"
    await "no problem" no_problem
    fails_over

    # A local network: no uplink, and in every table.
    ip link add dummy1 type dummy
    ip addr add 10.77.0.1/24 dev dummy1
    ip link set dummy1 up
    for link in up1 bond0 up0.7 mac0; do
        table=$((200 + $(cat "/sys/class/net/$link/ifindex")))
        copied() { ip -N route show table "$1" 10.77.0.0/24 | grep "dev dummy1 proto 110"; }
        await "the dummy's network is in the table of $link" copied "$table"
    done
    await "a dummy is no problem" no_problem
    ip link del dummy1
    vrf
    lists up1
    for link in mac0 up0.7 bond0 port0 port1; do ip link del "$link"; done
    await "up1 alone: IPv4 rules and routes" whole 192.0.2.34 192.0.2.33 up1
}

vrf() {
    ip link add blue type vrf table 10
    ip link set blue up
    ip link add port2 type veth peer name farv netns far
    ip link set port2 master blue
    far_end farv 192.0.2.129/27 2001:db8:18::1/64
    ip link set port2 up
    ip addr add 192.0.2.130/27 dev port2
    ip addr add 2001:db8:18::2/64 dev port2 nodad
    ip route add default via 192.0.2.129 dev port2 table 10
    ip -6 route add default via 2001:db8:18::1 dev port2 table 10
    answered_through "the VRF's port" 192.0.2.130 farv
    answered_through "the VRF's port" 2001:db8:18::2 farv
    answered_through "up1 beside a VRF" 192.0.2.34 far1
    await "a VRF is no problem" no_problem
    same "its port is not listed" 1 \
        "$(netevd show interface port2 | grep -c 'not under policy routing (routing.policy_rules)')"
    lists "up1, port2"
    named() { problems | grep 'lists port2, a port of the VRF blue'; }
    await "a listed port of a VRF is named" named
    same "and not called unlisted" 0 "$(netevd show interface port2 | grep -c 'not under policy routing (')"
    answered_through "the VRF's port, listed" 192.0.2.130 farv
    lists up1
    await "no problem without it" no_problem

    # As the kernel's documentation of VRFs wants it: local behind l3mdev.
    for family in -4 -6; do
        ip "$family" rule add pref 32765 table local
        ip "$family" rule del pref 0
    done
    front() { ip -N "$1" rule | grep "32000:.*from $2 lookup 255 proto 110"; }
    await "local is behind: IPv4 asks it first" front -4 192.0.2.34
    await "local is behind: IPv6 asks it first" front -6 2001:db8:11::2
    is "the host reaches itself" ping -q -c 1 -W 5 -I 192.0.2.34 192.0.2.34
    is "the host reaches its other link" ping -q -c 1 -W 5 -I 2001:db8:11::2 2001:db8:10::2
    answered_through "up1 with local behind" 192.0.2.34 far1
    answered_through "the VRF's port with local behind" 192.0.2.130 farv
    for family in -4 -6; do
        ip "$family" rule add pref 0 table local
        ip "$family" rule del pref 32765
    done
    full_tunnel_over_netevd 999
    ip link del port2
    ip link del blue
    ip rule del pref 1000
    ip -6 rule del pref 1000
    full_tunnel_over_netevd ""
    full_tunnel_before_netevd
}

# all_through_up1
all_through_up1() {
    [ "$(hits 192.0.2.34 far1) $(hits 2001:db8:11::2 far1)" = "3 3" ]
}

# tunnel_configuration: a peer that takes everything, and never answers.
tunnel_configuration() {
    mkdir -p /etc/wireguard
    cat >/etc/wireguard/full.conf <<W
[Interface]
PrivateKey = $(wg genkey)
Address = 10.64.0.2/32, fd64::2/128
[Peer]
PublicKey = $(wg genkey | wg pubkey)
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = 198.51.100.9:51820
W
    chmod 600 /etc/wireguard/full.conf
}

# full_tunnel_over_netevd [PRIORITY]: its rule, for which the kernel chooses the priority, is in front of netevd's
# and takes everything: that is said, and passes with it.
full_tunnel_over_netevd() {
    tunnel_configuration
    is "wg-quick up" wg-quick up full
    chosen=$(ip -j rule | jq -r '.[] | select(.table == "51820") | .priority')
    [ -z "$1" ] || same "the kernel's choice beside a VRF" "$1" "$chosen"
    is "it is in front of netevd's rules" [ "$chosen" -lt 32002 ]
    same "and takes the answers of up1's address" 0 "$(hits 192.0.2.34 far1)"
    taken() { problems | grep "rule $chosen .*lookup 51820.*ip rule del"; }
    await "the tunnel's rule at $chosen is named" taken
    taken_v6() { problems | grep "up1 ipv6: rule .*lookup 51820"; }
    await "and that of IPv6" taken_v6
    same "status does not say ok" false "$(netevd status --format json | jq '.status == "ok"')"
    is "why names it" eval "netevd why 198.51.100.9 from 192.0.2.34 | grep -w 51820"
    is "wg-quick down" wg-quick down full
    await "the tunnel is gone: no problem" no_problem
    await "up1's addresses are answered through up1" all_through_up1
}

# full_tunnel_before_netevd: netevd's rules come in front of it.
full_tunnel_before_netevd() {
    is "the service stops" systemctl stop netevd
    is "flush" netevd flush
    tunnel_configuration
    is "wg-quick up before netevd" wg-quick up full
    same "without netevd it takes the answers" 0 "$(hits 192.0.2.34 far1)"
    is "the service starts" systemctl start netevd
    await "with netevd up1's addresses are answered through up1" all_through_up1
    await "a tunnel behind netevd's rules is no problem" no_problem
    is "wg-quick down" wg-quick down full
    await "up1's addresses are answered through up1 without the tunnel" all_through_up1
}
