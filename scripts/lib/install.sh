# What the scripts need of a Debian machine on which only Rust is installed: looks, and installs what is missing.
# Takes root or sudo. Never installs what is there, never starts a service or a database cluster.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }
complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

packages_listed=
install_packages() {
    if ! command -v apt-get >/dev/null; then
        complain "missing: $* (names of Debian packages); install them and try again"
        return 1
    fi
    if [ -z "$packages_listed" ]; then
        as_root apt-get -qq update
        packages_listed=yes
    fi
    say "installing $*"
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install -y --no-install-recommends "$@" >/dev/null </dev/null
}

# OpenSSL is built from source: a compiler, make, and the whole of perl (perl-base lacks modules that it uses).
need_build_tools() {
    if ! command -v cargo >/dev/null && [ -f "$HOME/.cargo/env" ]; then
        # shellcheck source=/dev/null
        . "$HOME/.cargo/env"
    fi
    if ! command -v cargo >/dev/null; then
        complain "no cargo: install Rust first"
        return 1
    fi
    if ! command -v cc >/dev/null || ! [ -e /usr/include/stdio.h ]; then install_packages gcc libc6-dev; fi
    if ! command -v make >/dev/null; then install_packages make; fi
    if ! perl -MIPC::Cmd -MFindBin -MFile::Compare -MTime::Piece -e1 2>/dev/null; then install_packages perl; fi
}

need_rust_components() {
    if ! cargo fmt --version >/dev/null 2>&1; then rustup component add rustfmt; fi
    if ! cargo clippy --version >/dev/null 2>&1; then rustup component add clippy; fi
}

# Prints the folder of PostgreSQL's server programs: the given one, the one on PATH, the newest of Debian's.
postgres_bin() {
    local folder newest=
    if [ -n "${SCHEMAGATE_TEST_PG_BIN:-}" ]; then
        say "$SCHEMAGATE_TEST_PG_BIN"
        return
    fi
    while IFS= read -r -d : folder; do
        if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ]; then
            say "$folder"
            return
        fi
    done <<<"$PATH:"
    newest=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$newest" ]; then return 1; fi
    dirname "$newest"
}

# The server's programs only. Debian's package makes and starts a cluster unless it is told not to beforehand.
need_postgres() {
    if postgres_bin >/dev/null; then return; fi
    install_packages postgresql-common
    local settings=/etc/postgresql-common/createcluster.conf
    if ! grep -qs '^[[:space:]]*create_main_cluster' "$settings"; then
        as_root sh -c "echo 'create_main_cluster = false' >>$settings"
    fi
    install_packages postgresql
    postgres_bin >/dev/null
}

# The tests start poolers of their own. Debian's package starts one as a service unless its unit is masked beforehand.
need_pgbouncer() {
    if [ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null; then return; fi
    local unit=/etc/systemd/system/pgbouncer.service
    if [ -d /etc/systemd/system ] && ! [ -e "$unit" ] && ! [ -L "$unit" ]; then as_root ln -s /dev/null "$unit"; fi
    install_packages pgbouncer
}

need_npm() {
    if ! command -v npm >/dev/null || ! command -v node >/dev/null; then install_packages npm; fi
}

# Virtual environments, which Debian leaves out of its python3.
need_python() {
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then install_packages python3 python3-venv; fi
}

# The manual's commands for a key pair are run by the tests.
need_openssl() {
    if ! command -v openssl >/dev/null; then install_packages openssl; fi
}

target_folder() {
    cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}
