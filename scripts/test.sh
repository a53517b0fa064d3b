#!/usr/bin/env bash
# Everything that must pass: the gates of check.sh, then the integration tests against the real stack. What this script starts
# it stops again, whatever happens in between.
set -euo pipefail
bash "$(dirname "${BASH_SOURCE[0]}")/prepare.sh" build checks engine box servers
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

started=$SECONDS
images_pid=

clean_up() {
  local result=$?
  trap - EXIT
  if [[ -n $images_pid ]]; then
    wait "$images_pid" || true
  fi
  bash scripts/engine.sh down || result=1
  say "$( ((result == 0)) && echo passed || echo failed) after $((SECONDS - started)) s"
  exit "$result"
}
trap clean_up EXIT
# An interrupt ends the test that runs, and then this script by the way above.
trap 'exit 130' INT
trap 'exit 143' TERM

bash scripts/engine.sh up
IMAGES=$(bash scripts/images.sh choose)
export IMAGES
if [[ $IMAGES == stand-ins ]]; then
  # They wait for the network where the gates wait for the processor.
  bash scripts/images.sh stand-ins >"$state/stand-ins.log" 2>&1 &
  images_pid=$!
fi

bash scripts/check.sh

if [[ -n $images_pid ]]; then
  wait "$images_pid" || { cat "$state/stand-ins.log" >&2; fail "the stand-ins could not be built"; }
  images_pid=
fi

bash scripts/images.sh build dev
say "compiling the integration tests"
cargo test --locked --workspace --test '*' --bench '*' --no-run
# In a box, where the demo and everything else that runs on this machine is out of sight, and an engine may be stopped.
bash scripts/stack.sh boxed test bash scripts/test-stack.sh
