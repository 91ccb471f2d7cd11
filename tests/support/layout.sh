#!/bin/sh
# layout.sh - writes netevd-worker/layout.ld and netevd-priv/layout.ld again: which functions are ever called.
#
# The kernel maps a program's file in windows of 64 KiB, so one function that runs brings fifteen pages
# along, and a worker whose functions lie in the compiler's order has nearly all of its code in memory,
# though a third of it ever runs. The linker script puts that third first. It names functions without
# the compiler's hashes, and object files of the C library; what is not named stands where it always did,
# so a script that is out of date costs memory and nothing else (`make size` tells).
#
# The worker runs under callgrind (valgrind) in the tests named below, in machines of their own. Root.
set -eu
cd "$(dirname "$0")/../.."
[ "$(id -u)" != 0 ] || tests/support/packages.sh valgrind:valgrind python3:python3
few='size_ networkd::changes networkd::values dhclient::changes routing::start routing::changes scripts::values'
few="$few scripts::queues services:: filters::actions metrics::counted api::fields api::errors api::stream"
tests=${*:-$few}
work=$PWD/target/layout
rm -rf "$work"
mkdir -p "$work/bin/profile"
chmod 1777 "$work/bin/profile"
# Profiler and nm need the names that a release has not.
symbols='--config profile.release.strip=false --config profile.release.package.netevd-worker.strip=false'
make --no-print-directory release LAYOUT= MAP="$work" CARGO="${CARGO:-cargo} $symbols"
for program in netevd netevd-worker netevd-priv netevd-test-agent; do
    cp "target/release/$program" "$work/bin/$program"
done
mv "$work/bin/netevd-worker" "$work/bin/profile/netevd-worker"
chmod 755 "$work/bin/profile/netevd-worker"
# Scripts and getent run as they are.
cat >"$work/bin/netevd-worker" <<'Y'
#!/bin/sh
# Numbers of processes mean little: each machine has its own. It dies with its machine, so what it saw is
# written from time to time.
exec /usr/bin/valgrind --tool=callgrind --vgdb=no --demangle=no --log-file=/dev/null --dump-every-bb=300000 \
    --callgrind-out-file=/opt/netevd/profile/$(cat /proc/sys/kernel/random/uuid).out /opt/netevd/profile/netevd-worker "$@"
Y
chmod 755 "$work/bin/netevd-worker"
cargo build --workspace --locked --quiet
# A mount of its own inside what machines see read-only: there the profiles go. A test that is too slow
# under callgrind fails; what ran until then counts.
unshare --mount sh -c "mount --bind '$work/bin/profile' '$work/bin/profile'
    NETEVD_TEST_PATIENCE=40 NETEVD_TEST_BINARIES='$work/bin' cargo test --locked --no-fail-fast --test it -- --include-ignored $tests" >"$work/log" 2>&1 || true
grep '^test result' "$work/log" || true
for program in netevd-worker netevd-priv; do
    tests/support/layout.py "$work" "$program" >"$work/$program.ld"
    mv "$work/$program.ld" "$program/layout.ld"
    # The compiler does not know that the linker reads it.
    touch "$program/src/main.rs"
done
