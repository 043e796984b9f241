#!/bin/sh
# Ends a test server and removes its folder when those who use it are gone, however they went.
# Takes: pipe ROOT         ends it at the end of standard input (a pipe whose other end the test holds)
#        lock STATE USERS  ends the server named in STATE when nobody holds the shared lock on USERS any more;
#                          standard input is the locked file that says that this watchdog is there
#        now ROOT          ends it at once
# Never signals a process whose working folder is not ROOT/data, never removes a folder that is not a test server's.
set -u
# A terminal's Ctrl-C reaches the tests' processes; this one has work to do afterwards.
trap '' INT HUP TERM

processes() {
    find /proc/[0-9]*/cwd -maxdepth 0 -lname "$1/data" 2>/dev/null | cut -d/ -f3
}

finish() {
    case $1 in
    /*/sg-*) ;;
    *) return ;;
    esac
    rounds=0
    while pids=$(processes "$1") && [ -n "$pids" ]; do
        # Not children of this shell, so there is nothing to wait on: looked at again until they are gone.
        # shellcheck disable=SC2086
        case $rounds in
        0) kill -s QUIT $pids 2>/dev/null ;;
        100) kill -s KILL $pids 2>/dev/null ;;
        esac
        rounds=$((rounds + 1))
        sleep 0.05
    done
    # What a killed test was still copying into the folder may come in the way of its removal for a moment.
    rounds=0
    until rm -rf "$1" || [ "$rounds" -ge 100 ]; do
        rounds=$((rounds + 1))
        sleep 0.05
    done
}

case $1 in
pipe)
    cat >/dev/null
    finish "$2"
    ;;
lock)
    exec 9>>"$3"
    while :; do
        flock -x 9 </dev/null
        flock -u 9
        # Between two tests of one run nobody may hold the lock for a moment; a new start costs more than waiting.
        sleep 2 </dev/null
        if flock -n -x 9 </dev/null; then
            break
        fi
    done
    finish "$(head -n 1 "$2")"
    rm -f "$2"
    # Free to be taken over before the users may go on: they look for a watchdog as soon as they have their lock.
    exec </dev/null
    ;;
now)
    finish "$2"
    ;;
esac
