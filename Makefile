# Thin: an environment, then one command.
SHELL := /bin/bash
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
DEMO := --configfile config/demo.yaml
# One `make` run at a time: the kernel frees this lock whatever ends the run. It says `running` until a
# run has ended by itself, so when it still does, Snakemake's own lock is a dead run's and can go.
ALONE := $(if $(shell command -v flock),flock --close --nonblock --conflict-exit-code 75 .run.lock)
define run
	@$(ALONE) sh -c ' \
	if [ -s .run.lock ]; then snakemake --unlock $(1) >/dev/null 2>&1; fi; \
	echo running > .run.lock; snakemake --cores all $(1); status=$$?; \
	if [ $$status -lt 128 ]; then : > .run.lock; fi; exit $$status'; status=$$?; \
	if [ $$status -eq 75 ]; then echo "Another run is at work in this folder; let it end." >&2; fi; \
	exit $$status
endef

.PHONY: demo plan test test-slurm setup lint clean report docs

demo: setup
	$(call run,$(DEMO))
	@ldae show-headline --table results/demo/tables/paper.csv \
		--representation results/demo/tables/representation.csv --report results/demo/report/index.html

# Of the paper's configuration; make plan CONFIG='config/config.yaml config/demo.yaml' for the demo's.
CONFIG := config/config.yaml
plan: setup
	@ldae plan --settings $(CONFIG)

# One thread per worker: with more, workers wait for each other's, and take many times as long.
test: setup
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile

test-slurm: setup
	pytest -m "slurm or not slurm" tests/slurm

lint: setup
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint $(DEMO)

report: setup
	$(call run,report $(DEMO))

docs: setup
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

setup: $(VENV)/.complete

# The lock is complete. pip, resolving it again, would refuse it for numpy (see pyproject.toml, tool.uv).
$(VENV)/.complete: requirements.lock pyproject.toml
	python3 -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else \
		"python3 is " + sys.version.split()[0] + ": ldae needs 3.11, 3.12 or 3.13")'
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf $(VENV) results/demo site
