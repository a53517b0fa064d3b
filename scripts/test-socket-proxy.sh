#!/usr/bin/env bash
# test-socket-proxy.sh IMAGE: the monitor needs no more of the engine than docs/security.md says. It runs without root, with a
# read-only root and no capabilities, and never sees the engine's socket: a proxy lets through what is listed there and refuses
# the rest. Nothing of what the monitor asks may be refused, and it has to see its container all the same.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=${1:?usage: test-socket-proxy.sh IMAGE}
container=health-monitor-proxy-test
victim=$container-victim
socket=${DOCKER_SOCKET:-/var/run/docker.sock}
folder=$(mktemp -d)
proxy=

remove() {
  local result=$?
  trap - EXIT
  docker rm --force --volumes "$container" "$victim" >/dev/null 2>&1 || true
  [[ -z $proxy ]] || kill "$proxy" 2>/dev/null || true
  rm -rf "$folder"
  exit "$result"
}
trap remove EXIT
docker rm --force --volumes "$container" "$victim" >/dev/null 2>&1 || true
chmod 755 "$folder"

# The sections of a usual socket proxy, each no wider than the monitor needs it.
cat >"$folder/haproxy.cfg" <<CONFIG
global
  log stdout format raw local0
defaults
  mode http
  log global
  log-format "%ST %HM %HP"
  timeout connect 5s
  timeout client 10m
  timeout server 10m
frontend engine
  bind unix@$folder/docker.sock user root gid 65532 mode 660
  acl reads method GET HEAD
  acl allowed path_reg ^(/v[0-9.]+)?/(_ping|version|events|networks|containers/json)\$
  acl allowed path_reg ^(/v[0-9.]+)?/containers/[A-Za-z0-9_.-]+/(json|stats|logs)\$
  http-request deny deny_status 403 unless reads allowed
  default_backend docker
backend docker
  server docker unix@$socket
CONFIG
haproxy -db -f "$folder/haproxy.cfg" >"$folder/log" 2>&1 &
proxy=$!
for ((i = 0; i < 100; i++)); do
  [[ ! -S $folder/docker.sock ]] || break
  sleep 0.1
done
[[ -S $folder/docker.sock ]] || fail "the proxy does not start: $(cat "$folder/log")"

# That it refuses is seen first: a proxy that lets everything through would prove nothing.
for refused in "POST /containers/create" "GET /images/json" "GET /info" "GET /containers/x/archive" "DELETE /containers/x" "GET /secrets"; do
  code=$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$folder/docker.sock" -X "${refused% *}" "http://docker${refused#* }")
  [[ $code == 403 ]] || fail "the proxy answers $refused with $code"
done
[[ $(curl -s --unix-socket "$folder/docker.sock" http://docker/_ping) == OK ]] || fail "the proxy does not reach the engine"
before=$(wc -l <"$folder/log")

# What the proxy has logged of the monitor: status, method and path of each request.
logged() {
  tail -n "+$((before + 1))" "$folder/log"
}

# A service, so that its end is an incident, with which the container's last lines are kept.
docker run --detach --name "$victim" --label health-monitor.enable=true --entrypoint /bin/busybox "$image" sleep 600 >/dev/null
docker run --detach --name "$container" --user 65532:65532 --read-only --cap-drop ALL --security-opt no-new-privileges \
  --volume "$folder/docker.sock:/var/run/docker.sock" --env HEALTH_MONITOR__DOCKER__STATS_INTERVAL=1s "$image" >/dev/null

ask() {
  docker exec "$container" wget -q -O - "http://127.0.0.1:8000$1"
}

# sees WHAT PATH PATTERN: the answer comes to hold this within 20 s.
sees() {
  local answer=
  for ((i = 0; i < 80; i++)); do
    answer=$(ask "$2" 2>&1 || true)
    if grep -Eq "$3" <<<"$answer"; then
      return 0
    fi
    sleep 0.25
  done
  fail "behind the proxy the monitor does not see $1: $answer; $(docker logs --tail 20 "$container" 2>&1)"
}

sees "containers" /containers "\"name\":\"$victim\""
sees "their resources" "/containers/$victim" '"memory_usage_mb":[0-9]'
docker kill "$victim" >/dev/null
sees "events" "/containers/$victim" '"status":"exited"'

for ((i = 0; i < 80; i++)); do
  ! logged | grep -q '/logs' || break
  sleep 0.25
done
refused=$(logged | grep '^403 ' || true)
[[ -z $refused ]] || fail "the proxy refused what the monitor asks: $refused"
# A stream is logged when it ends, so the monitor ends first.
docker stop --time 10 "$container" >/dev/null
kind='s#^[0-9-]+ ([A-Z]+) (/v[0-9.]+)?/(containers/)[^/]+/#\1 /\3NAME/#; s#^[0-9-]+ ([A-Z]+) (/v[0-9.]+)?/#\1 /#'
asked=$(logged | sed -E "$kind" | grep -E '^[A-Z]+ /' | sed 's/^[A-Z]* //' | sort -u | paste -sd, | sed 's/,/, /g')
for path in "/version" "/events" "/containers/json" "/containers/NAME/json" "/containers/NAME/stats" "/containers/NAME/logs"; do
  [[ ", $asked," == *" $path,"* ]] || fail "the monitor did not ask for $path by the proxy, only for: $asked"
done
documented=$(sed -n '/<!-- asked of the engine -->/,/<!-- end -->/p' docs/security.md)
while IFS= read -r one; do
  grep -qF "\`$one\`" <<<"$documented" || fail "docs/security.md does not say that the monitor asks for $one"
done < <(tr , "\n" <<<"${asked//, /,}")
say "behind a socket proxy $image asks for $asked and is refused nothing"
