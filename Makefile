# Two commands from a fresh clone: `make demo`, `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs claims bench clean

help: ## say what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 14

demo: $(VENV)/installed ## run the default recipe on photographs and write its report (about 5 minutes)
	$(BIN)/sparsight run photographs

test: $(VENV)/installed-test ## run the whole test suite, slow tests included
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/installed-lint ## check style, types and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/installed-docs ## build the documentation into site/, strict
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

claims: $(VENV)/installed ## write docs/claims.md and its figures from the result tables in docs/claims
	$(BIN)/python -m sparsight.reproduce._document docs/claims docs/claims.md

bench: $(VENV)/installed-test ## time the fast routines against their slow twins, as ratios in one run
	$(BIN)/python -m benchmarks

clean: ## remove the environment and what builds leave behind (runs stay)
	rm -rf $(VENV) build dist site src/*.egg-info .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) --editable '.[test]'
	@touch $@

$(VENV)/installed-lint: $(VENV)/installed-test
	$(PIP) --editable '.[test,lint]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(PIP) --editable '.[docs]'
	@touch $@
