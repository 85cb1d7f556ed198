# syntax=docker/dockerfile:1
# The image of Ringway, from a plain clone: docker build -t localhost/ringway:0.1.0 .
# Both architectures: docker buildx build --platform linux/amd64,linux/arm64 …
#
# Linked with glibc, as the tests are, and so on distroless/cc instead of musl and scratch.

FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcap2-bin \
    && rm -rf /var/lib/apt/lists/*
COPY Cargo.toml Cargo.lock ./
# cargo wants to see every target that Cargo.toml names.
COPY tests/cluster/main.rs tests/cluster/main.rs
COPY benches benches
COPY src src
# `ringway migrate` tells differences in the words of the page.
COPY docs/compatibility.md docs/compatibility.md
# Names of functions stay for backtraces.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    CARGO_PROFILE_DIST_STRIP=debuginfo cargo build --locked --profile dist --bin ringway \
    && install -D target/dist/ringway /out/ringway
# Ports below 1024 for a user that is not root, on the network of the node: a capability that is
# added to the container alone is lost at exec. A container that does not add NET_BIND_SERVICE cannot
# start such a binary ("operation not permitted"); one that does can, with no_new_privs, too.
RUN setcap cap_net_bind_service=+ep /out/ringway

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/ringway /usr/local/bin/ringway
USER 65532:65532
EXPOSE 80 443 9901
ENTRYPOINT ["/usr/local/bin/ringway"]
CMD ["serve"]
