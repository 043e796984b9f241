#!/usr/bin/env bash
# The image that the Dockerfile makes: what is in it, its work as platforms run it, and the examples in deploy/ that run
# it. Runs with SCHEMAGATE_TEST_ALL=1 only, because the program is built three times more; takes root, installs podman.
# The base image is a stand-in around this machine's own toolchain, so that nothing is pulled and no dependency built
# twice; those of the examples are stand-ins too.
# Images, containers, secrets and networks live in a folder of their own, which is removed.
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
# shellcheck source=scripts/lib/containers.sh
. scripts/lib/containers.sh
# shellcheck source=scripts/lib/image-build.sh
. scripts/lib/image-build.sh
# shellcheck source=scripts/lib/image-run.sh
. scripts/lib/image-run.sh
# shellcheck source=scripts/lib/stand-ins.sh
. scripts/lib/stand-ins.sh
# shellcheck source=scripts/lib/image-example.sh
. scripts/lib/image-example.sh
# shellcheck source=scripts/lib/image-compose.sh
. scripts/lib/image-compose.sh
# shellcheck source=scripts/lib/image-kube.sh
. scripts/lib/image-kube.sh

folder=
finish() {
    if [ -n "$folder" ]; then
        stop_dns
        stop_engine
        close_storage
        stop_server "$folder/server" || true
        rm -rf "$folder"
    fi
    rm -f "$checks_output"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP


if [ "${SCHEMAGATE_TEST_ALL:-0}" -ne 1 ]; then skip_subject "the container image" "takes minutes; scripts/test --all runs it"; fi
if [ "$(id -u)" -ne 0 ]; then skip_subject "the container image" "this user is not root"; fi
need_podman
need_build_tools
need_postgres
if ! command -v psql >/dev/null; then install_packages postgresql-client; fi
if ! command -v openssl >/dev/null; then install_packages openssl; fi
if ! command -v curl >/dev/null; then install_packages curl; fi
if ! command -v ip >/dev/null; then install_packages iproute2; fi
if ! command -v dnsmasq >/dev/null; then install_packages dnsmasq-base; fi
folder=$(mktemp -d /tmp/image.XXXXXX)
chmod 755 "$folder"
mkdir -p "$folder/server"
open_storage
build_static
make_certificate "$folder/server/tls" DNS:db.schemagate.test
addresses=127.0.0.1
if grep -q '^0*1 ' /proc/net/if_inet6 2>/dev/null; then addresses=$addresses,::1; fi
start_server "$folder/server" "-c listen_addresses=$addresses -c ssl=on -c ssl_cert_file=$folder/server/tls.crt -c ssl_key_file=$folder/server/tls.key"

check_build
check_run
check_example
check_compose
check_kube
conclude_checks
