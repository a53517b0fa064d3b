#!/usr/bin/env bash
# Runs a real Alertmanager with the project's configuration on a free loopback port, gives it alerts, and checks which of them
# it mutes and by which. amtool can check that the configuration reads; only this can check what it does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binary=$(command -v alertmanager || command -v prometheus-alertmanager) || {
  echo "alertmanager is missing: apt-get install --no-install-recommends prometheus-alertmanager" >&2
  exit 2
}
scratch=$(mktemp -d)
alertmanager=
finish() {
  if [ -n "$alertmanager" ] && kill "$alertmanager" 2>/dev/null; then wait "$alertmanager" || :; fi
  rm -rf "$scratch"
}
trap finish EXIT

# Tries a command every 50 ms until it succeeds, at most 10 s.
await() {
  local tries
  for ((tries = 0; tries < 200; tries++)); do
    if "$@"; then return 0; fi
    sleep 0.05
  done
  echo "gave up after 10 s: $*" >&2
  return 1
}

"$binary" --config.file=alertmanager.yml --storage.path="$scratch/data" --web.listen-address=127.0.0.1:0 \
  --cluster.listen-address= >"$scratch/log" 2>&1 &
alertmanager=$!
listening() { grep -qoP 'address=127\.0\.0\.1:\K[1-9][0-9]*' "$scratch/log"; }
await listening || { cat "$scratch/log" >&2; exit 1; }
url=http://127.0.0.1:$(grep -oP 'address=127\.0\.0\.1:\K[1-9][0-9]*' "$scratch/log" | head -n 1)

# add ALERT SEVERITY [LABEL=VALUE...]: as Prometheus sends it, from the monitor at a:8000 unless told otherwise.
add() {
  local name=$1 severity=$2
  shift 2
  jq -n --arg name "$name" --arg severity "$severity" '
    [{labels: ({alertname: $name, severity: $severity, job: "health-monitor", instance: "a:8000"}
      + ($ARGS.positional | map(split("=") | {(.[0]): .[1]}) | add // {}))}]' --args "$@" |
    curl -sSf -H 'Content-Type: application/json' --data-binary @- "$url/api/v2/alerts"
}

# The muted alerts, each with those that mute it, one a line, sorted.
muted() {
  curl -sSf "$url/api/v2/alerts" | jq -r '
    def name: "\(.labels.alertname)/\(.labels.instance)/\(.labels.service // .labels.container // "")";
    (map({(.fingerprint): name}) | add // {}) as $names
    | map(select(.status.state == "suppressed")
      | "\(name) by \(.status.inhibitedBy | map($names[.]) | sort | join(", "))") | sort | .[]'
}

add ServiceDependencyUnhealthy none service=kafka
add ServiceDown critical service=zookeeper            # the cause: not muted
add ServiceDown critical service=kafka                # its consequence
add HealthCheckFailureRatio warning service=kafka
add HealthCheckFailureRatio warning service=zookeeper # says less than the critical alert on the same service
add ServiceDegraded warning service=postgres          # nothing to do with any of it
add ServiceDown critical service=kafka instance=b:8000 # another monitor's kafka
add ContainerRestarting warning container=kafka       # no service, and so no equal service
add DockerUnavailable critical
add ServiceNotMonitored warning service=f2-simulator
add ServiceNotMonitored warning service=f2-simulator instance=b:8000 # that monitor has its Docker
add ServiceInMaintenance none service=timescaledb
add ServiceFlapping warning service=timescaledb
add HealthCheckStale warning service=mosquitto instance=b:8000
add ServiceNotMonitored warning service=mosquitto instance=b:8000
add Watchdog none

cat >"$scratch/expected" <<'EXPECTED'
HealthCheckFailureRatio/a:8000/kafka by ServiceDependencyUnhealthy/a:8000/kafka
HealthCheckFailureRatio/a:8000/zookeeper by ServiceDown/a:8000/zookeeper
ServiceDown/a:8000/kafka by ServiceDependencyUnhealthy/a:8000/kafka
ServiceFlapping/a:8000/timescaledb by ServiceInMaintenance/a:8000/timescaledb
ServiceNotMonitored/a:8000/f2-simulator by DockerUnavailable/a:8000/
ServiceNotMonitored/b:8000/mosquitto by HealthCheckStale/b:8000/mosquitto
EXPECTED
as_expected() { muted >"$scratch/muted" && cmp -s "$scratch/expected" "$scratch/muted"; }
await as_expected || { diff -u "$scratch/expected" "$scratch/muted" >&2; exit 1; }

# The monitor itself gone: everything of it is muted, and what is not of it is not.
add HealthMonitorDown critical
add SomethingElse critical service=kafka
others_left() {
  curl -sSf "$url/api/v2/alerts" |
    jq -r 'map(select(.status.state != "suppressed").labels.alertname) | unique | join(" ")' >"$scratch/left"
  [ "$(cat "$scratch/left")" = "HealthMonitorDown SomethingElse Watchdog" ]
}
await others_left || { echo "not muted by HealthMonitorDown: $(cat "$scratch/left")" >&2; exit 1; }
