#!/bin/sh
# Runs the tests that docs/security-review.md names, but those that boot machines: `make test-hostile`.
# The paper is the list, so a row without a test that passes fails here.
set -eu
cd "$(dirname "$0")/../.."
named=$(grep -o '`[a-z][^` ]*\.rs::[a-z0-9_]*`' docs/security-review.md | tr -d '`' | sort -u)

# run PREFIX CARGO-ARGUMENTS...: those of the files that begin so, which are in one program.
run() {
    prefix=$1
    shift
    names=$(echo "$named" | sed -n "s|^$prefix.*::||p")
    [ -n "$names" ] || return 0
    named=$(echo "$named" | grep -v "^$prefix" || true)
    wanted=$(echo "$names" | wc -l)
    # shellcheck disable=SC2086
    said=$(${CARGO:-cargo} test --locked "$@" -- $names 2>&1) || { echo "$said"; exit 1; }
    passed=$(echo "$said" | sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' | awk '{ sum += $1 } END { print sum + 0 }')
    echo "$said" | grep SKIPPED && [ "${NETEVD_TEST_REQUIRE:-0}" = 1 ] && exit 1
    echo "$prefix: $passed of $wanted named tests passed"
    [ "$passed" -ge "$wanted" ] || { echo "$said"; exit 1; }
}

boot=$(echo "$named" | grep -c '^tests/boot/' || true)
named=$(echo "$named" | grep -v '^tests/boot/')
run protocol/src/ -p netevd-protocol --lib
run netevd-priv/src/ -p netevd-priv --bin netevd-priv
run netevd-priv/tests/kernel/ --workspace --test kernel
run netevd-worker/src/ -p netevd-worker --lib
run src/ -p netevd --bin netevd
run tests/it/ -p netevd --test it
run tests/launcher/ -p netevd --test launcher
run tests/doc_sync/ -p netevd --test doc_sync
run tests/examples.rs -p netevd --test examples
run tests/client.rs -p netevd --test client
[ -z "$named" ] || { echo "hostile.sh: in no program that it knows: $named" >&2; exit 1; }
echo "and $boot by make test-boot"
