# make help lists the targets.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup train report test check lint types contracts format docs picture sweep bench real analyze baselines paper clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv with the versions of constraints.txt

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed: make setup PYTHON=python3.12"; exit 1; }
	@echo "Setting up .venv (some minutes on the first time)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)

train: $(READY)  ## train on the embedded data; more: make train ARGS='+category=wood objective=restore'
	$(BIN)/python -m anomaly_lab.train $(or $(ARGS),+category=carpet objective=amplify)

report: $(READY)  ## a small sweep on the embedded data, then its tables, figures and page (11 minutes on two cores)
	folder=runs/$$(date +%Y-%m-%d_%H-%M-%S)_report && \
	$(BIN)/python -m anomaly_lab.train -m +sweep=small $(ARGS) hydra.sweep.dir=$$folder/sweep && \
	$(BIN)/python -m anomaly_lab.train -m +sweep=small objective=restore objective.lam=0.5 corruption=cutout seed=0 \
		$(ARGS) hydra.sweep.dir=$$folder/cutout && \
	$(BIN)/python -m anomaly_lab.report runs=$$folder

test: $(READY)  ## run the tests
	$(BIN)/python -m pytest -n 2

lint: $(READY)  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## check types
	$(BIN)/mypy

contracts: $(READY)  ## check the direction of imports
	$(BIN)/lint-imports

check: lint types contracts  ## all three

format: $(READY)  ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)  ## build docs/ and the docstrings into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

sweep: $(READY)  ## 24 short jobs, killed and started again in the middle, against a sweep that ran through (minutes)
	$(BIN)/python experiments/resumed_sweep/resumed_sweep.py

bench: $(READY)  ## measure speed and memory (at most 10 minutes) and write experiments/benchmarks/table.md and .json
	$(BIN)/python experiments/benchmarks/bench.py $(ARGS)

picture: $(READY)  ## draw README's picture from a finished run on the embedded data: make picture RUN=runs/...
	@test -n "$(RUN)" || { echo "which run? make picture RUN=runs/..."; exit 1; }
	$(BIN)/python docs/picture.py "$(RUN)"

real: $(READY)  ## the study on real photographs, resumable: make real ROOT=DIR, or with ARGS='--minutes 20 --seeds 0'
	@test -n "$(ROOT)" || { echo "where are the images? make real ROOT=DIR"; exit 1; }
	$(BIN)/python experiments/real_images/study.py "$(ROOT)" $(ARGS)

analyze: $(READY)  ## is F an orthogonal projection, and what ranks runs? resumable: make analyze ROOT=DIR (two cores)
	@test -n "$(ROOT)" || { echo "where are the images? make analyze ROOT=DIR"; exit 1; }
	$(BIN)/python experiments/projection/study.py "$(ROOT)" --jobs 2 $(ARGS)

baselines: $(READY)  ## compare published methods, 90 minutes a call, resumable: make baselines ROOT=DIR, or with ARGS='--seeds 0'
	@test -n "$(ROOT)" || { echo "where are the images? make baselines ROOT=DIR"; exit 1; }
	$(BIN)/python experiments/baselines/study.py "$(ROOT)" $(ARGS)

paper: $(READY)  ## tables 2 to 4 and the figures on MVTec AD, on a GPU, resumable: make paper DATA=DIR, first with ARGS=--dry-run
	@test -n "$(DATA)" || { echo "where is MVTec AD? make paper DATA=DIR"; exit 1; }
	$(BIN)/python experiments/paper/study.py "$(DATA)" $(ARGS)

clean:  ## remove the environment and caches; runs/ stays
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist site *.egg-info
