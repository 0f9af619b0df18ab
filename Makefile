# Words that people and CI use alike. Each installs what it needs into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup quickstart test lint bench docs lock clean

setup: $(READY)

# The lock names every version; the project itself is added without looking at its ranges again.
$(READY): requirements.lock pyproject.toml
	@echo "Installing into $(VENV); this takes a few minutes the first time."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $(READY)

# From Python's standard library to a tuned model, and what to look at next.
quickstart: $(READY)
	$(BIN)/instructkit check recipes/quickstart.yaml
	$(BIN)/instructkit build recipes/quickstart.yaml
	$(BIN)/instructkit train recipes/quickstart.yaml

test: $(READY)
	$(BIN)/python -m pytest -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.render
	$(BIN)/python -m benchmarks.dedupe
	$(BIN)/python -m benchmarks.decontaminate
	$(BIN)/python -m benchmarks.splits
	$(BIN)/python -m benchmarks.audit
	$(BIN)/python -m benchmarks.train
	$(BIN)/python -m benchmarks.scale

# The generated pages: stages, commands, schemas. A test fails when they are not current.
docs: $(READY)
	$(BIN)/python -m docs.generate

# Resolve the ranges of pyproject.toml anew in an empty environment. torch first: it decides what the rest may be.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet torch==2.13.0
	$(VENV)-lock/bin/python -m pip install --quiet --editable '.[train,dev]'
	( echo "# Every version that 'make' installs, for Python 3.11 and later. Made by 'make lock'."; \
	  $(VENV)-lock/bin/python -m pip freeze --exclude-editable | sed 's/^torch==\([0-9.]*\).*/torch==\1/' ) > requirements.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) build dist
