# The only commands a newcomer needs. Each one first provisions what is missing (tools/setup.sh).

run := tools/run.sh
# With the ROS 2 node where there is a ROS 2.
cargo := $(run) tools/cargo.sh
# One profile for everything: torch-sys is slow to build.
flags := --release --locked
lab := $(run) target/release/thalweg-lab

# What `make test` does, in this order.
stages := setup gan graphics lint deny doc test-rust gpu-check test-python test-ros

.PHONY: help demo demo-retrain demo-tracker demo-images demo-defence demo-robot programs hostile-node view view-snapshot graphics check test test-kilted msrv sbom $(stages) fault-table \
  bench bench-pose bench-gan bench-node fmt
.NOTPARALLEL:
.DEFAULT_GOAL := help

help: ## what there is to make
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

demo: programs ## invert partial poses with the shipped weights, into out/
	$(lab) demo --frames 1500 --output out

demo-retrain: programs ## record a running node, retrain its landscape, reload it, into out/retrain
	$(lab) demo-retrain --output out/retrain

demo-tracker: programs ## people as a tracker of bodies sees them, completed by the node, into out/tracker
	$(lab) demo-tracker --output out/tracker

demo-images: gan programs ## repair damaged faces, eight ways each, into out/
	$(lab) demo-images --output out

demo-defence: programs ## eight pictures attacked, repaired and classified, into out/
	$(lab) demo-defence --output out

demo-robot: programs ## a Unitree G1 whose left arm falls silent and whose right knee then lies, into out/
	$(lab) demo-robot --output out

programs: # demo and bench-node start the node as a process of its own; libraries with tasks are opened by tests
	$(cargo) build $(flags) --bins --lib

view: programs ## a window with the bundled motion, arms hidden
	$(run) target/release/thalweg_view --demo

view-snapshot: programs ## the picture and the GIF of docs/view.md, without a display, into docs/
	THALWEG_APT=1 tools/setup_graphics.sh
	$(run) target/release/thalweg_view --demo --steps 30 --headless --snapshot docs/view.png --at 3 --scale 2
	$(run) target/release/thalweg_view --demo --steps 30 --headless --size 800x450 --gif docs/view.gif --at 1 --length 5

graphics: # what tests of pictures, windows and GPUs need; without it they say that they are skipped
	@tools/setup_graphics.sh --window --compute || [ "$$CI" != true ]

check: lint ## format, clippy and unit tests, no node and no window: before a commit
	$(cargo) test $(flags) --lib

test: ## format, lints, documentation and all tests, with the seconds of each stage
	@begin=$$(date +%s); for stage in $(stages); do \
	  from=$$(date +%s); $(MAKE) --no-print-directory $$stage || exit; \
	  echo "=== stage $$stage: $$(($$(date +%s) - from)) s"; \
	done; echo "=== all: $$(($$(date +%s) - begin)) s"

# Tests of the command line and the demos start programs. Ranks of a training join by libtorch, which asks a name server for
# the name of each address: where none answers, that takes ten seconds.
test-rust: programs
	RES_OPTIONS="timeout:1 attempts:1" $(cargo) test $(flags)

gpu-check: ## try all that is prepared for a machine with a card, on software
	$(run) tools/gpu_check.sh --dry

test-python:
	$(run) tests/python.sh

test-ros: programs hostile-node
	$(run) tests/ros/run.sh

test-kilted: ## the tests that talk to the node, on ROS 2 Kilted; the next make builds for Jazzy again
	ROS_DISTRO=kilted $(MAKE) test-ros

hostile-node: # what tests start beside the programs, where there is a ROS 2
	$(run) sh -c '[ "$$THALWEG_ROS" != 1 ] || tools/cargo.sh build $(flags) --example hostile_node --example given_parameters'

fault-table: gan graphics programs hostile-node ## provoke every fault and write docs/faults.md, which no test does
	$(run) tests/ros/run.sh faults --table docs/faults.md

setup: ## provision compiler, libtorch, ROS 2 and crates, build nothing
	@tools/setup.sh
	$(run) cargo fetch --locked

gan: ## fetch the face generator and LPIPS that gan_inversion needs, into models/
	@tools/setup_gan.sh

bench: ## measure the engine
	$(cargo) bench --locked

bench-pose: programs ## compare every way to complete a pose, shipped weights, bundled motion, into out/
	$(lab) bench pose --output out/bench_pose

bench-gan: gan programs ## compare every way to invert the face generator, into out/
	$(lab) bench gan --output out/bench_gan

bench-node: programs ## measure the node, JointState in to reconstruction out
	$(lab) bench-node

fmt: ## format all code
	$(run) cargo fmt --all

lint: ## format check and clippy, warnings refused
	$(run) cargo fmt --all --check
	$(run) tools/once.sh
	$(cargo) clippy $(flags) --all-targets -- -D warnings

deny: ## licences, sources and advisories of what is built in
	$(run) tools/deny.sh

sbom: ## a bill of materials of each program, into out/sbom
	$(run) tools/sbom.sh out/sbom

msrv: ## compile with the oldest Rust that will do
	$(run) tools/msrv.sh

doc: ## the documentation of all crates, warnings refused
	RUSTDOCFLAGS="-D warnings" $(cargo) doc $(flags) --no-deps
