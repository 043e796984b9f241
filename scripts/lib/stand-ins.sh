# Stand-ins for the public images that the examples start from, made of this machine's own programs: a container of them
# needs no mount. They have the names, users, folders and habits of those images that the examples rely on.
# Takes containers.sh, server.sh. Never asks a registry for an image.
# shellcheck shell=bash

# put_program ROOT PROGRAM [PATH]: a copy, and copies of the libraries that ldd names.
put_program() {
    local root=$1 program library to
    program=$(realpath "$2") || return
    to=${3:-$2}
    install -D -m 755 "$program" "$root$to" || return
    ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
        # What lies beside the program comes with its folder.
        if [ ! -e "$root$library" ]; then install -D -m 755 "$(realpath "$library")" "$root$library" || return; fi
    done
}

# put_programs ROOT NAME...: of Debian's essential ones.
put_programs() {
    local root=$1 name
    shift
    for name in "$@"; do put_program "$root" "$(command -v "$name")" "/usr/bin/$name" || return; done
}

# npm's own folder; where npm is Debian's, its modules lie all over that of all modules.
put_npm() {
    local root=$1 program modules
    program=$(realpath "$(command -v npm)")
    modules=${program%/bin/npm-cli.js}
    if [[ $program == /usr/share/nodejs/* ]]; then modules=/usr/share/nodejs; fi
    mkdir -p "$root$modules" "$root/usr/local/etc"
    cp -rL "$modules/." "$root$modules" || return
    ln -s "$program" "$root/usr/local/bin/npm"
    # Where this machine's npm gets its packages, and whom it trusts. Not below /etc/ssl: the image has no bundle there.
    cp /etc/ssl/certs/ca-certificates.crt "$root/usr/local/etc/authorities.crt"
    {
        say "registry=$(npm config get registry)"
        say 'cafile=/usr/local/etc/authorities.crt'
    } >"$root/usr/local/etc/npmrc"
}

node_name() { sed -n 's/^FROM \([^ ]*\) AS build$/\1/p' deploy/railway/Dockerfile; }

import_node() {
    local root=$folder/node node
    node=$(node -p process.execPath)
    lay_out "$root"
    mkdir -p "$root/usr/local/bin"
    put_programs "$root" sh env ls cat || return
    # Where it is here: it looks for modules from there.
    put_program "$root" "$node" || return
    if [ "$node" != /usr/local/bin/node ]; then ln -s "$node" "$root/usr/local/bin/node"; fi
    put_npm "$root" || return
    say 'node:x:1000:1000::/home/node:/bin/sh' >>"$root/etc/passwd"
    say 'node:x:1000:' >>"$root/etc/group"
    install -d -m 755 -o 1000 -g 1000 "$root/home/node"
    # As there: a first word that is no program goes to node.
    cat >"$root/usr/local/bin/docker-entrypoint.sh" <<'SCRIPT'
#!/bin/sh
if ! command -v "$1" >/dev/null; then set -- node "$@"; fi
exec "$@"
SCRIPT
    chmod 755 "$root/usr/local/bin/docker-entrypoint.sh"
    import_image "$root" "$(node_name)" --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'CMD ["node"]' \
        --change 'ENV NPM_CONFIG_GLOBALCONFIG=/usr/local/etc/npmrc' \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

postgres_name() { sed -n 's/^ *image: \(.*postgres:.*\)$/\1/p' deploy/compose/compose.yaml; }

# A server that sets itself up in its volume, for a user and a database of the environment; passwords by network.
import_postgres() {
    local root=$folder/postgres bin client major
    major=$(postgres_name)
    major=${major##*:}
    bin=$(server_programs "$major" "$(target_folder)/postgres") || return
    client=$(find /usr/lib/postgresql -path '*/bin/pg_isready' | sort -V | tail -n 1)
    lay_out "$root"
    put_programs "$root" sh mkdir cat || return
    mkdir -p "$root/usr/lib/postgresql"
    cp -a "${bin%/bin}" "$root/usr/lib/postgresql/$major" || return
    chown -R 0:0 "$root/usr/lib/postgresql"
    chmod -R go+rX "$root/usr/lib/postgresql"
    put_program "$root" "$bin/postgres" "/usr/lib/postgresql/$major/bin/postgres" || return
    put_program "$root" "$bin/initdb" "/usr/lib/postgresql/$major/bin/initdb" || return
    put_program "$root" "$client" /usr/bin/pg_isready || return
    say 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >>"$root/etc/passwd"
    say 'postgres:x:999:' >>"$root/etc/group"
    install -d -m 755 -o 999 -g 999 "$root/var/lib/postgresql"
    cat >"$root/usr/bin/docker-entrypoint.sh" <<'SCRIPT'
#!/bin/sh
set -eu
data=/var/lib/postgresql/data
if [ ! -e "$data/PG_VERSION" ]; then
    printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
    initdb -D "$data" -U "$POSTGRES_USER" --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 \
        -E UTF8 --locale=C --no-sync
    printf 'host all all all scram-sha-256\n' >>"$data/pg_hba.conf"
    printf 'CREATE DATABASE "%s"\n' "$POSTGRES_DB" | postgres --single -D "$data" postgres
fi
exec postgres -D "$data" -k /tmp -c listen_addresses='*'
SCRIPT
    chmod 755 "$root/usr/bin/docker-entrypoint.sh"
    import_image "$root" "$(postgres_name)" --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'USER 999:999' \
        --change 'STOPSIGNAL SIGINT' --change "ENV PATH=/usr/lib/postgresql/$major/bin:/usr/bin"
}
