# make run    install into .venv and serve the sample policies on 127.0.0.1:8080
# make check  lint and unit tests: no root, no system packages
# make test   install what the tests need, system packages too, and run everything
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PACKAGING := setup.cfg setup.py pyproject.toml imagegate/__init__.py requirements/build.in
ARGS ?=
# Two test processes on two cores; the tests of a file share servers, so they stay in one process.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
UNIT_TESTS := $(addprefix tests/,core documents settings wiring bypass service cli)
# Exact versions with hashes come from requirements/*.txt; the package itself is added without asking any registry.
INSTALL = $(PIP) install --require-hashes -r requirements/$(1).txt && $(PIP) install --no-deps --no-build-isolation -e .
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

.NOTPARALLEL:
.PHONY: help run check test cluster-test manifests image-check dev lint coverage conformance walkthrough bench bench-report bench-admissions bench-peers docs pages single-file lock clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 24

run: $(VENV)/.installed ## install into .venv and serve the sample policies on 127.0.0.1:8080
	$(BIN)/imagegate serve $(ARGS)

check: lint ## lint and unit tests; no root, no system packages
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest -q $(PARALLEL) -m 'not programs' $(UNIT_TESTS) $(ARGS)

test: $(VENV)/.installed-test system-packages cluster-programs lint ## everything: lint, unit tests, real peers, conformance
	$(BIN)/python -m tests.run_all "$(PARALLEL)" $(ARGS)

lint: $(VENV)/.installed-test ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

coverage: $(VENV)/.installed-test ## branch coverage; all of core and documents
	$(BIN)/python -m pytest -q --cov --cov-report=term $(ARGS)
	$(BIN)/coverage report --include='imagegate/core/*,imagegate/documents/*' --fail-under=100

conformance: $(VENV)/.installed-test ## the cases that the original programs answered
	$(BIN)/python -m tests.conformance $(ARGS)

cluster-test: $(VENV)/.installed-test system-packages cluster-programs ## the tests behind a real kube-apiserver only
	$(BIN)/python -m pytest -q tests/cluster $(ARGS)

manifests: $(VENV)/.installed-test cluster-programs ## write openshift/base from the Helm chart
	@$(BIN)/python -m tests.cluster.render

image-check: $(VENV)/.installed-test ## build and run the Dockerfile without an engine; as root, with buildah and mmdebstrap
	@sh tests/system-packages.sh tests/container/system-packages.txt
	$(BIN)/python -m tests.container

walkthrough: $(VENV)/.installed-test system-packages cluster-programs ## the documented examples with real peers, in real time
	$(BIN)/python -m tests.walkthrough $(ARGS)

bench: $(VENV)/.installed-dev system-packages ## all figures, side by side with their references
	$(BIN)/python -m bench $(ARGS)

bench-report: $(VENV)/.installed-dev system-packages ## regenerate docs/performance.md and its plots
	$(BIN)/python -m bench.report $(ARGS)

bench-admissions: $(VENV)/.installed-dev system-packages cluster-programs ## pods per second through a real API server
	$(BIN)/python -m bench admissions_vs_no_webhook $(ARGS)

bench-peers: $(VENV)/.installed-dev system-packages cluster-programs ## beside PORTIERIS, GATOR and KYVERNO, if given
	$(BIN)/python -m bench.peers $(ARGS)

docs: $(VENV)/.installed-test ## the documentation as a site, in build/site; fails on a link that leads nowhere
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

pages: $(VENV)/.installed-test ## write the pages and manual pages that are made from the code
	$(BIN)/python -m tests.reference_pages
	$(BIN)/python -m tests.distribution.man_pages

single-file: $(VENV)/.installed-test ## dist/imagegate: everything but Python in one file that runs
	$(BIN)/python -m tests.distribution.single_file dist/imagegate

lock: $(VENV)/.installed-dev ## choose the newest allowed version of every dependency, and write it down with its hashes
	$(LOCK) setup.cfg requirements/build.in --extra test --extra dev --extra granian --upgrade -o requirements/dev.txt
	$(LOCK) setup.cfg requirements/build.in --extra test -c requirements/dev.txt -o requirements/test.txt
	$(LOCK) setup.cfg requirements/build.in -c requirements/dev.txt -o requirements/run.txt
	$(LOCK) setup.cfg requirements/build.in --extra otel -c requirements/dev.txt -o requirements/image.txt

dev: $(VENV)/.installed-dev ## a virtual environment with everything for working on imagegate

clean: ## remove what make made
	rm -rf $(VENV) build dist *.egg-info .coverage htmlcov .mypy_cache .pytest_cache .ruff_cache .hypothesis bench/out

.PHONY: system-packages cluster-programs
system-packages:
	@sh tests/system-packages.sh tests/system-packages.txt

cluster-programs: $(VENV)/.installed-test
	@$(BIN)/python -m tests.cluster

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or later is needed (apt-get install python3)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh tests/system-packages.sh --install python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python $(PACKAGING) requirements/run.txt
	@echo "Installing imagegate into $(VENV) ..."
	$(call INSTALL,run)
	@touch $@

$(VENV)/.installed-test: $(BIN)/python $(PACKAGING) requirements/test.txt
	@echo "Installing imagegate and what its tests need into $(VENV) ..."
	$(call INSTALL,test)
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: $(BIN)/python $(PACKAGING) requirements/dev.txt
	@echo "Installing imagegate and everything for working on it into $(VENV) ..."
	$(call INSTALL,dev)
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test
