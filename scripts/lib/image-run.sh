# Checks of the image at work on a real server: user, file system, names, certificates, signals, memory.
# Takes containers.sh, checks.sh, server.sh. Ends the DNS server that it starts.
# shellcheck shell=bash

# Of the loopback range, where nothing else answers.
dns_address=127.53.0.1
dns_pid=

# write_migration NAME FILE <SQL: for the image NAME that derive builds.
write_migration() {
    mkdir -p "$folder/$1/migrations"
    cat >"$folder/$1/migrations/$2"
}

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$folder/server" -p "$server_port" -U postgres -d "$1" -c "$2"; }

# on_new_database NAME COMMAND...: the command with a database of its own as $url.
on_new_database() {
    local database=$1
    shift
    sql postgres "CREATE DATABASE $database" || return
    url=postgresql://postgres@127.0.0.1:$server_port/$database "$@"
}

# Its own names only, and "no such name" below those of a cluster, where Kubernetes makes a resolver look first.
start_dns() {
    dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --no-ping --user=root --pid-file= \
        --listen-address="$dns_address" --bind-interfaces --log-queries --log-facility=- \
        --local=/schemagate.test/ --local=/cluster.local/ \
        --host-record=db.schemagate.test,127.0.0.1 --host-record=six.schemagate.test,::1 \
        --host-record=postgres.shop.svc.cluster.local,127.0.0.1 \
        >"$folder/dns.log" 2>&1 &
    dns_pid=$!
    for _ in $(seq 50); do
        if grep -q 'started' "$folder/dns.log"; then return; fi
        sleep 0.1
    done
    cat "$folder/dns.log"
    return 1
}

stop_dns() {
    if [ -n "$dns_pid" ]; then
        kill "$dns_pid" 2>/dev/null || true
        wait "$dns_pid" 2>/dev/null || true
    fi
    dns_pid=
}

# at NAME COMMAND...: the command with that host in the URL.
at() {
    local host=$1
    shift
    url=${url/127.0.0.1/$host} "$@"
}

named() { at "$1" in_container --dns "$dns_address" "$image" status; }

# A name of another namespace, in the short form that applications of a cluster use.
named_as_in_a_cluster() {
    local kubernetes=(--dns "$dns_address" --dns-opt ndots:5 --dns-search default.svc.cluster.local
        --dns-search svc.cluster.local --dns-search cluster.local)
    at postgres.shop ends 0 '"up_to_date":' in_container "${kubernetes[@]}" "$image" status --format json || return
    # Outside of the cluster: asked for below it first, because it has fewer than five dots.
    at db.schemagate.test ends 0 '' in_container "${kubernetes[@]}" "$image" status || return
    grep 'db.schemagate.test.default.svc.cluster.local' "$folder/dns.log"
}

verified() {
    local query=$1
    shift
    url="${url/127.0.0.1/db.schemagate.test}?sslmode=verify-full&$query" in_container --dns "$dns_address" "$@"
}

# How a cluster's own authority gets into an image: below the public ones, in a file that takes the bundle's place.
image_with_authority() {
    local name=authority
    mkdir -p "$folder/$name"
    cat /etc/ssl/certs/ca-certificates.crt "$folder/server/tls.authority.crt" >"$folder/bundle.crt"
    build_small "$name" "$folder/bundle.crt" <<DOCKERFILE
FROM $image
COPY bundle.crt /etc/ssl/certs/ca-certificates.crt
DOCKERFILE
}

# As PID 1 a signal without a handler is ignored: SIGTERM has to be handled for this to end in time.
stops_in_mid_migration() {
    local id code start
    id=$(as_stored run --detach --read-only --cap-drop ALL --network host --env DATABASE_URL="$url" localhost/slow)
    for _ in $(seq 100); do
        if [ "$(sql slow "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()")" = 1 ]; then
            break
        fi
        sleep 0.1
    done
    start=$SECONDS
    as_stored stop --time 20 "$id" >/dev/null
    code=$(as_stored wait "$id")
    as_stored logs "$id"
    say "exit code $code after $((SECONDS - start)) s"
    [ "$code" -eq 143 ] && [ $((SECONDS - start)) -lt 15 ] || return
    diff <(say 'nothing') <(sql slow "SELECT coalesce(to_regclass('half_done')::text, 'nothing')") || return
    diff <(say 0) <(sql slow "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()") || return
    diff <(say 'nothing') <(sql slow "SELECT coalesce(to_regclass('drizzle.__migrations__')::text, 'nothing')")
}

