# Checks of a subject: runs one after the other, says how each ended, counts. For the scripts named test-*.sh.
# Takes install.sh. Never stops at the first failure.
# shellcheck shell=bash

checks_passed=0 checks_failed=0
checks_output=$(mktemp)

# check NAME COMMAND...: passes if the command does; its output is shown only if it does not.
check() {
    local name=$1 start=$SECONDS time=
    shift
    if "$@" >"$checks_output" 2>&1; then
        if [ $((SECONDS - start)) -ge 5 ]; then time=" ($((SECONDS - start)) s)"; fi
        say "ok      $name$time"
        checks_passed=$((checks_passed + 1))
    else
        say "FAILED  $name"
        sed 's/^/        /' "$checks_output"
        checks_failed=$((checks_failed + 1))
    fi
}

# ends CODE TEXT COMMAND...: the command ends with this code and says this text.
ends() {
    local expected=$1 text=$2 code=0 output
    shift 2
    output=$("$@" 2>&1) || code=$?
    printf '%s\n' "$output"
    if [ "$code" -ne "$expected" ]; then
        say "exit code $code, expected $expected"
        return 1
    fi
    if ! grep -qF -- "$text" <<<"$output"; then
        say "nowhere in the output: $text"
        return 1
    fi
}

# at_most LIMIT NUMBER UNIT
at_most() {
    say "$2 $3, the limit is $1"
    [ "$2" -le "$1" ]
}

# skip_check NAME REASON: told at the end of scripts/test, as a skipped test of the Rust harness is.
skip_check() {
    say "skipped: $1: $2"
    if [ -n "${SCHEMAGATE_TEST_SKIPPED:-}" ]; then say "skipped: $1: $2" >>"$SCHEMAGATE_TEST_SKIPPED"; fi
}

# skip_subject NAME REASON: ends a script whose whole subject is passed over.
skip_subject() {
    skip_check "$@"
    rm -f "$checks_output"
    say "0 passed, 0 failed, 1 skipped"
    exit 0
}

# conclude_checks: the closing line; fails if a check did.
conclude_checks() {
    rm -f "$checks_output"
    say "$checks_passed passed, $checks_failed failed"
    [ "$checks_failed" -eq 0 ]
}
