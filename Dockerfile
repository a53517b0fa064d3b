# The monitor's image, and the image of the demo's four applications.
#
#   docker buildx build -t health-monitor .                   the monitor, compiled here
#   docker buildx build -t apps --target apps .               the demo's applications
#
# Build arguments:
#   BASE      Debian that the shared libraries come from
#   RUST      Rust on the same Debian release
#   PROFILE   cargo's profile
#   BINARIES  `compiled`, or `prebuilt` to take binaries of the same Debian release from the top of the build context:
#             docker buildx build -f Dockerfile --build-arg BINARIES=prebuilt DIRECTORY
#
# Needs BuildKit, which skips the stages that a target does not use.

ARG BASE=debian:bookworm-slim
ARG RUST=rust:1.95-bookworm
ARG BINARIES=compiled

# --- Binaries, compiled here -----------------------------------------------------------------------------------------

FROM ${RUST} AS source
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ gcc libssl-dev make pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .

FROM source AS compiled
ARG PROFILE=release
RUN --mount=type=cache,target=/src/target \
    cargo build --locked --profile "${PROFILE}" --bin health-monitor \
 && case "${PROFILE}" in dev) folder=debug ;; *) folder=${PROFILE} ;; esac \
 && install -D "target/${folder}/health-monitor" /health-monitor

# The applications are examples, which are built with the development dependencies: not beside the monitor, whose
# dependencies would get other features by that.
FROM source AS compiled-apps
ARG PROFILE=release
RUN --mount=type=cache,target=/src/target \
    cargo build --locked --profile "${PROFILE}" --examples \
 && case "${PROFILE}" in dev) folder=debug ;; *) folder=${PROFILE} ;; esac \
 && for name in f2-simulator mqtt-kafka-connector data-processor kafka-timescale-sink; do \
      install -D "target/${folder}/examples/${name}" "/${name}"; \
    done

# --- Binaries from the build context ---------------------------------------------------------------------------------

FROM scratch AS prebuilt
COPY health-monitor /

FROM scratch AS prebuilt-apps
COPY f2-simulator mqtt-kafka-connector data-processor kafka-timescale-sink /

FROM ${BINARIES} AS binaries
FROM ${BINARIES}-apps AS binaries-apps

# --- The demo's applications -----------------------------------------------------------------------------------------

FROM ${BASE} AS apps
RUN apt-get update \
 && apt-get install -y --no-install-recommends libssl3 zlib1g \
 && rm -rf /var/lib/apt/lists/*
COPY --from=binaries-apps /f2-simulator /mqtt-kafka-connector /data-processor /kafka-timescale-sink /usr/local/bin/
USER nobody
STOPSIGNAL SIGTERM

# --- What the monitor needs beside its binary ------------------------------------------------------------------------

FROM ${BASE} AS runtime
RUN apt-get update \
 && apt-get install -y --no-install-recommends busybox-static ca-certificates libssl3 zlib1g \
 && rm -rf /var/lib/apt/lists/*
COPY --from=binaries /health-monitor /health-monitor
# Only the libraries that the binary links, by the loader's own list, so that a missing one fails the build. BusyBox gives
# `docker exec` its ls, ping, netstat and wget for a look at the network from where the monitor stands.
RUN ! ldd /health-monitor | grep 'not found' \
 && mkdir -p /root-fs/bin /root-fs/tmp /root-fs/etc/ssl/certs /root-fs/usr/lib/ssl /root-fs/var/lib/health-monitor \
 && ldd /health-monitor | grep -o '/[^ ]*' | sort -u | xargs cp --dereference --parents --target-directory=/root-fs \
 && cp /bin/busybox /root-fs/bin/ \
 && for applet in sh ls cat ps ping netstat nslookup wget; do ln -s busybox "/root-fs/bin/${applet}"; done \
 && cp /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
 && ln -s /etc/ssl/certs/ca-certificates.crt /root-fs/usr/lib/ssl/cert.pem \
 && printf 'root:x:0:0:root:/:/bin/sh\nmonitor:x:65532:65532:monitor:/:/bin/sh\n' > /root-fs/etc/passwd \
 && printf 'root:x:0:\nmonitor:x:65532:\n' > /root-fs/etc/group \
 && chmod 1777 /root-fs/tmp \
 && chown 65532:65532 /root-fs/var/lib/health-monitor

# --- The monitor -----------------------------------------------------------------------------------------------------

FROM scratch AS health-monitor
COPY --from=runtime /root-fs /
COPY --from=binaries /health-monitor /usr/local/bin/health-monitor
WORKDIR /var/lib/health-monitor
VOLUME /var/lib/health-monitor
EXPOSE 8000
STOPSIGNAL SIGTERM
# A resolver that gives no answer is Docker's own daemon that hangs. Waiting for 10 s, the C library's default, would hold up
# every check that looks up a name in it.
ENV RES_OPTIONS="timeout:1 attempts:2"
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/health-monitor", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/health-monitor"]
CMD ["run"]
