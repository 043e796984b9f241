# Checks of our own Kubernetes manifests, played by podman: what starts after which exit code.
# Takes containers.sh, checks.sh, server.sh, image-run.sh (sql, write_migration). Never speaks to a cluster.
#
# The pod templates are played, as Pods that are never restarted. Of a Deployment podman would restart the init
# container too, once it is kept for its exit code; a kubelet lets it be after exit 0. A Job it does not know.
#
# Not covered, for podman has none of it: the Deployment with its rollout and its restarts, the Job with its retries by
# podFailurePolicy, probes. tests/it/manifests holds those parts to Kubernetes' own types.
# shellcheck shell=bash

# The name in the manifest, given to an image of ours: nothing is pulled.
application_name=ghcr.io/acme/api:1.0.0

# An application that says that it started, and stays: there is no shell in the image.
import_application() {
    cat >"$folder/application.c" <<'SOURCE'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void leave(int signal) { _exit(signal == SIGTERM ? 0 : 1); }
int main(void) {
    signal(SIGTERM, leave);
    puts("the application started");
    fflush(stdout);
    for (;;) pause();
}
SOURCE
    cc -static -o "$folder/waiting" "$folder/application.c" || return
    build_small api "$folder/waiting" <<'DOCKERFILE' || return
FROM scratch
COPY waiting /waiting
ENTRYPOINT ["/waiting"]
DOCKERFILE
    as_stored tag localhost/api "$application_name"
}

# podman reads a Secret from a secret of its own, which holds the Secret's data.
create_secret() {
    local url=postgresql://postgres@127.0.0.1:$server_port/$1
    printf '{"url":"%s"}' "$(printf %s "$url" | base64 --wrap 0)" >"$folder/secret.json"
    as_stored secret rm schemagate-database >/dev/null 2>&1 || true
    as_stored secret create schemagate-database "$folder/secret.json"
}

# The pod template of a manifest as a Pod. That of a Job names its restart policy itself.
playable() {
    say 'apiVersion: v1'
    say 'kind: Pod'
    sed -e '1,/^  template:$/d' -e 's/^    //' "$1" |
        if grep -q '^kind: Job$' "$1"; then cat; else sed '/^spec:$/a\  restartPolicy: Never'; fi
}

# adapt NAME: adds what podman needs, and takes away what it refuses:
# a name of its own; init containers are kept, so that their exit codes can be read; the host's network, where the server
# is, and no ports with it; the file for the termination message, which the kubelet would make.
adapt() {
    awk -v application="$application_name" -v name="$1" -v message="$folder/$1.message" '
        function indent(n,   s) { while (n-- > 0) s = s " "; return s }
        { match($0, /^ */); depth = RLENGTH }
        /^metadata:$/ {
            print
            print "  name: " name
            print "  annotations:"
            print "    io.podman.annotations.init.container.type: always"
            next
        }
        $1 == "ports:" { ports = depth; next }
        ports && depth > ports { next }
        { ports = 0 }
        $1 == "enableServiceLinks:" { print indent(depth) "hostNetwork: true" }
        $1 == "terminationMessagePolicy:" {
            print indent(depth) "volumeMounts:"
            print indent(depth) "  - {name: message, mountPath: /dev/termination-log}"
        }
        ($1 == "initContainers:" || $1 == "containers:") && !volumes {
            volumes = 1
            print indent(depth) "volumes:"
            print indent(depth) "  - {name: message, hostPath: {path: " message ", type: File}}"
        }
        { print }
        # The application is ours too, and nothing is asked of a registry.
        $1 == "image:" && $2 == application { print indent(depth) "imagePullPolicy: Never" }'
}

# play FILE NAME [IMAGE]: podman's exit code; what was changed is shown.
play() {
    local file=$1 name=$2 gate=${3:-$(gate_name)}
    touch "$folder/$name.message"
    chmod 666 "$folder/$name.message"
    playable "$file" | adapt "$name" | sed "s|image: $(gate_name)|image: $gate|" >"$folder/$name.yaml"
    diff <(playable "$file") "$folder/$name.yaml" || true
    as_stored kube play "$folder/$name.yaml"
}

# container_of NAME CONTAINER: of the pod of that name.
container_of() { as_stored ps --all --filter "name=^$1-$2\$" --format '{{.ID}}'; }
field() { as_stored inspect --format "{{.State.$2}}" "$1"; }

