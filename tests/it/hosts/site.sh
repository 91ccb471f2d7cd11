# What the hosts of these tests share: eth0 (index 6, 192.0.2.2, default) and eth1 (index 7), each with a provider of
# its own (namespaces r0, r1), and somebody far away (namespace far: 203.0.113.9, 2001:db8:9::9). A provider drops
# what does not come from its own addresses.

# Runs a shell command in a namespace.
n() { ns=$1; shift; nsenter --net=/run/netns/$ns sh -ec "$*"; }

# A namespace without duplicate address detection.
space() {
    ip netns add $1
    n $1 'sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 net.ipv4.ip_forward=1 \
        net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_ra=0 net.ipv4.conf.all.send_redirects=0 \
        net.ipv4.conf.default.send_redirects=0 net.ipv6.conf.all.accept_redirects=0; ip link set lo up'
}

# provider NUMBER IPV4-NET IPV6-NET: the router of ethNUMBER's LAN (bridge `lan`).
provider() {
    ip link add eth$1 index $((6 + $1)) type veth peer name p0 netns r$1
    ip link add wan netns r$1 type veth peer name u$1 netns far
    n r$1 "ip -batch - <<X
link add lan type bridge
link set p0 master lan
link set p0 up
addr add $2.1/24 dev lan
addr add $3::1/64 dev lan
addr add fe80::$4/64 dev lan
link set lan up
addr add 10.255.$1.1/24 dev wan
addr add fd00:255:$1::1/64 dev wan
link set wan up
route add default via 10.255.$1.9
route add default via fd00:255:$1::9
X
    ip -6 rule add pref 10 iif lan from $3::/64 lookup main
    ip -6 rule add pref 11 iif lan blackhole
    sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.lan.rp_filter=1"
    n far "ip -batch - <<X
addr add 10.255.$1.9/24 dev u$1
addr add fd00:255:$1::9/64 dev u$1
link set u$1 up
route add $2.0/24 via 10.255.$1.1
route add $3::/64 via fd00:255:$1::1
X"
    sysctl -qw net.ipv6.conf.eth$1.accept_ra=0 net.ipv6.conf.eth$1.accept_redirects=0
    ip link set eth$1 up
}

site() {
    sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.dad_transmits=0 \
        net.ipv6.conf.all.accept_dad=0 net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.default.accept_redirects=0
    for ns in r0 r1 far; do space $ns; done
    n far 'ip addr add 203.0.113.9/32 dev lo; ip addr add 2001:db8:9::9/128 dev lo'
    provider 0 192.0.2 2001:db8:a a1
    provider 1 198.51.100 2001:db8:b b1
    ip -batch - <<X
addr add 192.0.2.2/24 dev eth0
route add default via 192.0.2.1 dev eth0 metric 100
addr add 2001:db8:a::2/64 dev eth0
route add default via fe80::a1 dev eth0 metric 100
X
}

# eth1 as most hosts have it, without and with IPv6.
eth1() { ip addr add 198.51.100.2/24 dev eth1; ip route add default via 198.51.100.1 dev eth1 metric 200; }
eth1_v6() { ip addr add 2001:db8:b::2/64 dev eth1; ip -6 route add default via fe80::b1 dev eth1 metric 200; }

# neighbour NAME ROUTER: a namespace on the router's LAN, through its interface `nb`.
neighbour() {
    space $1
    ip link add nb netns $1 type veth peer name q$1 netns $2
    n $2 "ip link set q$1 master lan; ip link set q$1 up"
    n $1 'ip link set nb up'
}

# docker0 (172.17.0.1, fd17::1) with the container `box` (172.17.0.2, fd17::2).
docker() {
    space box
    ip -batch - <<X
link add docker0 type bridge
addr add 172.17.0.1/16 dev docker0
addr add fd17::1/64 dev docker0
link set docker0 up
link add veth0 type veth peer name eth0 netns box
link set veth0 master docker0
link set veth0 up
X
    n box 'ip addr add 172.17.0.2/16 dev eth0; ip addr add fd17::2/64 dev eth0; ip link set eth0 up
        ip route add default via 172.17.0.1; ip -6 route add default via fd17::1'
}

# tunnel NAME ADDRESS: a point-to-point link.
tunnel() {
    [ -e /dev/net/tun ] || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }
    ip tuntap add $1 mode tun
    ip link set $1 up
    ip addr add $2 dev $1
}
