#!/usr/bin/env bash
# The gates that need no stack, quickest first.
set -euo pipefail
bash "$(dirname "${BASH_SOURCE[0]}")/prepare.sh" build checks
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

say "formatting"
cargo fmt --all --check

say "shell scripts"
shellcheck -x scripts/*.sh .ci/run compose/images/*/start*

say "dependencies: licences, bans and sources"
cargo deny --log-level error check bans licenses sources
# The advisories come from a git host, which a machine that reaches package registries only does not see.
if timeout 60 cargo deny --log-level error fetch db >"$state/advisories.log" 2>&1; then
  cargo deny --log-level error check advisories
else
  say "not checked: advisories, whose database cannot be reached from here ($state/advisories.log)"
fi

say "clippy"
cargo clippy --locked --workspace --all-targets -- -D warnings

# Of the private items too: it is written for those who change the project.
say "documentation"
RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --locked --workspace --no-deps --document-private-items

say "configuration of Prometheus, Alertmanager and Grafana"
bash config/test.sh

say "unit tests"
cargo test --locked --workspace --lib --bins
cargo test --locked --workspace --doc
