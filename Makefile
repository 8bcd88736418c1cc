# The only commands a newcomer needs. Each one first provisions what is missing (tools/setup.sh).

run := tools/run.sh
cargo := $(run) cargo
# One profile for everything: torch-sys is slow to build.
flags := --release --locked

.PHONY: help demo test setup bench fmt lint
.DEFAULT_GOAL := help

help: ## what there is to make
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

demo: ## invert partial poses with the shipped weights, into out/
	$(cargo) run $(flags) --bin thalweg -- demo --output out

test: lint ## format, lints and all tests
	$(cargo) test $(flags) --workspace

setup: ## provision compiler, libtorch and crates, build nothing
	@tools/setup.sh
	$(cargo) fetch --locked

bench: ## measure the engine
	$(cargo) bench --locked

fmt: ## format all code
	$(cargo) fmt --all

lint: ## format check and clippy, warnings refused
	$(cargo) fmt --all --check
	$(cargo) clippy $(flags) --workspace --all-targets -- -D warnings
