# lakehouse: what a person types. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
UV_VERSION := 0.13.9
BIN := .venv/bin
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header

.PHONY: help setup setup-dev demo up down test test-long check fmt bench lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.runtime ## install what the demo needs into .venv

setup-dev: .venv/.dev ## install what tests and checks need too

demo: setup ## the sample, end to end, on local services
	@$(BIN)/lakehouse demo

up: setup ## start the local services
	@$(BIN)/lakehouse up

down: setup ## stop the local services; what they hold stays
	@$(BIN)/lakehouse down

test: setup-dev ## all tests: unit, then against real PostgreSQL, MinIO, Glue and Trino
	$(BIN)/python -m pytest tests/unit -q
	$(BIN)/python -m pytest tests/integration -q

test-long: setup-dev ## the long ones: random histories, minutes of them
	$(BIN)/python -m pytest tests -q -m long

check: setup-dev ## style, types, SQL, models
	$(BIN)/ruff check lakehouse dags tests bench
	$(BIN)/ruff format --check lakehouse dags tests bench
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --nocolor queries
	$(BIN)/lakehouse lint

fmt: setup-dev ## put code and SQL into shape
	$(BIN)/ruff check --fix lakehouse dags tests bench
	$(BIN)/ruff format lakehouse dags tests bench
	$(BIN)/sqlfluff fix queries

bench: setup-dev ## measure; nothing is asserted
	$(BIN)/python bench/gate.py

lock: setup-dev ## resolve dependencies anew, with hashes and without addresses
	$(BIN)/$(LOCK) --extra local --extra demo --extra lineage --extra airflow --extra notebook --extra dev pyproject.toml -o requirements-dev.txt
	$(BIN)/$(LOCK) --extra local --extra demo --constraint requirements-dev.txt pyproject.toml -o requirements.txt

clean: ## remove the environment and caches; the local services' data stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/uv:
	@test -n "$(PYTHON)" || { echo "lakehouse needs Python 3.11 or newer, and none was found. Install it, or: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "making .venv with $$($(PYTHON) --version)" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.runtime: .venv/bin/uv requirements.txt pyproject.toml
	@echo "installing what the demo needs" >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.txt
	@echo "installing what tests and checks need" >&2
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@
