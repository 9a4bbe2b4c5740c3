# Everything is set up inside this clone: .venv (packages) and .hokusai (tools, caches, state).
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help up promise uv down reset key demo deps check test test-clients test-full

PYTHON ?= python3
TASKS ?= 1
WORKERS ?= 2
UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv),.hokusai/tools/bin/uv)

# Serial: the promise comes before anything is installed.
.NOTPARALLEL:

# Hints then name targets; the promise is made here, before anything is installed.
up down reset key: export HOKUSAI_VIA := make
# Without bytecode the stack needs twice the time to start.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
unexport VIRTUAL_ENV
export UV_CACHE_DIR := $(CURDIR)/.hokusai/cache/uv
export UV_PYTHON_DOWNLOADS := never
export UV_COMPILE_BYTECODE := 1
export UV_LINK_MODE := hardlink
export PIP_NO_CACHE_DIR := 1

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

up: promise .venv/.synced ## Run the local stack in the foreground (TASKS=2 for two tasks of each service).
	@.venv/bin/hokusai infra up --tasks $(TASKS)

promise:
	@echo 'Local only: no AWS account is used, nothing is billed.'

down: .venv/.synced ## Stop the local stack.
	@.venv/bin/hokusai infra down

reset: .venv/.synced ## Delete the local stack's state, after asking.
	@.venv/bin/hokusai infra reset

key: .venv/.synced ## Make a new first key, where the old one was revoked or has expired.
	@.venv/bin/hokusai infra setup

demo: .venv/.synced ## Train a tiny model with the stock MLflow client against the running stack.
	@.venv/bin/python examples/quickstart.py

deps: .venv/.synced ## Install everything the checks and tests need.
	@.ci/browser

check: .venv/.synced ## Lint, format, types, import rules, lock file.
	$(UV) lock --check
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy
	set -e; for each in examples/*/; do (cd $$each && MYPYPATH=$(CURDIR) $(CURDIR)/.venv/bin/mypy \
	  --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/.mypy_cache/$$each .); done

test: .venv/.synced ## Run the tests that need Python only (under 4 minutes).
	.venv/bin/pytest -n $(WORKERS) -m "not slow and not clients"

test-clients: .venv/.synced ## Run the tests that need other programs, such as Chromium.
	.venv/bin/pytest -n 1 -m "clients and not slow"

test-full: deps ## Run all tests, the slow ones too (within an hour); then compare calls and policies.
	.venv/bin/pytest -n $(WORKERS) --check-calls

# Quiet, as a first user wants to see the stack and not its packages; what fails shows all it said.
.venv/.synced: uv.lock pyproject.toml app/pyproject.toml hokusai_client/pyproject.toml hokusai_infra/pyproject.toml
	@mkdir -p .hokusai; begun=$$(date +%s); printf '  %-16s ' packages; \
	{ $(MAKE) --no-print-directory -s uv GOALS='$(MAKECMDGOALS)' \
	  && $(UV) sync --locked --python $(PYTHON); } > .hokusai/setup.log 2>&1 \
	  || { code=$$?; echo failed; cat .hokusai/setup.log >&2; exit $$code; }; \
	printf '%5d s  in .venv\n' $$(($$(date +%s) - begun))
	@touch $@

uv: $(UV)

.hokusai/tools/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(GOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv .hokusai/tools \
	  || { echo "$(PYTHON) has no venv module; install it (Debian: python3-venv) or uv itself" >&2; exit 1; }
	@.hokusai/tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