says_why() {
    : >"$folder/termination-log"
    chmod 666 "$folder/termination-log"
    ends 69 "Connection refused" in_container --env DATABASE_URL=postgresql://postgres@127.0.0.1:1/postgres \
        --env SCHEMAGATE_CONNECT_DEADLINE=0 --volume "$folder/termination-log:/dev/termination-log" "$image" || return
    grep 'Connection refused' "$folder/termination-log"
}

in_32_mib() { in_container --memory 32m --memory-swap 32m "$@"; }

# The container's monitor writes a file named oom into the current folder: not into the repository.
in_folder() { (cd "$folder" && "$@"); }

check_run() {
    local number
    write_migration project V1__orders.sql <<<'CREATE TABLE orders (id bigint PRIMARY KEY);'
    write_migration slow V1__slow.sql <<<'CREATE TABLE half_done (); SELECT pg_sleep(60);'
    for number in $(seq 1000); do
        write_migration thousand "V${number}__table_$number.sql" <<<"CREATE TABLE table_$number (id bigint PRIMARY KEY, note text);"
    done
    # What the file holds twice over in memory is more than 32 MiB: the limit is one.
    mkdir -p "$folder/large/migrations"
    { printf 'SELECT length('; printf "'%s'" "$(head -c 30000000 /dev/zero | tr '\0' x)"; say ');'; } \
        >"$folder/large/migrations/V1__large.sql"

    url=postgresql://postgres@127.0.0.1:$server_port/postgres
    check "an empty database" ends 0 '"outcome":"applied"' in_container "$image"
    check "nothing to do" ends 0 '"outcome":"up_to_date"' in_container "$image" up
    check "status" ends 0 "0 pending" in_container "$image" status --check
    check "a stray word of a shell" ends 2 "no shell is involved" in_container "$image" up '&&' node server.js
    check "a failure is in the termination log" says_why
    check "an image with a folder of migrations" derive project
    check "a run of that image" on_new_database project ends 0 "V1__orders.sql" in_container localhost/project

    check "a DNS server" start_dns
    check "a name that only the DNS server knows" ends 0 "0 pending" named db.schemagate.test
    if grep -q '^0*1 ' /proc/net/if_inet6 2>/dev/null; then
        check "a name with an IPv6 address only" ends 0 "0 pending" named six.schemagate.test
    else
        skip_check "a name with an IPv6 address only" "this machine has no IPv6"
    fi
    check "a name that the DNS server does not know" ends 69 "other.schemagate.test" at other.schemagate.test in_container \
        --dns "$dns_address" --env SCHEMAGATE_CONNECT_DEADLINE=0 "$image"
    check "search domains and ndots:5, as in a cluster" named_as_in_a_cluster

    check "a certificate that the image's bundle does not vouch for" ends 78 "certificate" verified sslrootcert=system "$image"
    check "a bundle with one authority more" image_with_authority
    check "a certificate that this bundle vouches for" ends 0 "0 pending" verified sslrootcert=system localhost/authority status
    check "a mounted authority" ends 0 "0 pending" verified sslrootcert=/authority.crt \
        --volume "$folder/server/tls.authority.crt:/authority.crt:ro" "$image" status
    check "a mounted authority by SSL_CERT_FILE" ends 0 "0 pending" verified sslrootcert=system \
        --volume "$folder/server/tls.authority.crt:/authority.crt:ro" --env SSL_CERT_FILE=/authority.crt "$image" status
    check "a name that is not in the certificate" ends 78 "certificate" in_container \
        --env DATABASE_URL="$url?sslmode=verify-full&sslrootcert=/authority.crt" \
        --volume "$folder/server/tls.authority.crt:/authority.crt:ro" "$image"
    stop_dns

    check "an image with a slow migration" derive slow
    check "SIGTERM in mid-migration: rolled back, 143" on_new_database slow stops_in_mid_migration
    check "the nine tables in 32 MiB" on_new_database nine ends 0 '"outcome":"applied"' in_32_mib "$image"
    check "an image with 1,000 migrations" derive thousand
    check "1,000 migrations in 32 MiB" on_new_database thousand ends 0 '"applied":1000' in_32_mib localhost/thousand
    check "an image with a migration of 30 MB" derive large
    check "which 32 MiB do not hold: the limit is one" on_new_database large in_folder ends 137 "" in_32_mib localhost/large
}
