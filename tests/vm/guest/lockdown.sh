# shellcheck shell=sh
# Sourced: what the kernel says of the two sides' confinement.

# process UNIT: its main process.
process() {
    systemctl show --value --property MainPID "$1"
}

# field PID NAME: of /proc/PID/status.
field() {
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

# confined: each field as it has to be.
confined() {
    worker=$(process netevd) helper=$(process netevd-priv)
    none=0000000000000000 net_admin=0000000000001000
    for set in CapInh CapPrm CapEff CapBnd CapAmb; do
        same "the worker's $set is empty" "$none" "$(field "$worker" "$set")"
    done
    for set in CapPrm CapEff CapBnd; do
        same "the helper's $set is CAP_NET_ADMIN" "$net_admin" "$(field "$helper" "$set")"
    done
    for set in CapInh CapAmb; do
        same "the helper's $set is empty" "$none" "$(field "$helper" "$set")"
    done
    # By the kernel's number: neither is dumpable, so their files in /proc are root's.
    same "the worker's user" "$(id -u netevd)" "$(field "$worker" Uid | cut -f 1)"
    same "the helper's user" "$(id -u netevd-priv)" "$(field "$helper" Uid | cut -f 1)"
    for pid in "$worker" "$helper"; do
        name=$(field "$pid" Name)
        same "$name: no_new_privs" 1 "$(field "$pid" NoNewPrivs)"
        # SECCOMP_MODE_FILTER
        same "$name: seccomp mode" 2 "$(field "$pid" Seccomp)"
    done
    same "the helper has six descriptors at most" 6 \
        "$(awk '/^Max open files/ { print $4 }' "/proc/$helper/limits")"
    landlock
}

# landlock: in force, or the helper has said that this kernel has none.
landlock() {
    said="journalctl -b --no-pager -u netevd-priv --grep=no.Landlock"
    if grep -qw landlock /sys/kernel/security/lsm; then
        is "this kernel has Landlock, and the helper does not say otherwise" eval "! $said"
    else
        is "this kernel has no Landlock, and the helper says so" eval "$said"
    fi
}

# killed NAME: records of calls that a filter refused to a program of that name, AUDIT_SECCOMP (1326).
killed() {
    {
        journalctl -b --no-pager -o cat -k
        journalctl -b --no-pager -o cat _TRANSPORT=audit
        dmesg
    } | grep -E '(type=1326|^SECCOMP).*comm="'"$1" | tail -n 3
}
