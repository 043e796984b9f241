#!/usr/bin/env bash
# The image that the Dockerfile makes: what is in it, and its work as platforms run it.
# Runs with SCHEMAGATE_TEST_ALL=1 only, because the program is built once more inside; takes root, installs podman. The
# base image is a stand-in around this machine's own toolchain, so that nothing is downloaded and no dependency built
# twice. Images and containers live in a folder of their own, which is removed.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/lib/install.sh
. scripts/lib/install.sh
# shellcheck source=scripts/lib/server.sh
. scripts/lib/server.sh
# shellcheck source=scripts/lib/checks.sh
. scripts/lib/checks.sh
# shellcheck source=scripts/lib/static.sh
. scripts/lib/static.sh

size_limit=$((12 * 1024 * 1024))
image=localhost/schemagate-test

# Storage apart from the user's own images; as_stored COMMAND... is podman on it.
as_stored() { podman --root "$folder/storage" --runroot "$folder/run" "$@"; }

folder=
finish() {
    if [ -n "$folder" ]; then
        stop_server "$folder/server" || true
        as_stored rm --all --force --time 0 >/dev/null 2>&1 || true
        as_stored rmi --all --force >/dev/null 2>&1 || true
        umount "$folder/storage/overlay" 2>/dev/null || true
        rm -rf "$folder"
    fi
    rm -f "$checks_output"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# skip REASON: ends the script well, and says that it did nothing.
skip() {
    skip_check "the container image" "$1"
    exit 0
}

need_podman() {
    if command -v podman >/dev/null; then return; fi
    install_packages podman runc conmon netavark aardvark-dns containernetworking-plugins \
        golang-github-containers-common catatonit uidmap
}

# What a machine may lack: systemd, and the right to raise limits.
configure_podman() {
    {
        say '[containers]'
        say 'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]'
        say '[engine]'
        if command -v runc >/dev/null; then say 'runtime = "runc"'; fi
        say 'cgroup_manager = "cgroupfs"'
        say 'events_logger = "file"'
    } >"$folder/containers.conf"
    export CONTAINERS_CONF=$folder/containers.conf
    as_stored info >/dev/null
}

cargo_home=${CARGO_HOME:-$HOME/.cargo}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}

# An image under the name of the Dockerfile's base, empty but for what the mounts of build_image do not bring.
import_base() {
    local base=$folder/base link name
    name=$(sed -n 's/^FROM \(.*\) AS build$/\1/p' Dockerfile)
    mkdir -p "$base"/{usr,etc/ssl/certs,etc/alternatives,tmp,var/tmp,root,run,proc,sys,dev,src}
    chmod 1777 "$base/tmp" "$base/var/tmp"
    for link in bin sbin lib lib64; do ln -s "usr/$link" "$base/$link"; done
    say 'root:x:0:0:root:/root:/bin/sh' >"$base/etc/passwd"
    say 'root:x:0:' >"$base/etc/group"
    cp /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/"
    tar -C "$base" --numeric-owner -cf - . | as_stored import --quiet \
        --change "ENV PATH=$cargo_home/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        --change "ENV CARGO_HOME=$cargo_home" --change "ENV RUSTUP_HOME=$rustup_home" - "$name"
}

build_image() {
    local mounts=(-v /usr:/usr:O -v /etc/alternatives:/etc/alternatives:ro -v "$(static_folder):/src/target:rw") path
    for path in "$cargo_home" "$rustup_home"; do
        if [ -d "$path" ]; then mounts+=(-v "$path:$path:O"); fi
    done
    as_stored build --pull=never --network=host "${mounts[@]}" -t "$image" .
}

# derive NAME: an image with a project's own migrations, as README.md has it, from the folder $folder/NAME.
derive() {
    cat >"$folder/$1/Dockerfile" <<DOCKERFILE
FROM $image
COPY migrations/ /migrations/
ENV SCHEMAGATE_MIGRATIONS=/migrations
DOCKERFILE
    as_stored build --pull=never -t "localhost/$1" "$folder/$1"
}

