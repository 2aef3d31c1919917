# Fresh machine: `make study` or `make test` sets up .venv once, then works offline.
.DEFAULT_GOAL := help
.PHONY: help study test lint docs

VENV := .venv
BIN := $(VENV)/bin
OUT ?= runs/nano
ARGS ?=
OK := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c '$(OK)' && echo $$p && break; done)

help:  ## Show what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

study: $(VENV)/.study  ## Run the whole study on the built-in subject; opens on runs/nano/report.html (ARGS='...' adds options)
	@echo "Running the study into $(OUT)"
	@$(BIN)/eyechart study --out $(OUT) $(ARGS)

test: lint  ## Check style and types, then run the tests
	@echo "Running the tests"
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist loadfile

lint: $(VENV)/.dev  ## Check style and types
	@echo "Checking style and types"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: $(VENV)/.dev  ## Build the documents as a site into build/docs; a broken link is an error
	@$(BIN)/sphinx-build -W --keep-going -q docs build/docs
	@echo "open build/docs/index.html"

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Eyechart needs Python 3.11 or newer; install it, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; fi
	@echo "Creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }

# A stamp is newer than what it was installed from, so a second call asks pip (and the network) for nothing.
$(VENV)/.study: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Eyechart and what the study needs into $(VENV) (once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[study]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Eyechart and what its tests need into $(VENV) (once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.study $@
