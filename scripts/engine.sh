#!/usr/bin/env bash
# engine.sh up     starts a Docker engine if none answers, and remembers that it did
# engine.sh down   stops the engine that `up` started; any other is left alone
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Holds `systemd`, or the process that was started.
mark=$state/engine

wait_until_it_answers() {
  for ((i = 0; i < 120; i++)); do
    ! engine_answers || return 0
    sleep 0.25
  done
  fail "the Docker engine did not answer within 30 s (its log: $state/dockerd.log)"
}

# drop_stale_pid FILE PROGRAM: what an engine that was killed leaves blocks the next one once another process has its number.
drop_stale_pid() {
  local pid
  [[ -e $1 ]] || return 0
  pid=$(<"$1")
  if [[ $(cat "/proc/$pid/comm" 2>/dev/null) != "$2" ]]; then
    rm "$1"
  fi
}

up() {
  ! engine_answers || return 0
  [[ -z ${DOCKER_HOST:-} ]] || fail "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST"
  ((EUID == 0)) || fail "no Docker engine answers (docker version), and only root can start one"
  say "starting a Docker engine"
  if [[ -d /run/systemd/system ]]; then
    systemctl start docker
    wait_until_it_answers
    echo systemd >"$mark"
  else
    drop_stale_pid /var/run/docker.pid dockerd
    drop_stale_pid /var/run/docker/containerd/containerd.pid containerd
    setsid dockerd </dev/null >"$state/dockerd.log" 2>&1 &
    wait_until_it_answers
    cat /var/run/docker.pid >"$mark"
  fi
}

down() {
  [[ -e $mark ]] || return 0
  if engine_answers && [[ -n $(docker ps -q) ]]; then
    say "the Docker engine stays: other containers run on it"
    return 0
  fi
  local pid
  pid=$(<"$mark")
  rm "$mark"
  if [[ $pid == systemd ]]; then
    say "stopping the Docker engine"
    systemctl stop docker.socket docker
  elif [[ $(cat "/proc/$pid/comm" 2>/dev/null) == dockerd ]]; then
    say "stopping the Docker engine"
    kill "$pid"
    for ((i = 0; i < 240; i++)); do
      [[ -d /proc/$pid ]] || return 0
      sleep 0.25
    done
    fail "the Docker engine (process $pid) did not stop within 60 s"
  fi
}

case ${1:-} in
  up | down) "$1" ;;
  *) fail "usage: engine.sh up|down" ;;
esac
