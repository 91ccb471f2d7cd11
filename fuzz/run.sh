#!/bin/sh
# Builds the fuzz targets and runs each for FUZZ_SECONDS; `make fuzz`. TARGETS names some of them.
# FUZZ_SEED begins all of them the same way each time: from this number and the corpus of the tree alone. Without
# it chance and what earlier runs found begin, and the number that chance drew is printed.
# Fails on a crash, a leak, an input that takes ten seconds, or 512 MB of memory.
set -eu
cd "$(dirname "$0")"
seconds=${FUZZ_SECONDS:-20}
seed=${FUZZ_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
out=$PWD/../target/fuzz
# cargo-fuzz needs options of the compiler that only nightly takes, or a stable one that is told to.
toolchain=+nightly
if ! cargo +nightly --version >/dev/null 2>&1; then
	toolchain=
	export RUSTC_BOOTSTRAP=1
fi
PATH=$PATH:$PWD/../target/cargo-fuzz/bin
command -v cargo-fuzz >/dev/null ||
	cargo install --quiet --locked --root ../target/cargo-fuzz --version 0.13.2 cargo-fuzz
# shellcheck disable=SC2086 # empty is no word
cargo $toolchain fuzz build --target-dir "$out"
# What was freed is kept for a while, to catch uses of it; by default half of the limit.
export ASAN_OPTIONS=quarantine_size_mb=32
# shellcheck disable=SC2086
host=$(rustc $toolchain -vV | sed -n 's/^host: //p')
targets=${TARGETS:-$(sed -n 's|^path = "targets/\(.*\)\.rs"|\1|p' Cargo.toml)}
# What was violated, whole: the panic and where it was, or the sanitizer's or libFuzzer's own error. Then the
# input, so that it outlives this machine.
explain() {
	if grep -Eq 'panicked at|== ?ERROR: ' "$1"; then
		awk '/panicked at|== ?ERROR: / { found = 1 } found' "$1" | head -n 200
	else
		tail -n 60 "$1"
	fi
	sed -n 's/.*Test unit written to //p' "$1" | while read -r input; do
		echo "== $input, from FUZZ_SEED=$seed; to have it again: base64 -d >INPUT, and these lines"
		base64 "$input"
	done
}
# The same in one line.
violation() {
	awk '/panicked at/ { sub(/.*panicked at /, ""); place = $0; getline; print place " " $0; exit }
		/== ?ERROR: / { sub(/.*== ?ERROR: /, ""); print; exit }' "$1" | cut -c 1-300
}
failed=
echo "make fuzz: FUZZ_SEED=$seed"
printf '%-16s %12s %8s %10s %8s\n' target executions per_s coverage corpus >"$out/table"
for target in $targets; do
	new=$out/corpus/$target
	if [ -n "${FUZZ_SEED:-}" ]; then
		new=$out/seeded/$target
		rm -rf "$new"
	fi
	mkdir -p "$new" "$out/found/$target"
	echo "== $target"
	dictionary= longest=4096
	# A session is slow, and what goes wrong goes wrong early.
	[ "$target" != session ] || longest=300
	[ ! -f "dictionaries/$target" ] || dictionary=-dict=dictionaries/$target
	# What is new goes to the first directory, below target/; the corpus of the tree is only read.
	"$out/$host/release/$target" "$new" "corpus/$target" $dictionary \
		-seed="$seed" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 \
		-max_len="$longest" -print_final_stats=1 \
		-artifact_prefix="$out/found/$target/" >"$out/$target.log" 2>&1 || {
		failed="$failed
$target: $(violation "$out/$target.log")"
		explain "$out/$target.log" >&2
	}
	awk -v target="$target" '
		/ cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "corp:") corp = $(i + 1) } }
		/stat::number_of_executed_units/ { runs = $2 }
		/stat::average_exec_per_sec/ { speed = $2 }
		END { printf "%-16s %12d %8d %10d %8s\n", target, runs, speed, cov, corp }' "$out/$target.log" >>"$out/table"
done
cat "$out/table"
if [ -n "$failed" ]; then
	echo "make fuzz: failed, from FUZZ_SEED=$seed:$failed
The inputs are in target/fuzz/found, and above as base64; CONTRIBUTING.md says how to go on." >&2
	exit 1
fi
