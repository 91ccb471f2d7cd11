#!/bin/sh
# Builds the fuzz targets and runs each for FUZZ_SECONDS; `make fuzz`. TARGETS names some of them.
# FUZZ_SEED begins all of them the same way each time.
# Fails on a crash, a leak, an input that takes ten seconds, or 512 MB of memory.
set -eu
cd "$(dirname "$0")"
seconds=${FUZZ_SECONDS:-20}
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
failed=
printf '%-16s %12s %8s %10s %8s\n' target executions per_s coverage corpus >"$out/table"
for target in $targets; do
	mkdir -p "$out/corpus/$target" "$out/found/$target"
	echo "== $target"
	dictionary= longest=4096
	# A session is slow, and what goes wrong goes wrong early.
	[ "$target" != session ] || longest=300
	[ ! -f "dictionaries/$target" ] || dictionary=-dict=dictionaries/$target
	# What is new goes to the first directory, below target/; the corpus of the tree is only read.
	"$out/$host/release/$target" "$out/corpus/$target" "corpus/$target" $dictionary \
		${FUZZ_SEED:+-seed=$FUZZ_SEED} -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 \
		-max_len="$longest" -print_final_stats=1 \
		-artifact_prefix="$out/found/$target/" >"$out/$target.log" 2>&1 || {
		failed="$failed $target"
		tail -n 60 "$out/$target.log" >&2
	}
	awk -v target="$target" '
		/ cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "corp:") corp = $(i + 1) } }
		/stat::number_of_executed_units/ { runs = $2 }
		/stat::average_exec_per_sec/ { speed = $2 }
		END { printf "%-16s %12d %8d %10d %8s\n", target, runs, speed, cov, corp }' "$out/$target.log" >>"$out/table"
done
cat "$out/table"
if [ -n "$failed" ]; then
	echo "make fuzz: failed:$failed. The inputs are in target/fuzz/found; CONTRIBUTING.md says how to go on." >&2
	exit 1
fi
