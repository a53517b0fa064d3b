#!/usr/bin/env bash
# What the monitor costs and how fast it answers: one table, and the same as JSON
# (target/bench/results.json). Takes an hour and a quarter; ends by itself.
#
#   bench.sh [PART...]   cost, answering, noticing, share, start, nine; without any, all of them
#
# BENCH_RUNS=1 measures once instead of three times. BENCH_ONLY=TEXT takes of the cost of a check only the cases whose name
# holds the text. COLD_BUILD=0 leaves out the cold build (ten minutes). A peer is taken from the path, or from where
# BLACKBOX_EXPORTER or GATUS says; one that is not there is said to be not run.
set -euo pipefail
bash "$(dirname "${BASH_SOURCE[0]}")/prepare.sh" build engine box peers
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

parts=("$@")
((${#parts[@]} > 0)) || parts=(cost answering noticing share start nine)

wants() {
  [[ " ${parts[*]} " == *" $1 "* ]]
}

# The crates are fetched before, so that only the compiler is measured.
cold_build() {
  local folder=$state/cold began
  say "building from nothing"
  cargo fetch --locked >/dev/null 2>&1
  rm -rf "$folder"
  began=$SECONDS
  CARGO_TARGET_DIR=$folder quietly "$state/cold-build.log" cargo build --release --locked --bin health-monitor
  COLD_BUILD_SECONDS=$((SECONDS - began))
  export COLD_BUILD_SECONDS
  rm -rf "$folder"
}

trap 'bash scripts/engine.sh down' EXIT
bash scripts/engine.sh up
if wants nine || wants start; then
  # The image, and the stack that the nine services are those of.
  bash scripts/stack.sh build demo
  export HEALTH_MONITOR_IMAGE=health-monitor:release
fi
say "compiling"
# By itself, so that it is what an installation gets: without the features that tests have it compiled with.
cargo build --release --locked --bin health-monitor
HEALTH_MONITOR_BINARY=$target/release/health-monitor
BENCH_OUTPUT=$target/bench
export HEALTH_MONITOR_BINARY BENCH_OUTPUT
bench=$(cargo bench --locked --package health-monitor-benches --bench monitor --no-run --message-format=json |
  jq --raw-output 'select(.executable != null and .target.kind == ["bench"]).executable')
if wants start && [[ ${COLD_BUILD:-1} == 1 ]]; then
  cold_build
fi

# In a box: its engine has nothing else to do, and its processes are the only ones of their names.
boxed=(bash scripts/box.sh)
! wants start || boxed+=(--image "$HEALTH_MONITOR_IMAGE")
! wants nine || boxed=(bash scripts/stack.sh boxed demo)
"${boxed[@]}" "$bench" --bench "${parts[@]}"
