#!/usr/bin/env bash
# images.sh choose          prints `official` where the official images are here or can be pulled, else `stand-ins`
# images.sh stand-ins       builds the stand-ins from Debian's packages and Kafka's published jars
# images.sh build PROFILE   compiles with cargo's PROFILE and builds the images of the monitor and of the applications
#                           (BINARIES=compiled compiles inside the image, as on other systems than Debian bookworm)
# images.sh remove          removes the images that this script made and those that it pulled
set -euo pipefail
bash "$(dirname "${BASH_SOURCE[0]}")/prepare.sh" engine
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

debian=health-monitor-demo/debian:bookworm
# By this label, what a newer build has replaced is found again. It is none of those by which the monitor finds services.
label=made-for=health-monitor
applications=(f2-simulator mqtt-kafka-connector data-processor kafka-timescale-sink)

exists() {
  docker image inspect "$1" >/dev/null 2>&1
}

official_images() {
  docker compose -f compose/docker-compose.iot.yml -f compose/docker-compose.monitoring.yml config --images |
    grep -v health-monitor | sort -u
}

# One quick attempt decides for all: registries are reached or they are not.
choose() {
  if [[ -n ${IMAGES:-} ]]; then
    echo "$IMAGES"
    return
  fi
  local image missing=()
  for image in $(official_images); do
    exists "$image" || missing+=("$image")
  done
  if ((${#missing[@]} == 0)); then
    echo official
  elif timeout 30 docker pull -q "${missing[0]}" >"$state/pull.log" 2>&1; then
    printf '%s\n' "${missing[@]}" >>"$state/pulled"
    echo official
  else
    say "official images cannot be pulled here ($(tail -n 1 "$state/pull.log"))"
    echo stand-ins
  fi
}

# build_image NAME CONTEXT ARGUMENT...
build_image() {
  local name=$1 context=$2
  shift 2
  quietly "$state/image-$(tr /: -- <<<"$name").log" docker buildx build --load --progress=plain \
    --label "$label" --tag "$name" "$@" "$context"
}

remove_replaced() {
  docker image prune --force --filter "label=$label" >/dev/null
}

build_debian() {
  # The stand-ins and the monitor's image are built side by side, and both begin with this one.
  local lock
  exec {lock}>"$state/debian.lock"
  flock "$lock"
  if exists "$debian"; then
    exec {lock}>&-
    return
  fi
  bash scripts/prepare.sh images
  say "building $debian"
  # In memory where there is room: half the time.
  local tree archive
  tree=$(mktemp -d -p "$([[ -w /dev/shm && $(df --output=avail -k /dev/shm | tail -n 1) -gt 1000000 ]] && echo /dev/shm || echo "$state")")
  # shellcheck disable=SC2064  # the folder's name as it is now
  trap "rm -rf '$tree'" EXIT
  # debootstrap has a mirror of its own where the machine has none.
  archive=$(debian_mirror)
  quietly "$state/debootstrap.log" debootstrap --variant=minbase bookworm "$tree" ${archive:+"$archive"}
  # The machine's own mirrors, with its updates, where it runs the same release.
  if [[ $(release) == bookworm ]]; then
    # shellcheck disable=SC2016  # apt's own variables
    apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
      sort -u >"$tree/etc/apt/sources.list"
  fi
  rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/* "$tree"/usr/share/{doc,locale,man}/*
  tar -C "$tree" -c . | docker import --change 'CMD ["bash"]' - "$debian" >/dev/null
  rm -rf "$tree"
  trap - EXIT
  exec {lock}>&-
}

build_kafka_and_zookeeper() {
  local context=$state/kafka name
  mkdir -p "$context"
  cp compose/images/kafka/* "$context/"
  # With the machine's own Maven, which knows its proxies, mirrors and certificate authorities.
  if [[ ! -e $context/jars/complete-$(md5sum <"$context/pom.xml" | cut -c -12) ]]; then
    rm -rf "$context/jars"
    quietly "$state/maven.log" mvn -B -q -f "$context/pom.xml" dependency:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$context/jars"
    touch "$context/jars/complete-$(md5sum <"$context/pom.xml" | cut -c -12)"
  fi
  for name in kafka zookeeper; do
    build_image "health-monitor-demo/$name" "$context" --build-arg BASE="$debian" --target "$name"
  done
}

stand_ins() {
  bash scripts/prepare.sh images
  build_debian
  local name
  for name in mosquitto postgres prometheus alertmanager; do
    say "building health-monitor-demo/$name"
    build_image "health-monitor-demo/$name" "compose/images/$name" --build-arg BASE="$debian"
  done
  docker tag health-monitor-demo/postgres health-monitor-demo/timescaledb-stand-in
  say "building health-monitor-demo/kafka and health-monitor-demo/zookeeper"
  build_kafka_and_zookeeper
}

# Rust for the compiled stage where its official image cannot be had: the machine's own toolchain, and the crates of
# Cargo.lock, so that nothing needs to be fetched inside.
build_rust() {
  local context=$state/rust
  say "building health-monitor-demo/rust"
  mkdir -p "$context/cargo"
  cp compose/images/rust/Dockerfile "$context/"
  rm -rf "$context/toolchain"
  mkdir "$context/toolchain"
  tar -C "$(rustc --print sysroot)" --exclude=./share -c . | tar -C "$context/toolchain" -x
  CARGO_HOME=$context/cargo quietly "$state/cargo-fetch.log" cargo fetch --locked
  rm -rf "$context/cargo/registry/src"
  build_image health-monitor-demo/rust "$context" --build-arg BASE="$debian"
  rm -rf "$context"
}

build() {
  local profile=$1 base=debian:bookworm-slim images arguments context folder
  images=$(choose)
  if [[ $images == stand-ins ]]; then
    build_debian
    base=$debian
  fi
  arguments=(--build-arg BASE="$base" --build-arg PROFILE="$profile")
  if [[ ${BINARIES:-prebuilt} == prebuilt && $(release) == bookworm ]] && has cargo; then
    # What runs here runs in the image too, which is of the same release: nothing is compiled twice.
    bash scripts/prepare.sh build
    say "compiling (profile $profile)"
    # One call for both: the examples' development dependencies would otherwise have everything compiled a second time.
    cargo build --locked --profile "$profile" --bin health-monitor "${applications[@]/#/--example=}"
    folder=$target/${profile/#dev/debug}
    context=$state/binaries-$profile
    rm -rf "$context"
    mkdir "$context"
    cp "$folder/health-monitor" "${applications[@]/#/$folder/examples/}" "$context/"
    arguments+=(--file Dockerfile --build-arg BINARIES=prebuilt)
  else
    context=.
    if [[ $images == stand-ins ]]; then
      has cargo || fail "neither an image with Rust nor cargo can be had here: install Rust"
      build_rust
      arguments+=(--build-arg RUST=health-monitor-demo/rust)
    fi
  fi
  say "building health-monitor:$profile and health-monitor-demo/apps:$profile"
  build_image "health-monitor:$profile" "$context" "${arguments[@]}" --target health-monitor
  build_image "health-monitor-demo/apps:$profile" "$context" "${arguments[@]}" --target apps
  remove_replaced
}

remove() {
  local image
  {
    docker image ls --format '{{.Repository}}:{{.Tag}}' --filter reference='health-monitor-demo/*'
    docker image ls --format '{{.Repository}}:{{.Tag}}' --filter reference=health-monitor
    cat "$state/pulled" 2>/dev/null || true
  } | sort -u | while read -r image; do
    docker image rm "$image" >/dev/null || say "image $image stays: something else uses it"
  done
  remove_replaced
  rm -f "$state/pulled"
}

case ${1:-} in
  choose | remove | build) "$@" ;;
  stand-ins) stand_ins ;;
  *) fail "usage: images.sh choose|stand-ins|build PROFILE|remove" ;;
esac
