# Two commands do all their own set-up: `make run` and `make test`. Both may be run again and are then quick.
#
#   make run                                  the hospital example: messy table -> report -> package
#   make run DATA=homes.csv TARGET=price      any other table
#   make example NAME=image                   a network: text, image, audio, forecast, sensor, detection, several, transfer
#   make example NAME=image FROM=folder       the same on data of yours: examples/deep/README.md
#   make loop                                 the closed loop on a drifting stream: serve, notice, retrain, roll back
#   make test                                 everything that CI checks
#   make check                                format, lint and types alone
#   make bench NAME=spine                     a benchmark, side by side with its peer
#   make bless                                accept moved code whose results did not change
#   make help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?=
TARGET ?=
NAME ?= spine
FROM ?=
# one more than cores: tests also wait, for servers, browsers and clocks
JOBS ?= 3

# threads that wait give the core back: two test processes of two spinning threads each take several times as long
export OMP_WAIT_POLICY := PASSIVE

.DEFAULT_GOAL := help
.PHONY: run example loop test check bench bless help clean

help:
	@sed -n 's/^#   //p' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Modelwright needs Python 3.11 or newer; $(PYTHON) is older. Say which: make run PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml runtime/pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip -q
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ./runtime -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/python -m pip install -q --disable-pip-version-check -e './runtime' -e '.[test]'
	@touch $@

run: $(VENV)/.run
ifeq ($(DATA),)
	@$(BIN)/python examples/hospital/run.py
else
	@$(BIN)/wright run '$(DATA)' $(if $(TARGET),--target '$(TARGET)')
endif

$(VENV)/.deep: $(VENV)/.run
	$(BIN)/python -m pip install -q --disable-pip-version-check -e './runtime' -e '.[deep]'
	@touch $@

example: $(VENV)/.deep
	@$(if $(FROM),,test -d examples/deep/$(NAME)/data ||) $(BIN)/python examples/deep/make.py '$(NAME)' $(if $(FROM),'$(FROM)')
ifeq ($(NAME),transfer)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[pretrained]'
	@$(BIN)/python examples/deep/transfer/teach.py
endif
	@$(BIN)/wright run examples/deep/$(NAME)/recipe.yaml

loop: $(VENV)/.run
	@$(BIN)/python examples/loop/run.py $(if $(FROM),--data '$(FROM)')

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

bench: $(VENV)/.test
	$(BIN)/python benchmarks/$(NAME)/run.py

bless: $(VENV)/.test
	$(BIN)/python tests/architecture/fingerprint.py --bless

clean:
	rm -rf $(VENV) .wright build dist *.egg-info runtime/*.egg-info
