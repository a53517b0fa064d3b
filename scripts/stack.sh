#!/usr/bin/env bash
# The stack in Docker, for the demo or for the tests. Both use the container names of the specification, so that only one of
# them can be up.
#
#   stack.sh up demo|test [SERVICE...]   builds its images, brings it up and waits until it is healthy
#   stack.sh start demo|test [SERVICE...]   brings it up from the images that are here
#   stack.sh build demo|test             builds its images
#   stack.sh boxed demo|test COMMAND...  runs a command in a box (box.sh) that holds its images
#   stack.sh down demo|test              removes its containers, networks and volumes
#   stack.sh compose demo|test ARGUMENT...   docker compose with the stack's files and ports
#
# What is up is described in target/demo/demo.env or test.env: `docker compose` finds the stack with these variables, and
# the tests find its addresses.
set -euo pipefail
bash "$(dirname "${BASH_SOURCE[0]}")/prepare.sh" engine
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage="usage: stack.sh up|start|build|boxed|down|compose demo|test [ARGUMENT...]"
command=${1:?$usage}
kind=${2:?$usage}
shift 2
case $kind in
  demo) profile=${PROFILE:-release} ;;
  test) profile=${PROFILE:-dev} ;;
  *) fail "$usage" ;;
esac
project=health-monitor-$kind
environment=$state/$kind.env

# Each published port by its variable, and where it is unless moved.
declare -A ports=(
  [HEALTH_MONITOR_PORT]=8000 [PROMETHEUS_PORT]=9090 [ALERTMANAGER_PORT]=9093 [GRAFANA_PORT]=3000
  [MOSQUITTO_PORT]=1883 [KAFKA_PORT]=9092 [ZOOKEEPER_PORT]=2181 [POSTGRES_PORT]=5432 [TIMESCALEDB_PORT]=5433
)

in_use() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# The demo's ports are those that people expect, so a busy one is theirs to move. The tests take what is free, each in a range
# of its own that the kernel does not give to clients.
choose_ports() {
  local variable port
  for variable in "${!ports[@]}"; do
    port=${!variable:-}
    if [[ -n $port || $kind == demo ]]; then
      port=${port:-${ports[$variable]}}
      ! in_use "$port" || fail "port $port is in use: move it with $variable=PORT"
    else
      port=$((ports[$variable] + 10000))
      while in_use "$port"; do
        port=$((port + 100))
      done
    fi
    printf '%s=%s\n' "$variable" "$port"
  done
}

# Container and network names are global in an engine: say whose they are instead of failing half-way.
refuse_foreign() {
  local name owner
  while IFS=$'\t' read -r name owner; do
    case $name in
      health-monitor | prometheus | alertmanager | grafana | mosquitto | kafka | zookeeper | postgres | timescaledb | \
        f2-simulator | mqtt-kafka-connector | data-processor | kafka-timescale-sink)
        [[ $owner == "$project" ]] ||
          fail "a container $name exists already (Compose project: ${owner:-none}): remove it first, 'make demo-down' removes the demo"
        ;;
    esac
  done < <(docker ps -a --format $'{{.Names}}\t{{.Label "com.docker.compose.project"}}')
  owner=$(docker network ls --filter 'name=^iot-network$' --format '{{.Label "com.docker.compose.project"}}/')
  [[ -z $owner || $owner == "$project/" ]] ||
    fail "a network iot-network exists already (Compose project: ${owner%/}): remove it first, 'make demo-down' removes the demo"
}

stands() {
  [[ -e $environment && -n $(docker ps -q --filter "label=com.docker.compose.project=$project") ]]
}

describe() {
  local folder=$root/compose files chosen images
  # Not inside the text below, where its failure would go unseen.
  chosen=$(choose_ports)
  images=$(bash scripts/images.sh choose)
  files=$folder/docker-compose.iot.yml:$folder/docker-compose.monitoring.yml
  [[ $images != stand-ins ]] || files+=:$folder/docker-compose.stand-ins.yml
  cat <<ENV
COMPOSE_PROJECT_NAME=$project
COMPOSE_FILE=$(printf %q "$files")
HEALTH_MONITOR_IMAGE=health-monitor:$profile
APPS_IMAGE=health-monitor-demo/apps:$profile
STACK_IMAGES=$images
$chosen
ENV
}

addresses() {
  cat <<ENV
STACK_NETWORK=iot-network
STACK_HEALTH_MONITOR_URL=http://127.0.0.1:$HEALTH_MONITOR_PORT
STACK_PROMETHEUS_URL=http://127.0.0.1:$PROMETHEUS_PORT
STACK_ALERTMANAGER_URL=http://127.0.0.1:$ALERTMANAGER_PORT
STACK_MQTT_ADDRESS=127.0.0.1:$MOSQUITTO_PORT
STACK_KAFKA_ADDRESS=127.0.0.1:$KAFKA_PORT
STACK_ZOOKEEPER_ADDRESS=127.0.0.1:$ZOOKEEPER_PORT
STACK_POSTGRES_ADDRESS=127.0.0.1:$POSTGRES_PORT
STACK_TIMESCALEDB_ADDRESS=127.0.0.1:$TIMESCALEDB_PORT
STACK_POSTGRES_USER=${POSTGRES_USER:-postgres}
STACK_POSTGRES_PASSWORD=${POSTGRES_PASSWORD:-password}
ENV
  # A client that does not find Compose by itself.
  [[ -z ${DOCKER_CONFIG:-} ]] || printf 'DOCKER_CONFIG=%q\n' "$DOCKER_CONFIG"
}

load() {
  set -a
  # shellcheck disable=SC1090  # written by this script
  source "$environment"
  set +a
}

up() {
  bash scripts/engine.sh up
  refuse_foreign
  # Said before the long part: a port that is in use.
  stands || describe >/dev/null
  build
  start "$@"
}

build() {
  local failed=0
  bash scripts/engine.sh up
  IMAGES=$(bash scripts/images.sh choose)
  export IMAGES
  if [[ $IMAGES == stand-ins ]]; then
    # They wait for the network where cargo waits for the processor.
    bash scripts/images.sh stand-ins &
    bash scripts/images.sh build "$profile" || failed=1
    wait $! || failed=1
    ((failed == 0)) || fail "the images could not be built"
  else
    bash scripts/images.sh build "$profile"
  fi
}

start() {
  local description
  # Building takes minutes, in which another stack may have come up.
  refuse_foreign
  # A stack that is up already keeps its ports.
  if ! stands; then
    description=$(describe)
    echo "$description" >"$environment"
    load
    addresses >>"$environment"
  fi
  load
  say "starting the stack ($project)"
  docker compose --progress quiet up --detach --no-build --wait --wait-timeout 180 "$@" ||
    fail "the stack did not come up: scripts/stack.sh compose $kind logs"
}

boxed() {
  local image description images=()
  IMAGES=$(bash scripts/images.sh choose)
  export IMAGES
  description=$(describe)
  while read -r image; do
    images+=(--image "$image")
  done < <(env -S "${description//$'\n'/ }" docker compose config --images | sort -u)
  exec bash scripts/box.sh "${images[@]}" "$@"
}

down() {
  [[ -e $environment ]] || return 0
  engine_answers || return 0
  load
  say "removing the stack ($project)"
  docker compose --progress quiet --profile '*' down --volumes --remove-orphans --timeout 15
  rm -f "$environment"
}

case $command in
  up | start | build | boxed | down) "$command" "$@" ;;
  compose)
    [[ -e $environment ]] || fail "the stack is not up: stack.sh up $kind"
    load
    exec docker compose "$@"
    ;;
  *) fail "$usage" ;;
esac
