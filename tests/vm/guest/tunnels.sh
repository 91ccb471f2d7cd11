# shellcheck shell=sh
# Sourced: WireGuard under each backend: the README's example of a unit starts it, once the link is routable.

# backend NAME: netevd starts again with it.
backend() {
    sed -i "s/backend: [A-Za-z-]*/backend: $1/" /etc/netevd/netevd.yaml
    is "$1: restart" systemctl restart netevd
    await "$1: policy routing is on" on
}

# tunnel_state LINK: in netevd's words.
tunnel_state() {
    netevd list interfaces --format json |
        jq -e --arg l "$1" '.interfaces[] | select(.name == $l and .state == "routable")'
}

tunnels() {
    install -D -m 644 vpn-routes@.service /etc/systemd/system/vpn-routes@.service
    systemctl daemon-reload
    mkdir -p /etc/netevd/vpn-routes
    cat >/etc/netevd/netevd.yaml.d/tunnels.yaml <<'Y'
units:
  - { on: routable, link: "wg*", start: "vpn-routes@%i.service" }
Y
    number=0
    for manager in kernel:- systemd-networkd:systemd-networkd NetworkManager:NetworkManager dhclient:-; do
        name=${manager%%:*} service=${manager#*:} link=wg$number
        [ "$service" = - ] || is "$service starts" systemctl start "$service"
        backend "$name"
        echo "route replace 10.2$number.0.0/16 dev $link" >"/etc/netevd/vpn-routes/$link"
        # As wg-quick does it with Table = off: no subnet, no route, no default.
        ip link add "$link" type wireguard
        ip addr add "10.9.$number.2/32" dev "$link"
        ip link set "$link" up
        await "$name: $link is routable" tunnel_state "$link"
        route() { ip route show "10.2$number.0.0/16" | grep -w "dev $link"; }
        await "$name: the unit has set the route behind $link" route
        same "$name: the kernel cannot say whether $link works" UNKNOWN \
            "$(ip -j link show "$link" | jq -r '.[].operstate')"
        ip link del "$link"
        [ "$service" = - ] || systemctl stop "$service" "$service.socket" 2>/dev/null
        number=$((number + 1))
    done
    # Without carrier detection, with two ends and without a default: up is carrier, an address is configured.
    backend kernel
    ip link add dummy0 type dummy
    ip addr add 10.9.9.1/32 dev dummy0
    ip link set dummy0 up
    dummy() {
        netevd list interfaces --format json |
            jq -e '.interfaces[] | select(.name == "dummy0" and .state == "configured")'
    }
    await "a dummy is configured" dummy
    ip link del dummy0
    rm /etc/netevd/netevd.yaml.d/tunnels.yaml
    is "reload" systemctl reload netevd
}
