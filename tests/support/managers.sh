#!/bin/sh
# managers.sh up FEATURE... | start NAME... | stop NAME... | restart NAME... | range LINK FIRST LAST
#
# The real network services of the distribution in a machine of host.sh, without systemd as
# process 1: dbus-daemon with the policies that the packages install, and what is asked for of
#
#   networkd resolved hostnamed polkit nm dhclient
#
# Each has uplinks of its own, whose other ends (NAMEp) are in the namespace isp, where dnsmasq
# hands out addresses and answers for names:
#
#   networkd  up0  192.0.2.2/24, static, by 192.0.2.1
#             up1  DHCP 198.51.100.100-150 and router advertisements of 2001:db8:1::/64
#   dhclient  up2  DHCP 203.0.113.100-150
#   nm        nm0  DHCP 198.18.0.100-150
#             nm1  198.18.1.2/24, static, by 198.18.1.1, never the default
#
# networkd and NetworkManager wait for udev's word on each link, except in a container, which
# they recognise by a read-only /sys. So this machine's /sys is read-only.
#
# A bus that is restarted is a new one: of these services none comes back to it without being
# restarted as well.
#
# NAME.pid is in /run/managers, NAME.log in /out/managers. A service that ends by itself stays
# away, but for hostnamed, which leaves after 30 idle seconds and would be started by the bus.
set -eu
run=/run/managers
log=/out/managers

bus_name() {
    case $1 in
        networkd) echo org.freedesktop.network1 ;;
        resolved) echo org.freedesktop.resolve1 ;;
        hostnamed) echo org.freedesktop.hostname1 ;;
        polkit) echo org.freedesktop.PolicyKit1 ;;
        nm) echo org.freedesktop.NetworkManager ;;
    esac
}

# await WHAT COMMAND...: until the command succeeds, at most a minute.
await() {
    what=$1
    shift
    end=$(($(date +%s) + 60))
    while ! "$@" >/dev/null 2>&1; do
        if [ "$(date +%s)" -gt "$end" ]; then
            echo "managers.sh: not seen: $what" >&2
            exit 1
        fi
        sleep 0.02
    done
}

has_owner() {
    busctl --no-pager call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus GetNameOwner s "$1"
}

has_no_owner() {
    ! has_owner "$1"
}

# Process 1 may take its time to bury it.
is_gone() {
    ! grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status" 2>/dev/null
}

# Each is the leader of a session of its own, so that one kill ends it with its children.
launch() {
    name=$1
    shift
    setsid "$@" >>"$log/$name.log" 2>&1 </dev/null &
    echo $! >"$run/$name.pid"
}

start() {
    case $1 in
        dbus)
            rm -f /run/dbus/system_bus_socket
            launch dbus dbus-daemon --config-file="$run/bus.conf" --nofork --nopidfile --nosyslog
            await "the bus" [ -S /run/dbus/system_bus_socket ]
            ;;
        dnsmasq)
            launch dnsmasq nsenter --net=/run/netns/isp dnsmasq --keep-in-foreground --log-facility=- \
                --conf-file="$run/dnsmasq.conf" --pid-file=
            ;;
        networkd) launch networkd /usr/lib/systemd/systemd-networkd ;;
        resolved) launch resolved /usr/lib/systemd/systemd-resolved ;;
        hostnamed)
            launch hostnamed sh -c 'while :; do /usr/lib/systemd/systemd-hostnamed || sleep 0.2; done'
            ;;
        polkit)
            polkitd=/usr/lib/polkit-1/polkitd
            [ -x "$polkitd" ] || polkitd=/usr/libexec/polkitd
            launch polkit "$polkitd" --no-debug
            ;;
        nm) launch nm NetworkManager --debug --log-level=INFO ;;
        dhclient)
            launch dhclient dhclient -4 -d -v -lf /var/lib/dhcp/dhclient.up2.leases \
                -pf /run/dhclient.up2.pid up2
            ;;
        *)
            echo "managers.sh: no service of the name $1" >&2
            exit 2
            ;;
    esac
}

# Until the service answers by its name, where it has one.
ready() {
    owned=$(bus_name "$1")
    [ -z "$owned" ] || await "$owned on the bus" has_owner "$owned"
}

stop() {
    [ -e "$run/$1.pid" ] || return 0
    pid=$(cat "$run/$1.pid")
    kill -TERM "-$pid" 2>/dev/null || true
    await "the end of $1 ($pid)" is_gone "$pid"
    # The bus hears of it a moment later, and would refuse the name to a successor.
    owned=$(bus_name "$1")
    [ -z "$owned" ] || await "the bus without $owned" has_no_owner "$owned"
    rm -f "$run/$1.pid"
}

# link NAME ADDRESS: an uplink, down on this side, and its other end, up, with the address.
link() {
    ip link add name "$1" type veth peer name "${1}p" netns isp
    peer ip addr add "$2" dev "${1}p"
    peer ip link set "${1}p" up
}

peer() {
    nsenter --net=/run/netns/isp "$@"
}

# range LINK FIRST LAST: what dnsmasq hands out on a link.
range() {
    cat >"$run/dnsmasq.d/$1" <<X
dhcp-range=set:$1,$2,$3,255.255.255.0,2m
dhcp-option=tag:$1,option:domain-name,$1.example
X
}

