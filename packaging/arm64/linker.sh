#!/bin/sh
# linker.sh ARGUMENT...
#
# Links programs for aarch64. For this target the compiler knows no static-pie: it asks for a static
# program at a fixed address (rustc_target, static_position_independent_executables is off but for x86_64).
# Its code and its standard library are position-independent all the same, so gcc is asked for static-pie
# in that place: the kernel then puts helper and worker at another address at each start, as on x86_64.
set -eu
static=
for argument; do
    shift
    case $argument in
    -static) static=1 ;;
    -no-pie) ;;
    *) set -- "$@" "$argument" ;;
    esac
done
[ -z "$static" ] || set -- -static-pie "$@"
exec aarch64-linux-gnu-gcc "$@"
