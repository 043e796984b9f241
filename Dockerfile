# schemagate: one static binary, the list of the crates in it (/schemagate.cdx.json, CycloneDX) and the CA bundle,
# nothing else.
#
#   docker build -t ghcr.io/schemagate/schemagate:0.1.0 .
#   docker run --rm -e DATABASE_URL ghcr.io/schemagate/schemagate:0.1.0
#
# An image with a project's own migrations instead of the embedded ones:
#
#   FROM ghcr.io/schemagate/schemagate:0.1.0
#   COPY migrations/ /migrations/
#   ENV SCHEMAGATE_MIGRATIONS=/migrations

# Two builds of one commit give the same files as long as this tag names the same image: the C library and the CA bundle
# come from it. For a build that can be repeated for years, put its digest here.
FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src

# Two tools that say which crates are in the binary: one inside it (`cargo audit bin` and others read that), one in a
# file beside it. A layer that only a newer tool changes; not optimised, because they work for a second. Before
# RUSTFLAGS, which takes a --target.
RUN export CARGO_TARGET_DIR=/tmp/tools CARGO_PROFILE_DEV_DEBUG=0 \
    && cargo install --locked --debug --root /tools cargo-auditable@0.7.7 cargo-cyclonedx@0.5.9 \
    && rm -rf /tmp/tools
ENV PATH=/tools/bin:$PATH

# A static binary runs in any application image, whatever its libc. Every build below names its --target, so
# that the flag spares the procedural macros, which cannot be static; the target is the machine's own triple,
# so that one file serves amd64 and arm64. Random numbers come from the system call: a static binary cannot look
# getrandom up at run time, and would fall back to /dev/urandom, which an empty file system lacks. Relocations are
# packed: a position-independent binary that holds OpenSSL has 37,000 of them, 24 bytes each otherwise.
ENV RUSTFLAGS='-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs --cfg getrandom_backend="linux_getrandom"'

# The dependencies first, against placeholders: the layer changes with Cargo.toml and Cargo.lock only. The fetch
# brings what else cargo wants to have seen when it lists the crates below.
# OpenSSL writes its build date into the library; a fixed one keeps two builds of this layer the same. It has
# to be the same in both builds: the C libraries are built anew when it changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && for file in build.rs src/main.rs; do printf '//! Placeholder.\nfn main() {}\n' > "$file"; done \
    && printf '//! Placeholder.\n' > src/lib.rs \
    && SOURCE_DATE_EPOCH=0 cargo build --release --locked --target "$(rustc --print host-tuple)" \
    && cargo fetch --locked --target "$(rustc --print host-tuple)" \
    && rm -r build.rs src

# Then the crate; .dockerignore lets through only what the build reads. COPY keeps the files' times, which
# may be older than the placeholders' build: without the touch cargo would take the placeholders as current.
# With SOURCE_DATE_EPOCH set to the commit's time, the files of the image carry that time.
COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN target="$(rustc --print host-tuple)" \
    && find . -path ./target -prune -o -type f -exec touch {} + \
    && SOURCE_DATE_EPOCH=0 cargo auditable build --release --locked --target "$target" --bin schemagate \
    && cargo cyclonedx -qq --format json --spec-version 1.5 --target "$target" --override-filename sbom \
    && install -D -m 0755 "target/$target/release/schemagate" /out/schemagate \
    && install -D -m 0644 sbom.json /out/schemagate.cdx.json \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt \
    && find /out -exec touch --date="@$SOURCE_DATE_EPOCH" {} +

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=https://github.com/schemagate/schemagate
LABEL org.opencontainers.image.title="schemagate" \
      org.opencontainers.image.description="Applies pending PostgreSQL migrations before a release starts" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /out/ /
# A number, not a name: Kubernetes can check runAsNonRoot only against a number, and there is no /etc/passwd.
USER 65532:65532
# Nothing is ever written to the file system: the image runs with a read-only root.
ENTRYPOINT ["/schemagate"]
