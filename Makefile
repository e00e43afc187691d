# Thin: an environment, then one command.
SHELL := /bin/bash
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
DEMO := --configfile config/demo.yaml

.PHONY: demo test setup lint clean report

demo: setup
	snakemake --cores all $(DEMO)
	@ldae show-headline --table results/demo/tables/paper.csv --report results/demo/report/index.html

test: setup
	pytest -n 2 --dist loadgroup

lint: setup
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint $(DEMO)

report: setup
	snakemake --cores all $(DEMO) report

setup: $(VENV)/.complete

$(VENV)/.complete: requirements.lock pyproject.toml
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

clean:
	rm -rf $(VENV) results .snakemake
