# Steps of a script: says what runs, times it, remembers what failed, adds up what the test runners counted.
# Takes commands. Never hides a failure behind a later success.
# shellcheck shell=bash

passed=0 failed=0 skipped=0
failed_steps=()
step_times=()
step_log=$(mktemp)

# step NAME COMMAND...: runs the command; the script goes on if it fails, so that one run shows all that is wrong.
step() {
    local name=$1 start=$SECONDS code=0
    shift
    printf '\n== %s\n' "$name"
    "$@" || code=$?
    if [ "$code" -ne 0 ]; then
        failed_steps+=("$name (exit $code)")
        complain "failed: $name (exit $code)"
    fi
    step_times+=("$(printf '%5d s  %s' $((SECONDS - start)) "$name")")
}

# shown COMMAND...: runs the command and says so.
shown() {
    printf '$ %s\n' "$*"
    "$@"
}

# counted COMMAND...: runs a test runner and adds what its closing lines say: nextest's, cargo test's, or plain ones.
counted() {
    local code=0 counts
    # With pipefail the pipeline fails when the runner does.
    shown "$@" 2>&1 | tee "$step_log" || code=$?
    read -r -a counts < <(count_results "$step_log")
    passed=$((passed + counts[0])) failed=$((failed + counts[1])) skipped=$((skipped + counts[2]))
    return "$code"
}

# The closing lines of one run as "PASSED FAILED SKIPPED".
count_results() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        function number(word) { return match($0, "[0-9]+ " word) ? substr($0, RSTART, RLENGTH) + 0 : 0 }
        /^ *Summary \[/ || /^test result: / || /^[0-9]+ passed, [0-9]+ failed/ {
            passed += number("passed")
            failed += number("failed") + number("timed out") + number("exec failed")
            skipped += number("skipped") + number("ignored")
        }
        END { print passed + 0, failed + 0, skipped + 0 }'
}

# conclude: the times, what failed, and the closing line; fails if a step did, a test did, or no test ran.
conclude() {
    printf '\n== summary\n'
    printf '%s\n' "${step_times[@]}"
    local name
    for name in "${failed_steps[@]}"; do printf 'failed: %s\n' "$name"; done
    rm -f "$step_log"
    if [ "$skipped" -gt 0 ]; then
        printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    else
        printf '%d passed, %d failed\n' "$passed" "$failed"
    fi
    [ "${#failed_steps[@]}" -eq 0 ] && [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
