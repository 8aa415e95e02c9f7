# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` are all that a newcomer needs. Everything is kept in .venv, in this folder.

# The first interpreter that really runs, is new enough, and can make environments (Debian: python3.11-venv).
CAN := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in python3 python3.11 python3.13 python3.12; do \
	$$each -c '$(CAN)' 2>/dev/null && echo $$each && break; done)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# What decides, stores and moves the door has to be tried, branch by branch.
COVERED := --cov=edge_gate.gate --cov=edge_gate.rules --cov=edge_gate.store --cov=edge_gate.relays --cov-branch \
	--cov-report=

# A file's tests stay together, in one of as many processes as there are processors, and no more than four.
TOGETHER := -n auto --maxprocesses=4 --dist loadfile

.PHONY: demo test processes coverage check docs system-test fuzz canary claims clean

demo: $(VENV)/.demo
	$(BIN)/edge-gate demo

test: $(VENV)/.test
	$(BIN)/python -m pytest tests/unit -m 'not processes' $(TOGETHER)

# Whole gates, eyes, demos and benchmarks, in real time and therefore one after another.
processes: $(VENV)/.test
	$(BIN)/python -m pytest tests/unit -m processes

# Both groups, and how much of what decides, stores and moves the door they try.
coverage: $(VENV)/.test
	@$(BIN)/python -VV
	@$(BIN)/python -m pip --disable-pip-version-check list --format=freeze
	$(BIN)/python -m pytest tests/unit -m 'not processes' $(TOGETHER) $(COVERED)
	$(BIN)/python -m pytest tests/unit -m processes $(COVERED) --cov-append --cov-fail-under=94

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

docs: $(VENV)/.test
	$(BIN)/python docs/generate.py

# The README's picture: a run of the demo that passed, or the old one stays.
.PHONY: picture
picture: $(VENV)/.demo
	$(BIN)/edge-gate demo --svg $(VENV)/demo.svg
	mv $(VENV)/demo.svg docs/demo.svg

# Needs root and the tools that .ci/run installs: virtual machines, containers, power cuts.
system-test: $(VENV)/.system
	$(BIN)/python -m pytest tests/system

# FUZZ_SECONDS=300 make fuzz: that long for each parser.
fuzz: $(VENV)/.system
	$(BIN)/python -m pytest tests/fuzz

# A few hundred pictures are part of system-test.
canary: $(VENV)/.system
	EDGE_GATE_CANARY=10000 $(BIN)/python -m pytest tests/system/test_canary.py

# The attacks that docs/threat-model.md names, as root.
claims: $(VENV)/.system
	$(BIN)/python -m pytest $$(grep -o 'tests/[a-z_/]*\.py::test_[a-z_0-9]*' docs/threat-model.md | sort -u)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv was found. Debian: apt install python3 python3-venv" \
	"(or: make PYTHON=/path/to/python)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp each, so that nothing is installed twice.
$(VENV)/.demo: setup.cfg pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV). This takes a minute or more."
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.test: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[demo,test,lint]'
	@touch $@ $(VENV)/.demo

$(VENV)/.system: $(VENV)/.test
	$(PIP) --editable '.[demo,test,lint,system]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
