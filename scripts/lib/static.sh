# The static release binary, built as the Dockerfile builds it.
# Takes install.sh. Never builds into the folder of the development builds.
# shellcheck shell=bash

static_folder() { say "$(target_folder)/static"; }

static_program() { say "$(static_folder)/$(rustc --print host-tuple)/release/schemagate"; }

# With the flags of the Dockerfile, which has their reasons, and its SOURCE_DATE_EPOCH: each build then finds what the
# other has built.
build_static() {
    local flags
    flags=$(sed -n "s/^ENV RUSTFLAGS='\(.*\)'$/\1/p" Dockerfile)
    if [ -z "$flags" ]; then
        complain "no RUSTFLAGS in the Dockerfile"
        return 1
    fi
    RUSTFLAGS=$flags SOURCE_DATE_EPOCH=0 CARGO_TARGET_DIR=$(static_folder) \
        cargo build --release --locked --bin schemagate --target "$(rustc --print host-tuple)"
}
