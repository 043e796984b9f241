# Checks of deploy/compose/compose.yaml, run by Docker Compose itself: what starts after which exit code.
# Takes containers.sh, checks.sh, stand-ins.sh, image-run.sh (write_migration), image-example.sh (the application's image,
# which Compose does not build anew). Ends the engine that it starts.
#
# The engine is podman behind Docker's API, on the storage of these checks and in namespaces of its own, so that its
# bridges, firewall rules, ports and name server are nobody else's. Not podman-compose: 1.6.0 looks at the end of a run,
# not at its exit code, and starts the application after a failed migration.
# shellcheck shell=bash

project=schemagate-example
engine_pid=
health_pid=

# Podman leaves health checks to systemd, which a machine may lack and which would look for the containers in the
# user's own storage: here check_health runs them. /run/containers has its networks at run time, whatever the storage.
start_engine() {
    local stored
    stored_options
    mkdir -p /run/containers
    DISABLE_HC_SYSTEMD=true unshare --net --mount sh -c \
        'ip link set lo up && mount -t tmpfs tmpfs /run/containers && exec podman "$@"' sh "${stored[@]}" \
        system service --time 0 "unix://$folder/engine.sock" >"$folder/engine.log" 2>&1 &
    engine_pid=$!
    enter=(nsenter --net --mount --target "$engine_pid")
    for _ in $(seq 100); do
        if [ -S "$folder/engine.sock" ]; then return; fi
        sleep 0.1
    done
    cat "$folder/engine.log"
    return 1
}

# as_stored, where the engine is.
in_engine() {
    local stored
    stored_options
    "${enter[@]}" podman "${stored[@]}" "$@"
}

# in_service NAME: the container.
in_service() { in_engine ps --all --quiet --filter "label=com.docker.compose.service=$1"; }

check_health() {
    local id
    while :; do
        for id in $(in_service postgres); do in_engine healthcheck run "$id" || true; done
        sleep 1
    done
}

# What is left of containers and networks goes first: only there can they be taken down.
stop_engine() {
    local pid
    if [ -n "$engine_pid" ]; then in_engine rm --all --force --time 0 >/dev/null 2>&1 || true; fi
    for pid in $health_pid $engine_pid; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    health_pid='' engine_pid='' enter=()
}

# The file as it is, but for its name, which the first generation of Compose takes on the command line only.
adapt_compose() {
    cat >"$folder/failing.yaml" <<YAML
services:
  schemagate:
    environment:
      SCHEMAGATE_MIGRATIONS: /broken
    volumes:
      - $folder/broken/migrations:/broken:ro
YAML
}

# With a password that a URL would have to encode.
compose() {
    POSTGRES_PASSWORD='p@ss w%rd' DOCKER_HOST=unix://$folder/engine.sock \
        docker-compose --project-name "$project" --project-directory deploy/compose --file deploy/compose/compose.yaml "$@"
}

# state_of SERVICE: of its container, with the exit code.
state_of() {
    local id
    for id in $(in_service "$1"); do in_engine inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$id"; done
}

# From nothing: the server sets itself up, the migrations are applied, the application finds them.
up_starts_all() {
    compose up --detach --no-build 2>&1 || return
    diff <(say healthy) <(in_engine inspect --format '{{.State.Health.Status}}' "$(in_service postgres)") || return
    compose logs --tail 20 schemagate
    diff <(say 'exited 0') <(state_of schemagate) || return
    compose logs schemagate | grep -F 'applied' || return
    answers 3000 / 'visit 1' || { compose logs --tail 20 api; return 1; }
}

again_leaves_at_once() {
    compose up --detach --no-build 2>&1 || return
    diff <(say 'exited 0') <(state_of schemagate) || return
    compose logs --tail 5 schemagate | grep -F 'up to date' || return
    answers 3000 / 'visit 2'
}

failure_keeps_it_out() {
    local code=0
    compose --file "$folder/failing.yaml" up --detach --no-build 2>&1 || code=$?
    say "up ended with $code"
    [ "$code" -ne 0 ] || return
    diff <(say 'exited 1') <(state_of schemagate) || return
    # Compose makes the container beforehand, or not at all, depending on its generation.
    diff /dev/null <(state_of api | grep -vx 'created 0')
}

down_cleans() {
    compose down --volumes 2>&1 || return
    diff /dev/null <(in_engine ps --all --quiet --filter "label=com.docker.compose.project=$project") || return
    diff /dev/null <(in_engine volume ls --quiet) || return
    diff /dev/null <(in_engine network ls --quiet | grep -v '^podman$')
}

check_compose() {
    local major
    major=$(postgres_name)
    if ! as_stored image exists "$example"; then
        skip_check "deploy/compose" "the image of the example application is missing"
        return
    fi
    if ! server_programs "${major##*:}" "$(target_folder)/postgres" >/dev/null; then
        skip_check "deploy/compose" "no server programs of PostgreSQL ${major##*:}"
        return
    fi
    if ! command -v docker-compose >/dev/null && ! install_packages docker-compose; then
        skip_check "deploy/compose" "no docker-compose"
        return
    fi
    write_migration broken V1__orders.sql <<<'CREATE TABLE orders (id bigint PRIMARY KEY);'
    write_migration broken V2__broken.sql <<<'UPDATE orders SET total = 1;'
    adapt_compose
    check "the stand-in for the image with PostgreSQL" import_postgres
    # As the generations of Compose would call it if they built it.
    check "the application's image for Compose" as_stored tag "$example" "docker.io/library/${project}_api" \
        "docker.io/library/$project-api"
    check "Docker's API, served by podman" start_engine
    check_health >"$folder/health.log" 2>&1 &
    health_pid=$!
    check "compose.yaml: PostgreSQL, exit 0, then the application starts and answers" up_starts_all
    check "compose.yaml: the next up has nothing to do" again_leaves_at_once
    check "compose.yaml: down leaves nothing" down_cleans
    check "compose.yaml: a failed migration, up fails and the application never starts" failure_keeps_it_out
    check "compose.yaml: down leaves nothing of that either" down_cleans
    stop_engine
}
