# What a person or a CI runs; each target gets by itself what it needs. `make test` is the whole check.

PORT ?= 8787
HOST ?= 127.0.0.1
STATE ?= .heartbeat
# Under this a deploy is quick and a cold start unnoticeable; what grows past it should be a decision.
WASM_GZIPPED_MAX := $$((1156 * 1024))
CLIPPY := -- -D warnings
PYTHON := $(CURDIR)/.tools/python/bin

# The project's own Node and tools before the machine's.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
export WRANGLER_SEND_METRICS := false
# The banner asks the registry for a newer wrangler.
export WRANGLER_HIDE_BANNER := true

# Modules that a macro declares, which cargo fmt does not find.
CONSUMERS = crates/engine/src/engine/consumers/*.rs

.PHONY: help setup build dev serve test bench fmt clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the build needs: wasm target, npm packages, worker-build, wasm-bindgen
	@tools/setup.sh

build: ## make the writer for pages, and compile the Worker to build/
	@tools/build.sh

dev: ## develop on PORT (8787): rebuilds on change without optimising, with one stream ready to use
	@PROFILE=quick tools/build.sh
	@exec node tools/dev.mjs --port $(PORT)

serve: ## serve build/ on HOST (127.0.0.1) and PORT (8787), data in STATE (.heartbeat); OWNER_TOKEN, SIGNING_KEY from the environment
	@tools/setup.sh npm
	@node tools/build-browser.mjs >/dev/null
	@exec node tools/serve.mjs --with-parent --host '$(HOST)' --port '$(PORT)' --state '$(STATE)'

test: build ## check everything, fastest first
	@echo "== format"
	@cargo fmt --all --check
	@rustfmt --edition 2024 --check $(CONSUMERS)
	@echo "== lints, native with all tests"
	@cargo clippy --quiet --workspace --all-targets $(CLIPPY)
	@echo "== lints, wasm"
	@cargo clippy --quiet --lib --target wasm32-unknown-unknown $(CLIPPY)
	@echo "== types of the JavaScript"
	@tsc
	@echo "== unit tests and whole-system tests"
	@cargo test --workspace
	@tools/python.sh
	@echo "== browser tests"
	@node --test --test-concurrency=3 --test-reporter=spec 'tests/browser/*.test.mjs'
	@echo "== browser tests, in a language from right to left"
	@BROWSER_LOCALE=he-IL node --test --test-concurrency=3 --test-reporter=dot 'tests/browser/{chart,demo,owner-page,reader}.test.mjs'
	@echo "== python: types"
	@cd clients/python && $(PYTHON)/ruff check --quiet --no-cache && $(PYTHON)/ruff format --quiet --no-cache --check && \
		$(PYTHON)/mypy --cache-dir ../../target/mypy
	@echo "== python: tests"
	@cd clients/python && $(PYTHON)/pytest --quiet
	@echo "== deploy, dry run"
	@wrangler deploy --dry-run --outdir target/deploy
	@echo "== size of the wasm"
	@size=$$(gzip -9 -c build/index_bg.wasm | wc -c); echo "$$size bytes gzipped, at most $(WASM_GZIPPED_MAX)"; \
		test $$size -le $(WASM_GZIPPED_MAX)

bench: build ## measure against hand-written JavaScript on the same runtime, a few minutes; also in target/bench.json
	@cargo bench --quiet --bench system
	@cargo bench --quiet --bench micro
	@node benches/browser/load.mjs

fmt: ## format the Rust and Python code
	@cargo fmt --all
	@rustfmt --edition 2024 $(CONSUMERS)
	@tools/python.sh
	@$(PYTHON)/ruff format --quiet --no-cache clients/python

clean: ## delete what was built; tools, packages and data stay
	@rm -rf build target public/heartbeat.js public/heartbeat.js.map
