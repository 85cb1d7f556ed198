# The one list of commands. `make` alone prints it; `make test` is everything a change must pass.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
# Seconds per fuzz target in `make test`.
FUZZ_SECONDS ?= 5
TEST_LOG := target/test.log

.PHONY: help test setup fmt fmt-check lint doc test-only bench bench-smoke fuzz-smoke loadtest \
	loadtest-report loadtest-idle loadtest-reload controlplane test-cluster test-cluster-oldest test-cluster-full \
	conformance demo deny ci

help: ## Print this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

test: ## Everything a change must pass: format, lints, docs, tests, bench and fuzz smoke
	@$(MAKE) setup
	@$(MAKE) fmt-check
	@$(MAKE) lint
	@$(MAKE) doc
	@$(MAKE) controlplane
	@$(MAKE) test-only
	@$(MAKE) bench-smoke
	@$(MAKE) fuzz-smoke
	@echo
	@echo "make test: all passed. The test runner's closing lines:"
	@grep -E '^test result:' $(TEST_LOG)

setup: ## Install what the build lacks (apt-get, rustup), or say what to install
	@.ci/setup

fmt: ## Format the sources
	$(CARGO) fmt --all

fmt-check: ## Fail on unformatted sources
	$(CARGO) fmt --all --check

lint: ## Clippy on all targets; warnings are errors
	$(CARGO) clippy --locked --all-targets -- -D warnings

doc: ## Build the API pages, private items too; warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

test-only: ## Unit, integration (both drivers) and tidy tests
	@mkdir -p target
	$(CARGO) test --locked 2>&1 | tee $(TEST_LOG)

controlplane: ## Build the API server, store and helm of the cluster tests (10 minutes, once)
	@tests/controlplane/build

test-cluster: controlplane ## Only the tests against a real API server
	$(CARGO) test --locked --test cluster

test-cluster-oldest: ## What depends on the server against the oldest that can be built (once)
	@tests/controlplane/build oldest
	RINGWAY_CLUSTER_SERVER=oldest $(CARGO) test --locked --test cluster -- \
		--skip faults:: --skip rollout:: --skip scale:: --skip gateway:: \
		--skip conformance::

test-cluster-full: controlplane test-cluster-oldest ## 10,000 Ingresses, 5,000 HTTPRoutes, ten rollouts; release build
	$(CARGO) build --locked --release
	for module in scale rollout gateway; do \
		RINGWAY_CLUSTER_FULL=1 RINGWAY_BIN=$(CURDIR)/target/release/ringway \
			$(CARGO) test --locked --test cluster -- --test-threads 1 $$module::; \
	done

conformance: controlplane ## The official suite of the Gateway API, whole, both drivers: docs/conformance
	RINGWAY_CONFORMANCE=$(CURDIR)/docs/conformance \
		$(CARGO) test --locked --test cluster -- --nocapture conformance::

bench: ## Criterion benches, full length
	$(CARGO) bench --locked

bench-smoke: ## Run each bench for an instant, so that none can rot
	$(CARGO) test --locked --bench '*'

fuzz-smoke: ## Run each fuzz target for FUZZ_SECONDS seconds, seeds included
	fuzz/run $(FUZZ_SECONDS)

loadtest: ## Compare CPU per request with nginx, HAProxy and Envoy (about 30 minutes)
	loadtest/run

loadtest-report: ## The last run as tables and charts, into loadtest/RESULTS.md
	loadtest/report

loadtest-idle: ## Memory of 5,000 idle keep-alive connections
	loadtest/idle

loadtest-reload: ## 200 route and 200 endpoint changes under load; no request may fail
	loadtest/reload

demo: ## Serve the demo on 127.0.0.1:8080
	$(CARGO) run --locked --release -- demo

deny: ## Advisories, licences, sources (needs cargo-deny)
	$(CARGO) deny --locked check

ci: ## What the build server runs
	.ci/run
