#!/bin/sh
# packages.sh PROGRAM:PACKAGE...
#
# Installs the Debian packages of those programs that are missing. Starts no service, and keeps
# /etc/resolv.conf as it is: systemd-resolved's installation replaces it by a link to a resolver
# that does not run yet. Without root it says what is missing and fails.
set -eu

missing=
for item in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${item%%:*}" >/dev/null || missing="$missing ${item#*:}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "packages.sh: missing:$missing" >&2
    echo "packages.sh: install with: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null; then
    echo "packages.sh: no apt-get here; install by other means:$missing" >&2
    exit 1
fi

policy=/usr/sbin/policy-rc.d
mine=
kept=$(mktemp)
was_link=
[ -L /etc/resolv.conf ] && was_link=1
[ -e /etc/resolv.conf ] && cp -L /etc/resolv.conf "$kept"
restore() {
    [ -z "$mine" ] || rm -f "$policy"
    if [ -z "$was_link" ] && [ -L /etc/resolv.conf ]; then
        rm -f /etc/resolv.conf
        cp "$kept" /etc/resolv.conf
        chmod 644 /etc/resolv.conf
    fi
    rm -f "$kept"
}
trap restore EXIT
trap 'exit 1' INT TERM
if [ ! -e "$policy" ]; then
    mine=1
    # 101: action forbidden by policy (invoke-rc.d(8)).
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt="apt-get -q -y -o DPkg::Lock::Timeout=300"
# shellcheck disable=SC2086 # the lists are words
$apt install --no-install-recommends $missing || {
    $apt update
    $apt install --no-install-recommends $missing
}
