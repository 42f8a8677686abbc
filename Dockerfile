# The server in a small image:
#
#   docker build -t allim .
#   docker run --rm -p 127.0.0.1:8080:8080 -e ALLIM_DEMO_OPEN=on allim      the demo, at http://localhost:8080
#   docker run --rm allim check-config                                      any other command of `allim`
#
# Instructions that any builder knows. tests/image/build plays those of the first stage without one.

FROM rust:1.95.0-slim-bookworm AS build
# The newest patch of Debian's packages is wanted, and Debian keeps no other.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ libcurl4-openssl-dev libssl-dev make pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
ARG PROFILE=release
# The dependencies, for an empty program: this layer is built again when Cargo.toml or Cargo.lock change, and at no
# other time. Without a tool that would have to be built first.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
RUN mkdir src \
    && echo 'fn main() {}' >src/main.rs \
    && touch src/lib.rs \
    && cargo build --locked --profile "$PROFILE" --features kafka-tls
COPY static static
COPY src src
# Cargo goes by the time of a file, and a checkout may be older than the empty program.
RUN touch src/lib.rs src/main.rs \
    && cargo install --locked --profile "$PROFILE" --features kafka-tls --path . --root out

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Allim" \
      org.opencontainers.image.description="Notifications for shopping-mall back offices: from Kafka to every right browser, and to no other." \
      org.opencontainers.image.licenses="Apache-2.0"
# With the numbers as they are, a volume of Kubernetes can be made theirs with `fsGroup: 65532`.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libcurl4 libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 65532 -g 65532 /data
COPY LICENSE /usr/share/doc/allim/
COPY --from=build /build/out/bin/allim /usr/local/bin/allim
# Demo accounts are not let out of here without ALLIM_DEMO_OPEN=on.
ENV ALLIM_LISTEN=0.0.0.0:8080 \
    ALLIM_DATA_DIR=/data
# Where allim.toml is looked for.
WORKDIR /etc/allim
USER 65532:65532
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# A node fills its memory from Kafka before it is ready, for a minute at most.
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s CMD ["allim", "health"]
ENTRYPOINT ["allim"]
