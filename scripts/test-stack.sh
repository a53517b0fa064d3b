#!/usr/bin/env bash
# The integration tests, on the stack that this script brings up from the images that are here and removes again.
#
#   test-stack.sh [ARGUMENT...]   the arguments are cargo test's own; without any, all integration tests run
#
# test.sh runs it in a box; on a machine whose engine holds the images (make stack-up) it runs as it is.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

clean_up() {
  local result=$?
  trap - EXIT
  ((result == 0)) || [[ ! -e $state/test.env ]] || bash scripts/stack.sh compose test logs --no-color >"$state/test-stack.log" 2>&1 || true
  bash scripts/stack.sh down test || result=1
  ((result == 0)) || say "what the stack said: $state/test-stack.log"
  exit "$result"
}
trap clean_up EXIT
# An interrupt ends the test that runs, and then this script by the way above.
trap 'exit 130' INT
trap 'exit 143' TERM

bash scripts/stack.sh start test
set -a
# shellcheck disable=SC1091  # written by stack.sh
source "$state/test.env"
set +a

if (($# > 0)); then
  cargo test --locked --workspace "$@"
else
  say "the monitor's image"
  bash scripts/test-image.sh "$HEALTH_MONITOR_IMAGE"
  bash scripts/test-socket-proxy.sh "$HEALTH_MONITOR_IMAGE"
  say "integration tests, and a smoke run of the benchmarks"
  cargo test --locked --workspace --test '*' --bench '*'
fi
