#!/usr/bin/env bash
# The fault suite: every fault, injected into the real stack in a box.
#
#   faults.sh [ARGUMENT...]   the arguments are those of the suite (tests/faults/main.rs); without any, every fault is run
set -euo pipefail
bash "$(dirname "${BASH_SOURCE[0]}")/prepare.sh" build engine box servers
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

trap 'bash scripts/engine.sh down' EXIT
bash scripts/stack.sh build test
cargo test --locked --test faults --no-run
(($# > 0)) || set -- --all
bash scripts/stack.sh boxed test bash scripts/test-stack.sh --test faults -- "$@"
