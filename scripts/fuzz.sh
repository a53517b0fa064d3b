#!/usr/bin/env bash
# Feeds whatever reads bytes of others with mutations of tests/fixtures/corpus for FUZZ_SECONDS in all, shared by the targets
# of src/fuzz.rs. The seed is printed; FUZZ_SEED repeats a run. An input that breaks a target is left in the corpus, where every
# later test tries it first.
set -euo pipefail
bash "$(dirname "${BASH_SOURCE[0]}")/prepare.sh" build
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export FUZZ_SECONDS=${FUZZ_SECONDS:-600}
say "fuzzing for $FUZZ_SECONDS s"
# One target after the other, so that each has its share of the time and of the output.
cargo test --locked --lib fuzz:: -- --nocapture --test-threads=1