# An image of an application, into which the binary is copied.
application() {
    mkdir -p "$folder/application"
    cat >"$folder/application/Dockerfile" <<DOCKERFILE
FROM $(sed -n 's/^FROM \(.*\) AS build$/\1/p' Dockerfile)
COPY --from=$image /schemagate /usr/local/bin/schemagate
DOCKERFILE
    as_stored build --pull=never -t localhost/application "$folder/application"
}

# in_container OPTIONS... IMAGE ARGUMENTS...: as little as a platform may give it.
in_container() {
    as_stored run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --network host \
        --env DATABASE_URL="$url" "$@"
}

holds_two_files() {
    local mounted
    mounted=$(as_stored image mount "$image")
    diff <(printf '%s\n' ./etc/ssl/certs/ca-certificates.crt ./schemagate) \
        <(cd "$mounted" && find . ! -type d | sort) || return
    [ -z "$(find "$mounted" -perm /6000)" ]
}

has_number_as_user() {
    local user
    user=$(as_stored image inspect --format '{{.Config.User}}' "$image")
    say "$user"
    [[ $user =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]]
}

# As PID 1 a signal without a handler is ignored: SIGTERM has to be handled for this to end in time.
stops_in_time() {
    local id code start=$SECONDS
    id=$(as_stored run --detach --network host --env DATABASE_URL="$url" --env SCHEMAGATE_HISTORY_TABLE=slow_history \
        localhost/slow)
    for _ in $(seq 100); do
        if as_stored logs "$id" 2>&1 | grep -q 'recovery point before'; then break; fi
        sleep 0.1
    done
    as_stored stop --time 20 "$id" >/dev/null
    code=$(as_stored wait "$id")
    as_stored logs "$id"
    say "exit code $code after $((SECONDS - start)) s"
    [ "$code" -eq 143 ] && [ $((SECONDS - start)) -lt 15 ]
}

says_why() {
    : >"$folder/termination-log"
    chmod 666 "$folder/termination-log"
    ends 69 "Connection refused" in_container --env DATABASE_URL=postgresql://postgres@127.0.0.1:1/postgres \
        --env SCHEMAGATE_CONNECT_DEADLINE=0 --volume "$folder/termination-log:/dev/termination-log" "$image" || return
    grep 'Connection refused' "$folder/termination-log"
}

if [ "${SCHEMAGATE_TEST_ALL:-0}" -ne 1 ]; then skip "takes minutes; scripts/test --all runs it"; fi
if [ "$(id -u)" -ne 0 ]; then skip "this user is not root"; fi
need_podman
need_build_tools
need_postgres
folder=$(mktemp -d /tmp/image.XXXXXX)
chmod 755 "$folder"
mkdir -p "$folder/server" "$folder"/{project,slow}/migrations
configure_podman
build_static
start_server "$folder/server"
url=postgresql://postgres@127.0.0.1:$server_port/postgres
say 'CREATE TABLE orders (id bigint PRIMARY KEY);' >"$folder/project/migrations/V1__orders.sql"
say 'SELECT pg_sleep(60);' >"$folder/slow/migrations/V1__slow.sql"

check "the stand-in for the base image" import_base
check "the Dockerfile builds" build_image
check "at most 12 MiB" at_most "$size_limit" "$(as_stored image inspect --format '{{.Size}}' "$image")" bytes
check "the binary and the CA bundle, nothing else, nothing setuid" holds_two_files
check "a number as user" has_number_as_user
check "an empty database" ends 0 '"outcome":"applied"' in_container "$image"
check "nothing to do" ends 0 '"outcome":"up_to_date"' in_container "$image" up
check "status" ends 0 "0 pending" in_container "$image" status --check
check "a stray word of a shell" ends 2 "no shell is involved" in_container "$image" up '&&' node server.js
check "a failure is in the termination log" says_why
check "an image with a folder of migrations" derive project
check "a run of that image" ends 0 "V1__orders.sql" in_container --env SCHEMAGATE_HISTORY_TABLE=orders_history localhost/project
check "an image with a slow migration" derive slow
check "SIGTERM ends it in time" stops_in_time
check "an application's image with the binary" application
check "the pre-deploy command of that image" ends 0 "0 pending" in_container localhost/application schemagate status --check
conclude_checks
