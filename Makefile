# Thin: an environment, then one command.
SHELL := /bin/bash
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
DEMO := --configfile config/demo.yaml
# One run at a time. The kernel frees this lock whatever ends the run, so when we hold it, a lock that
# Snakemake left behind is stale.
ALONE := $(if $(shell command -v flock),flock --close --nonblock --conflict-exit-code 75 .run.lock)

.PHONY: demo test setup lint clean report

demo: setup
	@$(ALONE) sh -c 'snakemake --unlock $(DEMO) >/dev/null 2>&1; snakemake --cores all $(DEMO)'; \
	status=$$?; [ $$status -ne 75 ] || echo "Another run is at work in this folder; let it end." >&2; \
	exit $$status
	@ldae show-headline --table results/demo/tables/paper.csv \
		--representation results/demo/tables/representation.csv --report results/demo/report/index.html

test: setup
	pytest -n 2 --dist loadgroup

lint: setup
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint $(DEMO)

report: setup
	snakemake report --cores all $(DEMO)

setup: $(VENV)/.complete

$(VENV)/.complete: requirements.lock pyproject.toml
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

clean:
	rm -rf $(VENV) results .snakemake
