# Containers for the checks of the image: podman with a storage of its own, and the image as the Dockerfile builds it.
# Takes install.sh and static.sh. Never touches the user's own images, containers, secrets or networks.
# shellcheck shell=bash

image=localhost/schemagate-test
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}

# The name of our image in the manifests and examples: the built one gets it too, so that nothing is pulled.
gate_name() { sed -n 's/^ *image: \(.*schemagate:.*\)$/\1/p' deploy/kubernetes/job.yaml; }

# as_stored COMMAND...: podman on that storage, which is below $folder.
stored_options() { stored=(--root "$folder/storage" --runroot "$folder/run" --network-config-dir "$folder/networks"); }
as_stored() {
    local stored
    stored_options
    podman "${stored[@]}" "$@"
}

need_podman() {
    if command -v podman >/dev/null; then return; fi
    install_packages podman runc conmon netavark aardvark-dns containernetworking-plugins \
        golang-github-containers-common catatonit uidmap
}

# What a machine may lack: systemd, and the right to raise limits.
open_storage() {
    {
        say '[containers]'
        say 'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]'
        say '[engine]'
        if command -v runc >/dev/null; then say 'runtime = "runc"'; fi
        say 'cgroup_manager = "cgroupfs"'
        say 'events_logger = "file"'
    } >"$folder/containers.conf"
    export CONTAINERS_CONF=$folder/containers.conf
    mkdir -p "$folder/networks"
    as_stored info >/dev/null
}

close_storage() {
    if [ ! -d "$folder/storage" ]; then return; fi
    as_stored pod rm --all --force --time 0 >/dev/null 2>&1 || true
    as_stored rm --all --force --time 0 >/dev/null 2>&1 || true
    as_stored network prune --force >/dev/null 2>&1 || true
    as_stored volume prune --force >/dev/null 2>&1 || true
    as_stored image umount --all >/dev/null 2>&1 || true
    as_stored rmi --all --force >/dev/null 2>&1 || true
    umount "$folder/storage/overlay" 2>/dev/null || true
}

base_name() { sed -n 's/^FROM \(.*\) AS build$/\1/p' Dockerfile; }

# lay_out FOLDER: the folders and the accounts of a system without programs.
lay_out() {
    local link
    mkdir -p "$1"/{usr,etc,tmp,var/tmp,root,run,proc,sys,dev}
    chmod 1777 "$1/tmp" "$1/var/tmp"
    for link in bin sbin lib lib64; do
        mkdir -p "$1/usr/$link"
        ln -s "usr/$link" "$1/$link"
    done
    say 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
    say 'root:x:0:' >"$1/etc/group"
}

# import_image FOLDER NAME [OPTIONS...]: what is in the folder, owned as it is there, as an image.
import_image() {
    local from=$1 name=$2
    shift 2
    tar -C "$from" --numeric-owner -cf - . | as_stored import --quiet "$@" - "$name"
}

# An image under the name of the Dockerfile's base, empty but for what the mounts of build_image do not bring.
import_base() {
    local base=$folder/base
    lay_out "$base"
    mkdir -p "$base"/{etc/ssl/certs,etc/alternatives,src,tools}
    cp /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/"
    import_image "$base" "$(base_name)" \
        --change "ENV PATH=$cargo_home/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        --change "ENV CARGO_HOME=$cargo_home" --change "ENV RUSTUP_HOME=$rustup_home"
}

# build_image FOLDER NAME [OPTIONS...]: with this machine's toolchain and its build of the dependencies, neither of which
# it writes to (there the Dockerfile's placeholders would pass for the crate later), and with the Dockerfile's tools where
# an earlier run has left them.
build_image() {
    local tools
    tools=$(target_folder)/image-tools
    mkdir -p "$tools"
    build_cold "$@" -v "$(static_folder):/src/target:O" -v "$tools:/tools:rw"
}

# build_cold FOLDER NAME [OPTIONS...]: with this machine's toolchain and nothing else of it, as everybody's first build.
build_cold() {
    local from=$1 name=$2 path mounts
    shift 2
    mounts=(-v /usr:/usr:O -v /etc/alternatives:/etc/alternatives:ro)
    for path in "$cargo_home" "$rustup_home"; do
        if [ -d "$path" ]; then mounts+=(-v "$path:$path:O"); fi
    done
    as_stored build --pull=never --network=host "${mounts[@]}" -t "$name" "$@" "$from"
}

# build_small NAME [FILE...] <DOCKERFILE: an image of a few files; what it is made of is left in $folder/NAME.
build_small() {
    local name=$1
    shift
    mkdir -p "$folder/$name"
    if [ "$#" -gt 0 ]; then cp -r "$@" "$folder/$name"; fi
    cat >"$folder/$name/Dockerfile"
    as_stored build --pull=never -t "localhost/$name" "$folder/$name"
}

# derive NAME: an image with a project's own migrations, as README.md has it, from the folder $folder/NAME/migrations.
derive() {
    build_small "$1" <<DOCKERFILE
FROM $image
COPY migrations/ /migrations/
ENV SCHEMAGATE_MIGRATIONS=/migrations
DOCKERFILE
}

# in_container [OPTIONS...] IMAGE [ARGUMENTS...]: a run on $url with as little as a platform may give it.
in_container() {
    as_stored run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --network host \
        --env DATABASE_URL="$url" "$@"
}
