# `make` prints what there is. Each target makes the environment in .venv that it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DISCBENCH_DATA ?= $(if $(wildcard ../shared/data),$(abspath ../shared/data))
export DISCBENCH_DATA

# Scripts beside the package: what they import and call is there; of types only that.
SCRIPTS := benchmarks/*.py docs/*.py leaderboard/*.py examples/*.py
LOOSE := arg-type dict-item import-untyped misc no-any-return no-untyped-call var-annotated

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow cluster faults hub specialists lint bench docs plugins check leaderboard families clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(VENV)/run.stamp ## install, then run the main job on the embedded default (no network needed to run)
	$(BIN)/discbench eval --model builtin:tiny --tasks 'formal.*' --inits pretrained,scratch,reembedded --seeds 5 \
	    --recipe quick --results demo-results

test: $(VENV)/test.stamp ## install, then run the tests
	$(BIN)/python -m pytest -rs -n 2 --dist loadfile

test-slow: $(VENV)/test.stamp ## the tests that take minutes each
	$(BIN)/python -m pytest -m slow

cluster: $(VENV)/test.stamp ## the tests of executors on a cluster of this machine (as root; Debian's slurm-wlm and munge)
	$(BIN)/python -m pytest -rs -m cluster

faults: $(VENV)/test.stamp ## a disk that runs full (as root), and 200 times `kill -9` at random moments of sweeps with two workers
	$(BIN)/python -m pytest -rs -m slow tests/faults
	$(BIN)/python tests/faults/kills.py --kills 200

hub: $(VENV)/hub.stamp ## the tests of the model hub once more, with olah on the loopback address (three minutes)
	$(BIN)/python -m pytest -rs -m slow tests/hub

specialists: $(VENV)/specialists.stamp ## two chemistry models from their wheels (78 MB to download), and the tests of them
	$(BIN)/python -m pytest -rs tests/models/test_specialists.py

lint: $(VENV)/test.stamp ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --follow-imports=silent --no-warn-unused-ignores $(LOOSE:%=--disable-error-code=%) $(SCRIPTS)

bench: $(VENV)/test.stamp ## what a training step and a cell cost, beside Hugging Face's Trainer (ten minutes, an idle machine)
	$(BIN)/python benchmarks/step.py --rounds 3 --steps 15
	$(BIN)/python benchmarks/sweep.py --trainers 4
	$(BIN)/python benchmarks/sweep.py --memory

docs: $(VENV)/docs.stamp ## build the documentation into build/docs, warnings as errors
	$(BIN)/python -m sphinx -W --keep-going -n -E -a -b html docs build/docs

plugins: $(VENV)/test.stamp ## follow the pages on plugins and try the examples, in a fresh environment
	$(BIN)/python examples/plugins/check.py

check: lint test docs plugins ## what a pull request must pass

families: $(VENV)/test.stamp ## try every architecture of the installed transformers; writes docs/families.md (ten minutes)
	OMP_NUM_THREADS=1 $(BIN)/python docs/families.py

leaderboard: $(VENV)/test.stamp ## build the published board and its pages from the cells in leaderboard/results
	$(BIN)/discbench board --results leaderboard/results --out leaderboard
	$(BIN)/discbench site --from leaderboard --out leaderboard/site

clean: ## remove the environment, the demo's results and the built pages
	rm -rf $(VENV) demo-results build/docs

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@ $(VENV)/run.stamp

$(VENV)/hub.stamp: tests/hub/requirements.txt $(VENV)/test.stamp # apart: it wants an older psutil than the tests
	$(PYTHON) -m venv $(VENV)/hub
	$(VENV)/hub/bin/python -m pip install --quiet --disable-pip-version-check -r tests/hub/requirements.txt
	@touch $@

$(VENV)/specialists.stamp: $(VENV)/test.stamp # their files alone: what their code needs is years old
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(VENV)/specialists \
	    rxnfp==0.1.0 rxnmapper==0.4.3
	@touch $@

$(VENV)/docs.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@ $(VENV)/run.stamp
