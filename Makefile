# Each target calls cargo or a script of scripts/, where the work is described.
#
#   make demo         the whole stack in Docker with the monitor beside it, from a bare machine
#   make demo-down    removes all of it
#   make run          the monitor alone, with its built-in configuration
#   make test         everything that must pass
#   make faults       every fault that the monitor must live through, injected into the real stack (over an hour)
#   make check        the part of it that needs no stack
#   make bench        what it costs and how fast it answers, beside peers (over an hour); PARTS="cost start" takes a part
#   make fuzz         tries what others may send for FUZZ_SECONDS (600), from another seed each time
#   make stack-up     the stack that the integration tests use, kept up for work on them
#   make stack-down   removes it
#
# NO_INSTALL=1 only says what is missing. Ports can be moved: `make demo HEALTH_MONITOR_PORT=8080`.

.DEFAULT_GOAL := help
.PHONY: help demo demo-down run test faults check bench fuzz stack-up stack-down

help:
	@sed -n 's/^#   make/  make/p' Makefile

demo:
	@bash scripts/demo.sh up

demo-down:
	@bash scripts/demo.sh down

run:
	@bash scripts/prepare.sh build
	@cargo run --release --bin health-monitor -- run

test:
	@bash scripts/test.sh

faults:
	@bash scripts/faults.sh

check:
	@bash scripts/check.sh

bench:
	@bash scripts/bench.sh $(PARTS)

fuzz:
	@bash scripts/fuzz.sh

stack-up:
	@bash scripts/stack.sh up test
	@echo "the tests find it with: set -a; . $${CARGO_TARGET_DIR:-target}/demo/test.env; set +a"

stack-down:
	@bash scripts/stack.sh down test
