#!/usr/bin/env bash
# box.sh [--image IMAGE]... COMMAND [ARGUMENT...]
#
# Runs a command on a machine inside this one: with a network, process numbers and mounts of its own, and a Docker engine of
# its own at /var/run/docker.sock, which keeps containers alive without it (--live-restore) and holds the images named here,
# copied from this machine's engine. Ports and container names of the machine outside are out of sight, an engine inside can
# be stopped, killed and hung, and when the command ends, so does all of it.
#
# The engine inside keeps its images from one run to the next (target/demo/box). Its own settings, for tests that start and
# stop it, are in BOX_DOCKERD (the command) and BOX_DOCKERD_LOG. BOX_ENGINE=DIRECTORY/usr/sbin/dockerd takes another engine than
# the installed one, as `dpkg-deb -x` unpacks it (with its containerd and runc in the same DIRECTORY).
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

box=$state/box

outside() {
  ((EUID == 0)) || fail "a machine inside this one needs root (unshare)"
  bash scripts/prepare.sh engine box
  mkdir -p "$box"
  local lock socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
  [[ $socket == unix://* ]] || fail "images are copied from an engine on this machine only, not from DOCKER_HOST=$socket"
  # Two boxes would share one folder of images.
  exec {lock}>"$box/lock"
  flock --nonblock "$lock" || fail "another box of this target folder runs already"
  touch "$box/outer.sock"
  OUTER_SOCKET=$(realpath "${socket#unix://}") exec \
    unshare --net --mount --pid --fork --kill-child --mount-proc bash scripts/box.sh inside "$@"
}

start_engine() {
  local data=$box/docker
  if [[ -n ${BOX_ENGINE:-} ]]; then
    # Engines do not read each other's folders.
    data=$box/docker-other
    PATH=$(dirname "$BOX_ENGINE"):$(dirname "$BOX_ENGINE")/../bin:$PATH
  fi
  # Nothing that an earlier box was killed with may come to life again.
  rm -rf "$data/containers" "$data/network" "$data/volumes"
  BOX_DOCKERD="${BOX_ENGINE:-dockerd} --data-root $data --live-restore --exec-opt native.cgroupdriver=cgroupfs"
  BOX_DOCKERD_LOG=$box/dockerd.log
  export BOX_DOCKERD BOX_DOCKERD_LOG
  # shellcheck disable=SC2086  # a command and its arguments
  setsid $BOX_DOCKERD </dev/null >"$BOX_DOCKERD_LOG" 2>&1 &
  local i
  for ((i = 0; i < 240; i++)); do
    ! engine_answers || return 0
    sleep 0.25
  done
  fail "the engine of the box did not answer within 60 s (its log: $BOX_DOCKERD_LOG)"
}

outer_docker() {
  docker --host "unix://$box/outer.sock" "$@"
}

copy_images() {
  local image missing=()
  for image in "$@"; do
    [[ $(outer_docker image inspect --format '{{.Id}}' "$image") == "$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null)" ]] ||
      missing+=("$image")
  done
  ((${#missing[@]} > 0)) || return 0
  say "copying ${#missing[@]} images into the box"
  outer_docker save "${missing[@]}" | docker load --quiet >/dev/null
  docker image prune --force >/dev/null
}

inside() {
  local images=()
  while [[ ${1:-} == --image ]]; do
    images+=("${2:?--image needs a name}")
    shift 2
  done
  ip link set lo up
  mount --bind "$OUTER_SOCKET" "$box/outer.sock"
  mount -t tmpfs -o mode=755 tmpfs /run
  unset OUTER_SOCKET DOCKER_HOST
  # The crates are here; what would be fetched cannot be.
  export CARGO_NET_OFFLINE=true
  start_engine
  copy_images "${images[@]}"
  "$@"
}

if [[ ${1:-} == inside ]]; then
  shift
  inside "$@"
else
  [[ -n ${1:-} ]] || fail "usage: box.sh [--image IMAGE]... COMMAND [ARGUMENT...]"
  outside "$@"
fi
