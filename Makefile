# Every target works from a bare checkout on Debian with Python 3.11 or newer and builds .venv itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# More than there are processors: some tests wait for what a live server does.
WORKERS ?= 3
ARGS ?=
# What the default set-up installs.
EXTRAS := $(foreach extra,aiohttp bedrock duckdb grpc postgres redis sso,--extra $(extra))
PIP_COMPILE = CUSTOM_COMPILE_COMMAND="make lock" PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= PIP_EXTRA_INDEX_URL= \
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

.PHONY: help run test test-long lint format bench bench-peers bench-profile simulate docs real-model real-vllm sign-prices lock clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1mmake %-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# `make real-model` serves there; while it does not, its calls get a clear 502 and everything else goes on.
run: export LLAMA_CPP_BASE_URL ?= http://127.0.0.1:8081/v1
run: $(READY) ## Serve on http://localhost:4000 (ARGS="--port 5000" goes to `switchgear serve`)
	@exec $(BIN)/switchgear serve $(ARGS)

# Every worker, server and command of the suite would otherwise compile everything again.
test test-long: export PYTHONDONTWRITEBYTECODE =
test: lint ## Lint, then run the whole suite, in about five minutes on two cores (ARGS="-k sse" goes to pytest)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-long: $(READY) ## Run the whole suite with the tests marked `long`, and many more examples of each property
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --long --timeout 1800 $(ARGS)

lint: $(READY) ## Check format, lint rules, types, the floors between slices and the docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m scripts.docs --check

format: $(READY) ## Format the code and repair what ruff can repair
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(READY) ## Measure the gateway beside nginx on the same core, and print ratios and bars
	@$(BIN)/python -m bench.run $(ARGS)

bench-peers: $(READY) ## The same run with other gateways beside it, each in a folder of its own
	@$(BIN)/python -m bench.run --peers $(ARGS)

bench-profile: $(READY) ## CPU per request of the gateway, by function
	@$(BIN)/python -m bench.profile $(ARGS)

# Threads of numpy's library that wait for work are charged as if they worked.
simulate test test-long: export OPENBLAS_NUM_THREADS ?= 1
simulate: $(READY) ## False alarms and power of the drift monitors, by simulation (ARGS=--quick: to see that it works)
	@$(BIN)/python -m simulations.drift $(ARGS)

docs: $(READY) ## Render the generated parts of docs/ and check every link
	@$(BIN)/python -m scripts.docs

real-model: ## Serve SmolLM2-135M on http://127.0.0.1:8081/v1 (compiles once, for minutes; ARGS=--prebuilt does not)
	@exec scripts/real-model $(ARGS)

real-vllm: ## Serve SmolLM2-135M and a LoRA adapter with vLLM on http://127.0.0.1:8000/v1 (fetches 3.5 GB, once)
	@exec scripts/real-vllm $(ARGS)

sign-prices: $(READY) ## Sign the packaged table of prices after a change (ARGS="--key PATH" for a release)
	@$(BIN)/python -m scripts.sign_prices $(ARGS)

lock: $(READY) ## Renew requirements/*.txt from pyproject.toml (ARGS="--upgrade" takes newer versions)
	@$(PIP_COMPILE) $(ARGS) $(EXTRAS) --output-file requirements/run.txt pyproject.toml
	@$(PIP_COMPILE) $(ARGS) $(EXTRAS) --extra dev --constraint requirements/run.txt \
		--output-file requirements/dev.txt pyproject.toml

clean: ## Remove .venv, caches and build results
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist bench/build bench/results
	find src tests bench scripts simulations -name __pycache__ -type d -prune -exec rm -rf {} +

# An interrupted installation leaves no stamp, so the next `make` starts it again; a new lock does the same.
$(READY): requirements/dev.txt pyproject.toml
	@scripts/set-up $(VENV)
	@touch $@
