#!/usr/bin/env bash
# Ten minutes of fuzzing: the URL, names, the scanner of SQL, the journal of drizzle-kit. Runs with
# SCHEMAGATE_TEST_ALL=1 only; SCHEMAGATE_FUZZ_SECONDS is another span for each target. A finding is left below the target
# folder. Takes a C++ compiler; the compiler of Rust need not be a nightly one, because no sanitizer is used: the code has
# no `unsafe`, so that a panic, a hang and memory without bound are what there is to find.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/lib/install.sh
. scripts/lib/install.sh
# shellcheck source=scripts/lib/checks.sh
. scripts/lib/checks.sh

targets=(url names script journal)
# Two at a time: ten minutes in all.
seconds=${SCHEMAGATE_FUZZ_SECONDS:-300}

trap 'rm -f "$checks_output"' EXIT

if [ "${SCHEMAGATE_TEST_ALL:-0}" -ne 1 ]; then skip_subject "fuzzing" "takes ten minutes; scripts/test --all runs it"; fi
need_build_tools
if ! command -v c++ >/dev/null; then install_packages g++; fi
if ! cargo fuzz --version >/dev/null 2>&1; then env -u CARGO_TARGET_DIR cargo install --locked cargo-fuzz@0.13.1; fi

folder=$(target_folder)/fuzz
host=$(rustc --print host-tuple)
mkdir -p "$folder"/{corpus,artifacts}

fuzz() { CARGO_TARGET_DIR=$folder cargo fuzz "$1" --sanitizer none --target "$host" "${@:2}"; }

# fuzzed TARGET: libFuzzer ends with another code than 0 at a panic, at an input that takes 10 s, and past 1 GiB.
fuzzed() {
    local corpus=$folder/corpus/$1
    mkdir -p "$corpus"
    fuzz run "$1" "$corpus" -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$folder/artifacts/$1-" >"$folder/$1.log" 2>&1 || { tail -n 40 "$folder/$1.log"; return 1; }
    say "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$1.log") inputs" >>"$folder/counts"
}

build() { fuzz build; }

: >"$folder/counts"
check "the fuzz targets build" build
for ((at = 0; at < ${#targets[@]}; at += 2)); do
    running=()
    for target in "${targets[@]:at:2}"; do
        fuzzed "$target" >"$folder/$target.told" 2>&1 &
        running+=("$target=$!")
    done
    for one in "${running[@]}"; do
        check "$seconds s of ${one%=*}" wait "${one#*=}" || true
        cat "$folder/${one%=*}.told"
    done
done
cat "$folder/counts"
conclude_checks