# Waits until a container has ended; prints its exit code. Not by `podman wait`, which stays 20 s longer where nobody
# reaps the container's monitor.
code_of() {
    local id
    id=$(container_of "$1" "$2")
    if [ -z "$id" ]; then
        say "no container $2 of $1"
        return
    fi
    for _ in $(seq 300); do
        if [ "$(field "$id" Status)" = exited ]; then
            field "$id" ExitCode
            return
        fi
        sleep 0.2
    done
    say "$2 of $1 has not ended"
}

log_of() { as_stored logs --tail 20 "$(container_of "$1" "$2")" 2>&1; }

started() {
    for _ in $(seq 50); do
        if log_of "$1" api | grep -qF 'the application started'; then return; fi
        sleep 0.1
    done
    say "the application of $1 has not started"
    return 1
}

starts_after_the_run() {
    play deploy/kubernetes/init-container.yaml api || return
    diff <(say 0) <(code_of api schemagate) || return
    log_of api schemagate | grep '"outcome":"applied"' || return
    started api || return
    diff <(say running) <(field "$(container_of api api)" Status) || return
    # No message where nothing went wrong.
    [ ! -s "$folder/api.message" ]
}

never_starts_after_a_failure() {
    local code=0
    play deploy/kubernetes/init-container.yaml failing localhost/failing || code=$?
    [ "$code" -ne 0 ] || return
    diff <(say 1) <(code_of failing schemagate) || return
    diff <(say created) <(field "$(container_of failing api)" Status) || return
    [ -z "$(log_of failing api)" ]
}

# The words of the failure, as `kubectl describe pod` would show them.
message_is_ours() {
    cat "$1"
    grep -F 'V2__broken.sql' "$1" && grep -F '42703' "$1" && [ "$(stat -c %s "$1")" -le 4096 ]
}

# The pod of the Deployment three times, at once.
three_replicas_apply_once() {
    local number players=() failures=0
    for number in 1 2 3; do
        play deploy/kubernetes/init-container.yaml "replica$number" localhost/counted \
            >"$folder/replica$number.log" 2>&1 &
        players+=($!)
    done
    for number in "${players[@]}"; do wait "$number" || failures=$((failures + 1)); done
    if [ "$failures" -ne 0 ]; then
        cat "$folder"/replica?.log
        return 1
    fi
    for number in 1 2 3; do
        log_of "replica$number" schemagate
        diff <(say 0) <(code_of "replica$number" schemagate) || return
        started "replica$number" || return
    done
    diff <(say '1 2') <(sql replicas "SELECT (SELECT count(*) FROM runs) || ' ' || (SELECT count(*) FROM drizzle.__migrations__)") || return
    # One applied; the others had nothing left to do.
    diff <(say 1) <(for number in 1 2 3; do log_of "replica$number" schemagate; done | grep -c '"outcome":"applied"')
}

# job_ends CODE TEXT NAME [IMAGE]
job_ends() {
    local code=$1 text=$2
    shift 2
    play deploy/kubernetes/job.yaml "$@" || return
    diff <(say "$code") <(code_of "$1" schemagate) || return
    log_of "$1" schemagate | grep -F "$text"
}

on_cluster_database() {
    local database=$1
    shift
    sql postgres "CREATE DATABASE $database" && create_secret "$database" >/dev/null && "$@"
}

check_kube() {
    write_migration failing V1__orders.sql <<<'CREATE TABLE orders (id bigint PRIMARY KEY);'
    write_migration failing V2__broken.sql <<<'UPDATE orders SET total = 1;'
    # A second application would be a second row. Long enough for all three to be at it.
    write_migration counted V1__runs.sql <<<'CREATE TABLE IF NOT EXISTS runs (id bigint);'
    write_migration counted V2__run.sql <<<'INSERT INTO runs VALUES (1); SELECT pg_sleep(5);'
    check "the application's image" import_application
    check "an image with a failing migration" derive failing
    check "an image with a counted migration" derive counted

    check "init-container.yaml: exit 0, then the application starts" on_cluster_database kube starts_after_the_run
    check "init-container.yaml: a failed migration, and it never starts" on_cluster_database kube_failing never_starts_after_a_failure
    check "the termination message" message_is_ours "$folder/failing.message"
    check "init-container.yaml: three replicas at once, each migration once" on_cluster_database replicas three_replicas_apply_once
    check "job.yaml: the pod of the Job applies" on_cluster_database job job_ends 0 '"outcome":"applied"' job
    check "job.yaml: the next one has nothing to do" job_ends 0 '"outcome":"up_to_date"' nextjob
    check "job.yaml: a failed migration ends with a code that fails the Job" on_cluster_database job_failing \
        job_ends 1 '"exit_code":1' brokenjob localhost/failing
    check "the termination message of the Job" message_is_ours "$folder/brokenjob.message"
}
