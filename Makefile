# `make` alone lists the targets. What is already set up is not set up again.

SHELL := /bin/bash
PYTHON ?=
MAKEFLAGS += --no-print-directory

venv := .venv
python := $(venv)/bin/python
invoke := $(venv)/bin/invoke
is_root_on_linux := [ "$$(uname -s)" = Linux ] && [ "$$(id -u)" = 0 ]
has_chromium := $(python) -c 'import sys; from tests.support.chromium import executable; sys.exit(not executable())'
new_enough := import sys; sys.exit(sys.version_info < (3, 10))

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint clean

help:
	@echo "make venv    set up .venv with the invoke command"
	@echo "make demo    provision, deploy and smoke-test a sandbox box over SSH (root on Linux)"
	@echo "make test    unit tests, then tests on real sandbox boxes (root on Linux)"
	@echo "make lint    ruff and mypy"
	@echo "make clean   remove sandbox boxes, .venv and caches"

venv: $(venv)/.installed
	@echo "venv: ready: $(invoke) --list"

# Recipes are single shell commands, so that `set -e` and variables hold to their ends.
demo:
	@set -euo pipefail; \
	if ! { $(is_root_on_linux); }; then \
	    echo "demo: needs root on Linux (Debian or Ubuntu): run it with sudo, or in a virtual machine" >&2; \
	    exit 2; \
	fi; \
	started=$$SECONDS; \
	$(MAKE) venv; \
	step() { echo; echo "\$$ invoke $$*"; $(invoke) "$$@"; }; \
	step sandbox.up; \
	step provision --host box1; \
	step deploy --host box1; \
	step smoke --host box1; \
	echo; \
	echo "demo: done in $$((SECONDS - started)) s"; \
	echo "look around:  $(invoke) sandbox.shell"; \
	echo "remove it:    $(invoke) sandbox.down"

# One run of pytest, so that its last line counts every test.
test: $(venv)/.installed-test
	@set -euo pipefail; \
	suites="tests/unit tests/browser tests/box"; \
	if ! { $(is_root_on_linux); }; then \
	    suites="tests/unit tests/browser"; \
	    echo "test: tests/box is left out: sandbox boxes need root on Linux"; \
	fi; \
	missing=; \
	$(has_chromium) || missing="chromium fonts-dejavu-core"; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	if [ -n "$$missing" ] && { $(is_root_on_linux); } && command -v apt-get >/dev/null; then \
	    export DEBIAN_FRONTEND=noninteractive; \
	    apt-get -qq -o DPkg::Lock::Timeout=600 update </dev/null; \
	    for package in $$missing; do \
	        echo "test: installing the package $$package with apt"; \
	        apt-get -qq -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 install --no-install-recommends $$package </dev/null >/dev/null || true; \
	    done; \
	fi; \
	if ! $(has_chromium); then \
	    suites="$${suites/ tests\/browser/}"; \
	    echo "test: tests/browser is left out: there is no Chromium here, and none to be had from apt (Ubuntu has a snap alone; google-chrome will do)"; \
	fi; \
	echo "test: pytest $$suites"; \
	PATH="$(CURDIR)/$(venv)/bin:$$PATH" $(python) -m pytest --durations=10 $$suites

lint: $(venv)/.installed-test
	@failed=0; \
	check() { echo "lint: $$*"; $(venv)/bin/"$$@" || failed=1; }; \
	check ruff check .; \
	check ruff format --check .; \
	check mypy; \
	exit $$failed

clean:
	@set -e; \
	if [ -x $(invoke) ] && [ -d .onecard/sandbox ]; then $(invoke) sandbox.down --caches; fi; \
	rm -rf $(venv) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache; \
	find onecard roles tests bench tasks.py __pycache__ -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# An environment that works is kept; one whose Python is gone is made anew.
$(venv)/.made:
	@set -euo pipefail; \
	if ! $(python) -c '$(new_enough)' 2>/dev/null || ! $(python) -m pip --version >/dev/null 2>&1; then \
	    interpreter=; \
	    for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python3.10); do \
	        if "$$candidate" -c '$(new_enough)' 2>/dev/null; then interpreter=$$candidate; break; fi; \
	    done; \
	    if [ -z "$$interpreter" ]; then \
	        echo "venv: no Python 3.10 or newer is found$(if $(PYTHON), as $(PYTHON)); install one, or say make PYTHON=/path/to/python" >&2; \
	        exit 2; \
	    fi; \
	    if ! "$$interpreter" -c 'import ensurepip, venv' 2>/dev/null; then \
	        if ! { $(is_root_on_linux); } || ! command -v apt-get >/dev/null; then \
	            echo "venv: $$interpreter has no venv module: install it (Debian and Ubuntu: apt-get install python3-venv)" >&2; \
	            exit 2; \
	        fi; \
	        echo "venv: $$interpreter has no venv module; installing the package python3-venv with apt"; \
	        export DEBIAN_FRONTEND=noninteractive; \
	        apt-get -qq -o DPkg::Lock::Timeout=600 update </dev/null; \
	        apt-get -qq -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 install --no-install-recommends python3-venv </dev/null >/dev/null; \
	        if ! "$$interpreter" -c 'import ensurepip, venv' 2>/dev/null; then \
	            echo "venv: $$interpreter still has no venv module; say make PYTHON=/usr/bin/python3" >&2; \
	            exit 2; \
	        fi; \
	    fi; \
	    echo "venv: making $(venv) with $$("$$interpreter" --version)"; \
	    "$$interpreter" -m venv --clear $(venv); \
	fi; \
	touch $@

# $(call install,what,words): the tested versions, else whatever the ranges of pyproject.toml allow.
define install
	@set -euo pipefail; \
	started=$$SECONDS; \
	pip() { $(python) -m pip install -qq --no-input --disable-pip-version-check "$$@"; }; \
	echo "venv: installing $(2)"; \
	if ! pip -c constraints.txt -e '$(1)'; then \
	    echo "venv: the versions of constraints.txt do not install on $$($(python) --version); taking the newest that pyproject.toml allows"; \
	    pip -e '$(1)'; \
	fi; \
	echo "venv: installed in $$((SECONDS - started)) s"
endef

$(venv)/.installed: $(venv)/.made pyproject.toml constraints.txt
	$(call install,.,onecard and what it needs)
	@touch $@

$(venv)/.installed-test: $(venv)/.made pyproject.toml constraints.txt
	$(call install,.[test],onecard and what its tests need)
	@touch $(venv)/.installed $@
