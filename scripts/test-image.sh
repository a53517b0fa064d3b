#!/usr/bin/env bash
# test-image.sh IMAGE: the monitor's image is small, runs without root where it is in the group of Docker's socket, and ends
# in good order on TERM.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=${1:?usage: test-image.sh IMAGE}
container=health-monitor-image-test
socket=${DOCKER_SOCKET:-/var/run/docker.sock}
limit_mb=60

remove() {
  docker rm --force --volumes "$container" >/dev/null 2>&1 || true
}
trap remove EXIT
remove

size=$(docker image inspect --format '{{.Size}}' "$image")
((size < limit_mb * 1000000)) || fail "$image has $((size / 1000000)) MB, $limit_mb are the limit"

docker run --detach --name "$container" --user 65532:65532 --group-add "$(stat -c %g "$socket")" --read-only --cap-drop ALL \
  --security-opt no-new-privileges --volume "$socket:/var/run/docker.sock:ro" "$image" >/dev/null
# The first verdict of the HEALTHCHECK comes after one interval.
for ((i = 0; i < 120; i++)); do
  state=$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$container")
  [[ $state == "running starting" ]] || break
  sleep 0.5
done
[[ $state == "running healthy" ]] || fail "without root it is $state: $(docker logs --tail 20 "$container" 2>&1)"
docker exec "$container" wget -q -O - http://127.0.0.1:8000/containers | grep -q "\"$container\"" ||
  fail "without root it does not see its own container by Docker's socket"

docker stop --time 10 "$container" >/dev/null
code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
((code == 0)) || fail "it ended with exit code $code on TERM: $(docker logs --tail 20 "$container" 2>&1)"
say "$image has $((size / 1000000)) MB, runs without root and ends in good order"