up_bus() {
    mkdir -p "$run" "$log" /run/dbus /run/systemd /etc/dbus-1/system.d /etc/systemd
    chmod 755 "$run" "$log"
    # Programs that were built long ago look for the bus in /var/run.
    ln -sfn /run /var/run
    mount -o remount,ro /sys
    tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
    # The distribution's own file without activation: no test is to be helped, or disturbed, by a
    # service that it did not ask for.
    sed -e 's/<fork\/>//' -e 's/<standard_system_servicedirs\/>//' \
        -e 's/<includedir>system.d</<includedir>\/usr\/share\/dbus-1\/system.d</' \
        /usr/share/dbus-1/system.conf >"$run/bus.conf"
    start dbus
}

up_isp() {
    mkdir -p "$run/dnsmasq.d"
    # The shortest lease of dnsmasq is two minutes; T1 and T2 make clients renew sooner.
    cat >"$run/dnsmasq.times" <<X
dhcp-option=option:T1,8
dhcp-option=option:T2,14
X
    cat >"$run/dnsmasq.conf" <<X
port=53
bind-dynamic
no-resolv
no-hosts
no-ping
log-dhcp
user=root
leasefile-ro
dhcp-authoritative
address=/test.example/203.0.113.80
conf-file=$run/dnsmasq.times
conf-dir=$run/dnsmasq.d
X
}

up_networkd() {
    link up0 192.0.2.1/24
    link up1 198.51.100.1/24
    # It needs a link-local address to advertise from.
    peer ip link set up1p addrgenmode eui64
    peer ip addr add fe80::1/64 dev up1p nodad
    peer ip addr add 2001:db8:1::1/64 dev up1p nodad
    range up1 198.51.100.100 198.51.100.150
    cat >>"$run/dnsmasq.d/up1" <<X
enable-ra
ra-param=up1p,10,60
dhcp-range=2001:db8:1::,ra-only,64,2m
dhcp-option=option6:dns-server,[2001:db8:1::1]
X
    mkdir -p /etc/systemd/network
    cat >/etc/systemd/network/10-up0.network <<X
[Match]
Name=up0
[Network]
Address=192.0.2.2/24
Gateway=192.0.2.1
DNS=192.0.2.1
Domains=up0.example
LinkLocalAddressing=no
IPv6AcceptRA=no
X
    # Without duplicate address detection the link is configured at once.
    cat >/etc/systemd/network/10-up1.network <<X
[Match]
Name=up1
[Network]
DHCP=ipv4
IPv6AcceptRA=yes
IPv6DuplicateAddressDetection=0
[DHCPv4]
UseHostname=no
UseDomains=yes
RouteMetric=200
X
}

up_resolved() {
    mkdir -p /run/systemd/resolve
    chown systemd-resolve: /run/systemd/resolve
    ln -sfn ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
}

up_hostnamed() { :; }

up_polkit() {
    mkdir -p /etc/polkit-1/rules.d /var/lib/polkit-1
    chown polkitd: /etc/polkit-1/rules.d /var/lib/polkit-1
}

up_nm() {
    link nm0 198.18.0.1/24
    link nm1 198.18.1.1/24
    range nm0 198.18.0.100 198.18.0.150
    mkdir -p /etc/NetworkManager/system-connections /var/lib/NetworkManager
    cat >/etc/NetworkManager/NetworkManager.conf <<X
[main]
plugins=keyfile
dhcp=internal
no-auto-default=*
rc-manager=unmanaged
auth-polkit=false
[keyfile]
unmanaged-devices=except:interface-name:nm*
[device-nm]
match-device=interface-name:nm*
managed=1
[connectivity]
enabled=false
X
    cat >/etc/NetworkManager/system-connections/nm0.nmconnection <<X
[connection]
id=nm0
type=ethernet
interface-name=nm0
[ipv4]
method=auto
[ipv6]
method=ignore
X
    cat >/etc/NetworkManager/system-connections/nm1.nmconnection <<X
[connection]
id=nm1
type=ethernet
interface-name=nm1
[ipv4]
method=manual
address1=198.18.1.2/24,198.18.1.1
dns=198.18.1.1;
dns-search=nm1.example;
never-default=true
[ipv6]
method=ignore
X
    chmod 600 /etc/NetworkManager/system-connections/*
}

up_dhclient() {
    link up2 203.0.113.1/24
    range up2 203.0.113.100 203.0.113.150
    ip link set up2 up
    mkdir -p /var/lib/dhcp /etc/dhcp/dhclient-enter-hooks.d
    echo 'request subnet-mask, routers, domain-name, domain-name-servers, host-name;' \
        >/etc/dhcp/dhclient.conf
    # resolv.conf is nobody's business here.
    echo 'make_resolv_conf() { :; }' >/etc/dhcp/dhclient-enter-hooks.d/resolv
}

action=$1
shift
case $action in
    up)
        up_bus
        up_isp
        for feature in "$@"; do "up_$feature"; done
        start dnsmasq
        for feature in "$@"; do start "$feature"; done
        for feature in "$@"; do ready "$feature"; done
        ;;
    start)
        for name in "$@"; do start "$name" && ready "$name"; done
        ;;
    stop)
        for name in "$@"; do stop "$name"; done
        ;;
    restart)
        for name in "$@"; do stop "$name" && start "$name" && ready "$name"; done
        ;;
    range)
        range "$@"
        stop dnsmasq
        start dnsmasq
        ;;
    *)
        echo "managers.sh: $action is not among up, start, stop, restart, range" >&2
        exit 2
        ;;
esac
