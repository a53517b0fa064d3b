#!/usr/bin/env bash
# demo.sh up     brings up the whole stack with the monitor beside it, waits until every service is healthy and data arrives, and
#                says where to look
# demo.sh down   removes containers, volumes and images, and the engine if `up` started it
set -euo pipefail
bash "$(dirname "${BASH_SOURCE[0]}")/prepare.sh" engine
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

health() {
  docker exec health-monitor wget -q -O - http://127.0.0.1:8000/health 2>/dev/null
}

rows() {
  docker exec timescaledb psql -U "${POSTGRES_USER:-postgres}" -Atc 'SELECT count(*) FROM device_averages' 2>/dev/null || echo 0
}

# wait_for SECONDS COMMAND...
wait_for() {
  local limit=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < limit)) || return 1
    sleep 1
  done
}

all_healthy() {
  health | grep -Eq '^\{\s*"status"\s*:\s*"healthy"'
}

rows_arrive() {
  (($(rows) > 0))
}

up() {
  bash scripts/stack.sh up demo
  set -a
  # shellcheck disable=SC1091  # written by stack.sh
  source "$state/demo.env"
  set +a
  local up_since=$SECONDS
  say "waiting for the monitor's verdict and for the first rows"
  wait_for 60 all_healthy || fail "not every service is healthy 60 s after the stack came up: $(health)"
  wait_for 60 rows_arrive || fail "no row has arrived in timescaledb: scripts/stack.sh compose demo logs"
  say "every service is healthy and rows arrive, $((SECONDS - up_since)) s after the stack came up"
  cat <<TEXT

Health     $STACK_HEALTH_MONITOR_URL/health
A service  $STACK_HEALTH_MONITOR_URL/health/kafka
Containers $STACK_HEALTH_MONITOR_URL/containers
Metrics    $STACK_HEALTH_MONITOR_URL/metrics
Prometheus $STACK_PROMETHEUS_URL/alerts
Alerts     $STACK_ALERTMANAGER_URL
TEXT
  if [[ $STACK_IMAGES == official ]]; then
    echo "Grafana    http://127.0.0.1:$GRAFANA_PORT (admin, ${GRAFANA_PASSWORD:-admin})"
  else
    cat <<TEXT

The official images could not be pulled, so that stand-ins made from Debian's packages run in their place: timescaledb is plain
PostgreSQL without the extension, and Grafana is left out, because Debian has none.
TEXT
  fi
  cat <<TEXT

Turn something off and watch:   docker stop kafka; curl $STACK_HEALTH_MONITOR_URL/health
Rows in timescaledb so far:     $(rows)
Remove everything again:        make demo-down
TEXT
}

down() {
  if engine_answers; then
    bash scripts/stack.sh down demo
    if [[ -e $state/test.env ]]; then
      say "the images stay: the tests' stack uses them (make stack-down)"
    else
      bash scripts/images.sh remove
    fi
  fi
  bash scripts/engine.sh down
}

case ${1:-} in
  up | down) "$1" ;;
  *) fail "usage: demo.sh up|down" ;;
esac
