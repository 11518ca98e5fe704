# Every target makes the virtual environment and installs what it needs by itself, again only when needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Recorded logs, which are not part of the repository: https://github.com/han-cai/rlb-dp has campaign 2997
ADSIM_DATA ?= ../shared/data
LOG := $(ADSIM_DATA)/ipinyou-2997/test.theta.txt.gz
INFO := $(ADSIM_DATA)/ipinyou-2997/info.json
BIDDERS := ecpc,linear:b0=10,pid,feedback

.PHONY: help demo test lint bench format clean

help:
	@echo "make demo   compare mechanisms and replay a log; tables here, pictures in runs/"
	@echo "make test   all tests"
	@echo "make lint   style, types, imports between the floors"
	@echo "make bench  speed, as ratios within one run"

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "$(PYTHON) is not Python 3.11 or later: name one, make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $(READY)

demo: $(READY)
	$(BIN)/adsim compare quanzhantui --seeds 20 --out runs/quanzhantui
	$(BIN)/adsim run quickstart --out runs/quickstart
	@if [ -f $(LOG) ]; then set -x; \
	  $(BIN)/adsim replay --log $(LOG) --info $(INFO) --bidders $(BIDDERS) --out runs/replay; \
	else echo "$(LOG) is not here: replaying a log recorded from a scenario instead"; set -x; \
	  $(BIN)/adsim record display_rtb --out runs/display_rtb.log.gz && \
	  $(BIN)/adsim replay --log runs/display_rtb.log.gz --bidders ecpc,linear:b0=60,pid,feedback --c0 1/8 --out runs/replay; \
	fi
	@echo "Pictures: runs/quanzhantui, runs/quickstart, runs/replay"

test: $(READY)
	$(BIN)/python -m pytest -n auto

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python benchmarks/run.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info runs
