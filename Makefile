# The interface of the project. Everything here runs on a fresh Debian machine with Rust and Python.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help up down token test simulate simulate-undone check bench bench-tus bench-images bench-load corpus fuzz sam-local clean install

VENV := infra/local/.venv
export PYTHONPATH := infra/local
STACK := $(VENV)/bin/python -m stack
SAM := env SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sam
CARGO_DENY_VERSION := 0.20.2

# cargo-lambda always names the target. Naming it everywhere lets tests, lints and functions share what they compile.
export CARGO_BUILD_TARGET ?= $(shell rustc -vV | sed -n 's/^host: //p')

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24
	@echo "  SLUICE_PORT chooses the local stack's port (4566)."

up: install ## Build, start, deploy and check the local stack, then send a sample photo through it
	@$(STACK) up

down: install ## Stop the local stack; its data is kept for the next `make up`
	@$(STACK) down

token: install ## Print a bearer token of the local stack: make token USER=alice
	@$(STACK) token "$(USER)"

test: install ## Run every test: unit, property, contract, end to end on a deployed stack of its own
	@infra/local/test.sh

# what runs is said by the environment: SEEDS, SEED, INVARIANT, WHOLE, TABLE
simulate: ## Try every order and every fault: make simulate SEEDS=100000; make simulate SEED=42 prints its story
	SEEDS="$(SEEDS)" SEED="$(SEED)" cargo test --quiet -p sluice-testing --test simulator -- --nocapture

simulate-undone: ## Undo each mend in turn and have the simulator find it, within SEEDS seeds (20000)
	@SEEDS="$(or $(SEEDS),20000)" infra/local/undone.sh

check: install ## Formatting, lints, documentation, dependencies, the template; codecs and functions as deployed
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	@cargo deny --version >/dev/null 2>&1 || \
	  env -u CARGO_BUILD_TARGET cargo install --locked cargo-deny@$(CARGO_DENY_VERSION)
	cargo deny check bans licenses sources
	@infra/local/advisories.sh
	$(SAM) validate --lint
	$(VENV)/bin/cfn-lint template.yaml
	@echo "==> the image engine in the arithmetic of what is deployed"
	cargo test --profile release-arithmetic --package sluice-jpeg --package sluice-pixels --package sluice-media
	@infra/local/aarch64.sh

fuzz: ## Fuzz what reads a stranger's bytes: make fuzz FUZZ_SECONDS=60
	@infra/local/fuzz.sh

bench: install ## Run the benchmarks of infra/bench
	@$(MAKE) --no-print-directory -C infra/bench bench

bench-tus: install ## Uploads by tus, side by side with @tus/server
	@$(MAKE) --no-print-directory -C infra/bench tus

bench-images: install ## Derivatives of images, side by side with sharp: speed, memory, quality
	@$(MAKE) --no-print-directory -C infra/bench images

bench-load: install ## Uploads by all doors while functions are killed and the stack restarts: make bench-load COUNT=1000
	@COUNT="$(COUNT)" SEED="$(SEED)" $(MAKE) --no-print-directory -C infra/bench load

corpus: ## The image engine over a folder of files, beside Pillow: make corpus DIR=...
	@[ -e "$(DIR)" ] || { echo "say which files: make corpus DIR=..." >&2; exit 1; }
	@$(MAKE) --no-print-directory -C infra/bench corpus DIR="$(abspath $(DIR))"

sam-local: install ## Invoke every function with its event by `sam local`
	@infra/local/sam-local.sh

clean: ## Stop the local stack and remove everything that was built, installed or stored
	@[ ! -x $(VENV)/bin/python ] || $(STACK) down
	rm -rf infra/local/.state infra/local/outputs.json infra/e2e/clients/node_modules infra/e2e/clients/uppy5/node_modules infra/bench/tus/node_modules infra/bench/tus/.state infra/bench/load/.state \
	  infra/bench/images/node_modules infra/bench/images/.inputs infra/bench/corpus/.venv \
	  $(VENV) .aws-sam
	cargo clean

install: $(VENV)/.installed

$(VENV)/.installed: infra/local/requirements.txt infra/e2e/requirements.txt infra/local/constraints.txt \
  infra/e2e/clients/package-lock.json infra/local/install.sh
	@infra/local/install.sh
