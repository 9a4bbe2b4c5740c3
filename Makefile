# Everything is set up inside this clone: .venv (packages) and .hokusai (tools, caches, state).
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help up down reset demo deps check test test-clients test-full

PYTHON ?= python3
TASKS ?= 1
WORKERS ?= 2
UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv),.hokusai/tools/bin/uv)

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

up: .venv/.synced ## Run the local stack in the foreground (TASKS=2 for two tasks of each service).
	@.venv/bin/hokusai infra up --tasks $(TASKS)

down: .venv/.synced ## Stop the local stack.
	@.venv/bin/hokusai infra down

reset: .venv/.synced ## Delete the local stack's state, after asking.
	@.venv/bin/hokusai infra reset

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

test: .venv/.synced ## Run the tests that need Python only (under 4 minutes).
	.venv/bin/pytest -n $(WORKERS) -m "not slow and not clients"

test-clients: .venv/.synced ## Run the tests that need other programs, such as Chromium.
	.venv/bin/pytest -n 1 -m "clients and not slow"

test-full: deps ## Run all tests, the slow ones too (within an hour).
	.venv/bin/pytest -n $(WORKERS)

.venv/.synced: uv.lock pyproject.toml app/pyproject.toml hokusai_client/pyproject.toml hokusai_infra/pyproject.toml | $(UV)
	$(UV) sync --locked --python $(PYTHON)
	@touch $@

.hokusai/tools/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv .hokusai/tools \
	  || { echo "$(PYTHON) has no venv module; install it (Debian: python3-venv) or uv itself" >&2; exit 1; }
	.hokusai/tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
