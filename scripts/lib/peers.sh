# The tools that schemagate is measured beside, at fixed versions, from the registries.
# Takes install.sh. Never installs outside target/peers; a peer that is not to be had is told and left out.
# shellcheck shell=bash

peers_folder() { say "$(target_folder)/peers"; }

need_peers() {
    local folder
    folder=$(peers_folder)
    mkdir -p "$folder"
    need_crate "$folder" refinery refinery_cli@0.10.0
    need_crate "$folder" sqlx sqlx-cli@0.9.0 --no-default-features --features postgres,native-tls
    need_packages "$folder"
}

# need_crate FOLDER PROGRAM CRATE@VERSION [OPTIONS...]: builds it, for minutes, unless this version is there.
need_crate() {
    local folder=$1 program=$2 crate=$3
    shift 3
    if [ -x "$folder/bin/$program" ] && grep -qs "\"${crate%@*} ${crate#*@} " "$folder/.crates2.json"; then return; fi
    say "building $crate"
    # For the machine and not for a folder of this project: no flags of ours, and no lock file of ours.
    if ! env -u RUSTFLAGS -u CARGO_TARGET_DIR cargo install --quiet --locked --force --root "$folder" \
        --target-dir "$folder/build" "$@" "$crate"; then
        complain "left out, as it cannot be built: $crate"
    fi
}

# need_packages FOLDER: those of npm, by their lock file; none may run a script of its own.
need_packages() {
    local folder=$1 from=benches/compare/peers
    if cmp -s "$from/package-lock.json" "$folder/installed.json"; then return; fi
    if ! need_npm; then
        complain "left out, as there is no npm: the peers that are packages of it"
        return
    fi
    rm -f "$folder/installed.json"
    cp "$from/package.json" "$from/package-lock.json" "$folder"
    say "fetching the packages of npm"
    if (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); then
        cp "$from/package-lock.json" "$folder/installed.json"
    else
        complain "left out, as they cannot be fetched: the peers that are packages of npm"
    fi
}

# The real psql: Debian's on PATH is a script that looks for it, three times as slow.
psql_program() {
    local beside
    beside=$(postgres_bin)/psql
    if [ -x "$beside" ]; then
        say "$beside"
    else
        find /usr/lib/postgresql -path '*/bin/psql' 2>/dev/null | sort -V | tail -n 1
    fi
}

need_psql() {
    if [ -z "$(psql_program)" ]; then install_packages postgresql-client; fi
    [ -n "$(psql_program)" ]
}
