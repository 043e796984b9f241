# Checks of the build: what is in the image, and that a build can be repeated and continued.
# Takes containers.sh, checks.sh. Never runs the image.
# shellcheck shell=bash

image_limit=$((12 * 1024 * 1024))
binary_limit=$((12 * 1024 * 1024))

# What .dockerignore lets through, in a folder elsewhere: copy_sources FOLDER.
copy_sources() {
    mkdir -p "$1"
    cp -r Dockerfile .dockerignore Cargo.toml Cargo.lock build.rs src migrations "$1"
}

holds_three_files() {
    local mounted=$1
    diff <(printf '%s\n' ./etc/ssl/certs/ca-certificates.crt ./schemagate ./schemagate.cdx.json) \
        <(cd "$mounted" && find . ! -type d | sort) || return
    [ -z "$(find "$mounted" -perm /6000)" ]
}

has_number_as_user() {
    local user
    user=$(as_stored image inspect --format '{{.Config.User}}' "$image")
    say "$user"
    [[ $user =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]]
}

label() { as_stored image inspect --format "{{index .Labels \"org.opencontainers.image.$1\"}}" "$image"; }

# Source, revision, version, licences: as Cargo.toml and the builder say.
has_labels() {
    diff <(
        sed -n 's/^repository = "\(.*\)"$/\1/p' Cargo.toml
        say "$revision"
        sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml
        sed -n 's/^license = "\(.*\)"$/\1/p' Cargo.toml
    ) <(for name in source revision version licenses; do label "$name"; done)
}

locked_packages() {
    awk '/^name = /{gsub(/"/, ""); name = $3} /^version = /{gsub(/"/, ""); if (name != "") print name "@" $3; name = ""}' Cargo.lock
}

# Every crate that is listed is one of Cargo.lock; listed are those that are surely in the binary, OpenSSL's source too.
lists_crates() {
    local listed crate
    listed=$(grep -o '"purl": "pkg:cargo/[^"?]*' "$1/schemagate.cdx.json" | sed 's|.*pkg:cargo/||; s/%2B/+/g' | sort -u)
    say "$(wc -l <<<"$listed") crates"
    if comm -23 <(printf '%s\n' "$listed") <(locked_packages | sort -u) | grep .; then return 1; fi
    for crate in schemagate tokio-postgres tokio-openssl openssl-src; do
        if ! grep "^$crate@" <<<"$listed"; then
            say "not listed: $crate"
            return 1
        fi
    done
    ! grep '^k8s-openapi@' <<<"$listed" || return
    # And none is left out that cargo puts into the binary.
    comm -13 <(printf '%s\n' "$listed") <(built_packages | sort -u) | if grep .; then return 1; fi
}

built_packages() {
    cargo tree --locked --edges normal --prefix none --format '{p}' --target "$(rustc --print host-tuple)" |
        sed -n 's/^\([^ ]*\) v\([^ ]*\).*/\1@\2/p'
}

# The same in the binary, as `cargo auditable` writes it: a section of JSON, compressed.
binary_names_crates() {
    objcopy --dump-section ".dep-v0=$folder/audit" "$1/schemagate" /dev/null || return
    perl -MCompress::Zlib -0777 -ne 'print uncompress($_)' "$folder/audit" >"$folder/audit.json"
    grep -o '"name":"openssl-src","version":"[^"]*"' "$folder/audit.json"
}

# build_again NAME: the commit from a folder of that name, without a layer of another build.
build_again() {
    copy_sources "$folder/$1"
    build_image "$folder/$1" "localhost/$1" --no-cache "${build_arguments[@]}" >"$folder/$1.log" 2>&1 ||
        { tail -n 40 "$folder/$1.log"; return 1; }
    grep -F 'Compiling schemagate' "$folder/$1.log"
}

# Both have the dependencies that this machine has built once; that two builds from nothing give the same was seen by
# hand, because each takes minutes.
builds_the_same() {
    local one other
    build_again one && build_again other || return
    one=$(as_stored image mount localhost/one)
    other=$(as_stored image mount localhost/other)
    diff <(cd "$one" && find . -type f -exec sha256sum {} + -exec stat -c '%n %Y %a' {} + | sort) \
        <(cd "$other" && find . -type f -exec sha256sum {} + -exec stat -c '%n %Y %a' {} + | sort) || return
    sha256sum "$one/schemagate"
}

# With the toolchain alone: every crate is compiled in the layers that are for it.
builds_from_nothing() {
    local log=$folder/cold.log
    build_cold . "$image" "${build_arguments[@]}" >"$log" 2>&1 || { tail -n 40 "$log"; return 1; }
    grep -F 'Compiling tokio-postgres' "$log" && grep -F 'Compiling cargo-auditable' "$log"
}

# On the layers of the build from nothing: none of another file is made again, and nothing but the crate is compiled.
rebuilds_the_crate_only() {
    local log=$folder/changed.log start=$SECONDS
    copy_sources "$folder/changed"
    say '// A change.' >>"$folder/changed/src/main.rs"
    build_cold "$folder/changed" localhost/changed "${build_arguments[@]}" >"$log" 2>&1 || { tail -n 40 "$log"; return 1; }
    say "$((SECONDS - start)) s"
    local step
    for step in 'RUN export CARGO_TARGET_DIR' 'RUN mkdir src'; do
        if ! grep -A 1 "^\[1/2\] STEP [0-9/]*: $step" "$log" | grep -q 'Using cache'; then
            say "not taken from the cache: $step"
            tail -n 40 "$log"
            return 1
        fi
    done
    diff <(say '   Compiling schemagate') <(grep -o '^ *Compiling [^ ]*' "$log")
}

check_build() {
    local mounted
    revision=$(git rev-parse HEAD 2>/dev/null || say unknown)
    build_arguments=(--build-arg "REVISION=$revision" --build-arg SOURCE_DATE_EPOCH=1700000000)
    check "the stand-in for the base image" import_base
    check "the Dockerfile builds from nothing" builds_from_nothing
    mounted=$(as_stored image mount "$image")
    check "an image of at most 12 MiB" at_most "$image_limit" "$(as_stored image inspect --format '{{.Size}}' "$image")" bytes
    check "a binary of at most 12 MiB" at_most "$binary_limit" "$(stat -c %s "$mounted/schemagate")" bytes
    check "the binary, its list of crates and the CA bundle; nothing else, nothing setuid" holds_three_files "$mounted"
    check "a number as user" has_number_as_user
    check "the labels" has_labels
    check "the list names the crates of Cargo.lock" lists_crates "$mounted"
    check "the binary names its crates" binary_names_crates "$mounted"
    check "a source change rebuilds the crate only" rebuilds_the_crate_only
    check "two builds from two folders give the same files" builds_the_same
    check "under the name that manifests and examples give it" as_stored tag "$image" "$(gate_name)"
}
