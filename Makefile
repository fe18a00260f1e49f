# From a fresh clone: `make demo`, `make test`. Before a change lands: `make check`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Python compiles what it imports; to compile everything that is installed takes longer than to install it.
PIP := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo check test test-slow lint format docs claims bench structure clean

help: ## say what each target does
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 17

demo: $(VENV)/installed ## prune on a random field and on natural textures, and write a report of each (about 4 minutes)
	$(BIN)/sparsight run nlgp-2d
	$(BIN)/sparsight run textures

check: lint docs test test-slow ## do everything that CI does

test: $(VENV)/installed-test ## run the tests, without the slow ones (about 18 minutes on 2 cores)
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/installed-test ## run the slow tests: killed runs, full disks, Slurm, every page of the documentation
	$(BIN)/python -m pytest -n 2 -m slow

lint: $(VENV)/installed-lint ## check style, types and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/installed-lint ## sort imports and format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed-docs ## build the documentation into site/, strict
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

claims: $(VENV)/installed ## write docs/claims.md, its figures and the results in other pages from the tables in docs/claims
	$(BIN)/python -m sparsight.reproduce docs/claims docs/claims.md README.md docs/index.md docs/science.md docs/instruments.md docs/tickets.md docs/probes.md docs/rules.md docs/ensembles.md docs/decisions.md

bench: $(VENV)/installed-test ## time the fast routines against their slow twins, as ratios in one run
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks # sections that use more threads set their number

structure: $(VENV)/installed ## count files, long functions, parameters, public names and comments in src
	$(BIN)/python -m benchmarks.structure

clean: ## remove the environment and what builds leave behind (runs stay)
	rm -rf $(VENV) build dist site src/*.egg-info .mypy_cache .pytest_cache .ruff_cache

# An environment begins with the pip of its Python, which can be years old and slower; it does as well.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	-$(PIP) --upgrade pip

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
