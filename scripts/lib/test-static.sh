#!/usr/bin/env bash
# The static release binary: linked against nothing, small, and at work in a file system that holds nothing else.
# Takes nothing but a Debian machine with Rust. Leaves the build in a folder of its own below cargo's target folder.
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

folder=
finish() {
    if [ -n "$folder" ]; then
        stop_server "$folder/server" || true
        rm -rf "$folder"
    fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

is_static() {
    local said
    # For a binary that is not even position-independent, ldd has other words and fails.
    said=$(LC_ALL=C ldd "$program" 2>&1) || true
    say "$said"
    grep -q -e 'statically linked' -e 'not a dynamic executable' <<<"$said"
}

# alone NAME=VALUE... schemagate ARGUMENTS...: runs it where nothing else is.
alone() {
    local settings=()
    while [[ $1 == *=* ]]; do
        settings+=("$1")
        shift
    done
    shift
    env -i "${settings[@]}" "${change_root[@]}" "$root" /schemagate "$@"
}

# Root changes the root by itself, anybody else in a user namespace, where the kernel allows it.
change_root=("$(PATH=$PATH:/usr/sbin command -v chroot)")
if [ "$(id -u)" -ne 0 ]; then change_root=(unshare --map-root-user "${change_root[@]}"); fi

need_build_tools
need_postgres
if ! command -v openssl >/dev/null; then install_packages openssl; fi
build_static
program=$(static_program)

check "statically linked" is_static
check "at most 12 MiB" at_most "$size_limit" "$(stat -c %s "$program")" bytes

folder=$(mktemp -d /tmp/static.XXXXXX)
root=$folder/root
mkdir -p "$root/etc" "$folder/server"
chmod 755 "$folder"
cp "$program" "$root/schemagate"
# Nobody answers there, or a resolver that knows no name below .invalid.
say 'nameserver 127.0.0.1' >"$root/etc/resolv.conf"

if "${change_root[@]}" "$root" /schemagate --version >/dev/null 2>&1 || [ "$(id -u)" -eq 0 ]; then
    make_certificate "$folder/server/tls" IP:127.0.0.1
    start_server "$folder/server" "-c ssl=on -c ssl_cert_file=$folder/server/tls.crt -c ssl_key_file=$folder/server/tls.key"
    cp "$folder/server/tls.authority.crt" "$root/authority.crt"
    url=postgresql://postgres@127.0.0.1:$server_port/postgres
    check "--version" ends 0 "schemagate $(cargo pkgid | sed 's/.*[#@]//')" alone schemagate --version
    check "--help" ends 0 "Exit codes:" alone schemagate --help
    check "an empty database" ends 0 '"outcome":"applied"' alone DATABASE_URL="$url" schemagate
    check "nothing to do" ends 0 '"outcome":"up_to_date"' alone DATABASE_URL="$url" schemagate up
    check "a certificate that is vouched for" ends 0 "0 pending" \
        alone DATABASE_URL="$url?sslmode=verify-full&sslrootcert=/authority.crt" schemagate status --check
    check "a certificate that nothing vouches for" ends 78 "certificate" \
        alone DATABASE_URL="$url?sslmode=verify-full&sslrootcert=system" schemagate
    check "a name that nobody knows" ends 69 "no-such-host.invalid" \
        alone DATABASE_URL="${url/127.0.0.1/no-such-host.invalid}" SCHEMAGATE_CONNECT_DEADLINE=0 schemagate
else
    skip_check "the static binary in an empty file system" "this user may not change the root"
fi
conclude_checks
