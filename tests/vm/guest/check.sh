# shellcheck shell=sh
# Sourced: what a check is. Each prints a line with the seconds since the boot, and a failed one its reason;
# all go on, and the end counts.
failed=0

# say WORD TEXT
say() {
    read -r up rest </proc/uptime
    printf '[%6s] %-6s %s\n' "$up" "$1" "$2"
}

# is WHAT COMMAND...: the command succeeds.
is() {
    what=$1
    shift
    if reason=$("$@" 2>&1); then
        say ok "$what"
    else
        say FAILED "$what"
        printf '    %s\n' "$*" "$reason"
        failed=$((failed + 1))
    fi
}

# same WHAT EXPECTED FOUND
same() {
    is "$1" [ "$3" = "$2" ] || true
}

# seconds: since the boot, whole ones.
seconds() {
    cut -d . -f 1 /proc/uptime
}

# await WHAT COMMAND...: it succeeds within a minute, which is long also for an emulated machine.
await() {
    what=$1
    shift
    end=$(($(seconds) + 60))
    until reason=$("$@" 2>&1); do
        if [ "$(seconds)" -gt "$end" ]; then
            say FAILED "$what (within a minute)"
            printf '    %s\n' "$*" "$reason"
            failed=$((failed + 1))
            return
        fi
        sleep 0.2
    done
    say ok "$what"
}

# finish: the exit status; before it what was recorded of killed calls and what the services said, if
# something failed.
finish() {
    if [ "$failed" = 0 ]; then
        say end "all checks passed"
        exit 0
    fi
    killed .
    journalctl --no-pager -o short-monotonic -u netevd -u netevd-priv -u netevd.socket | tail -n 40
    say end "$failed checks failed"
    exit 1
}
