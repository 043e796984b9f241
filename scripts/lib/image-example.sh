# Checks of the example application, deploy/railway: its own Dockerfile, its pre-deploy command, then the application.
# Takes containers.sh, checks.sh, stand-ins.sh, image-run.sh (sql, on_new_database). Never speaks to Railway.
# shellcheck shell=bash

example=localhost/example

# A port of this machine on which nobody listens, below those that the kernel hands out to clients.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    say "$port"
}

# answers PORT PATH TEXT: by HTTP with 200, in the network that $enter leads to; waits for an application that starts.
enter=()
answers() {
    local said=
    for _ in $(seq 100); do
        if said=$("${enter[@]}" curl -sS -f --noproxy '*' --max-time 5 "http://127.0.0.1:$1$2" 2>&1); then break; fi
        sleep 0.1
    done
    say "$2: $said"
    grep -qF -- "$3" <<<"$said"
}

build_example() { as_stored build --pull=never --network=host -t "$example" deploy/railway; }

runs_as_node() { diff <(say node) <(as_stored image inspect --format '{{.Config.User}}' "$example"); }

# The platform runs the command as words, without a shell, in the image of the application; it takes exit code 0 for yes.
predeploy_applies() {
    diff <(say 'nothing') <(sql example "SELECT coalesce(to_regclass('visits')::text, 'nothing')") || return
    ends 0 '"outcome":"applied"' in_container "$example" schemagate || return
    diff <(say 'visits') <(sql example "SELECT coalesce(to_regclass('visits')::text, 'nothing')")
}

# The image with node has none.
brings_the_bundle() {
    cmp /etc/ssl/certs/ca-certificates.crt <(as_stored run --rm --network none "$example" cat /etc/ssl/certs/ca-certificates.crt)
}

start_example() {
    example_port=$(free_port)
    example_id=$(as_stored run --detach --read-only --cap-drop ALL --security-opt no-new-privileges --network host \
        --env DATABASE_URL="$url" --env PORT="$example_port" "$example") || return
    if answers "$example_port" / 'visit 1' && answers "$example_port" /health ok; then
        diff <(say 1) <(sql example 'SELECT count(*) FROM visits')
        return
    fi
    as_stored logs --tail 20 "$example_id"
    return 1
}

# Before the time after which podman kills.
example_ends_on_sigterm() {
    local start=$SECONDS
    as_stored stop --time 30 "$example_id" || return
    say "$((SECONDS - start)) s"
    as_stored logs --tail 20 "$example_id"
    diff <(say 'exited 0') <(as_stored inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$example_id") || return
    [ $((SECONDS - start)) -lt 20 ]
}

check_example() {
    if ! need_npm; then
        skip_check "the example application" "no npm"
        return
    fi
    check "the stand-in for the image with node" import_node
    check "deploy/railway/Dockerfile builds" build_example
    check "the application does not run as root" runs_as_node
    sql postgres 'CREATE DATABASE example'
    url=postgresql://postgres@127.0.0.1:$server_port/example
    check "its pre-deploy command, in exec form, applies its migrations" predeploy_applies
    check "the next deployment has nothing to do" ends 0 '"outcome":"up_to_date"' in_container "$example" schemagate
    check "a command with words of a shell is refused with the hint" ends 2 "no shell is involved" \
        in_container "$example" schemagate '&&' node server.js
    check "the CA bundle comes with it" brings_the_bundle
    check "then the application starts and answers" start_example
    check "SIGTERM ends it" example_ends_on_sigterm
}
