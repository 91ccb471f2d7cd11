#!/bin/sh
# mirrors.sh SUITE
#
# Prints sources of SUITE for mmdebstrap(1): the release, its updates and its security updates, from
# where this host gets its own packages. MIRROR names another place of the release; it then has to have
# all that is needed, for nothing else is asked.
set -eu
suite=${1:?usage: mirrors.sh SUITE}

if [ -n "${MIRROR:-}" ]; then
    echo "deb $MIRROR $suite main"
    exit 0
fi

# Both forms of a list: one line, and the fields of deb822.
places() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p'
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *\([^ ]*\).*/\1/p'
}

release=$(places | sed -n 's|/*$||; /\/debian$/p' | head -n 1)
security=$(places | sed -n 's|/*$||; /\/debian-security$/p' | head -n 1)
[ -n "$release" ] || { echo "mirrors.sh: no Debian mirror in /etc/apt; name one: MIRROR=URL" >&2; exit 1; }
echo "deb $release $suite main"
echo "deb $release $suite-updates main"
[ -z "$security" ] || echo "deb $security $suite-security main"
