# `make` alone lists the targets. A completed setup is not repeated.

SHELL := /bin/bash
PYTHON ?=
BOX ?= box
MAKEFLAGS += --no-print-directory

venv := .venv
python := $(venv)/bin/python
invoke := $(venv)/bin/invoke
is_root_on_linux := [ "$$(uname -s)" = Linux ] && [ "$$(id -u)" = 0 ]
has_chromium := $(python) -c 'import sys; from tests.support.chromium import executable; sys.exit(not executable())'
new_enough := import sys; sys.exit(sys.version_info < (3, 10))

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint audit docs report bench faults rolling cluster fuzz clean

help:
	@echo "make venv    set up .venv with the invoke command"
	@echo "make demo    provision, deploy and smoke-test a sandbox box over SSH (root on Linux);"
	@echo "             BOX=pod: one without systemd"
	@echo "make test    unit tests, then tests on real sandbox boxes (root on Linux)"
	@echo "make lint    ruff, mypy, import-linter, bandit, detect-secrets"
	@echo "make bench   onecard beside a bash script, pyinfra and Ansible on a sandbox box (half an hour)"
	@echo "make faults  provoke faults on a sandbox box, into docs/reliability.md (hours);"
	@echo "             SEED=1, ONLY='Ctrl-C', TRIES=1: repeat, choose, shorten"
	@echo "make rolling deploy, roll back and kill three sandbox boxes under load (minutes; after make demo)"
	@echo "make cluster one model over two sandbox boxes with Ray, as far as a CPU goes (minutes)"
	@echo "make fuzz    draw 10,000 and more inputs for every parser (minutes)"
	@echo "make audit   known vulnerabilities of the installed packages (needs the network)"
	@echo "make docs    write the generated files, and build the documentation into site/"
	@echo "make report  measure a sandbox box for docs/report-sandbox.html and its pictures (ten minutes)"
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
	case "$(BOX)" in \
	box) step sandbox.up ;; \
	pod) step sandbox.up --no-systemd ;; \
	*) echo "demo: BOX=$(BOX): use box, or pod for one without systemd" >&2; exit 2 ;; \
	esac; \
	for command in provision deploy smoke; do step $$command --host $(BOX)1; done; \
	echo; \
	echo "demo: done in $$((SECONDS - started)) s"; \
	echo "look around:  $(invoke) sandbox.shell --name $(BOX)1"; \
	echo "remove it:    $(invoke) sandbox.down --name $(BOX)1"

# One run of pytest, so that its last line counts every test. Its workers each have a box, and take
# the tests by the file; a box and its server need 4 GiB of memory. The long files of tests/box come
# first, and the many short ones of tests/unit last, so that the workers end together.
test: $(venv)/.installed-test
	@set -euo pipefail; \
	suites="tests/box tests/browser tests/unit"; \
	if ! { $(is_root_on_linux); }; then \
	    suites="tests/browser tests/unit"; \
	    echo "test: tests/box is left out: sandbox boxes need root on Linux"; \
	fi; \
	missing=; \
	$(has_chromium) || missing="chromium fonts-dejavu-core"; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	command -v ssh >/dev/null || missing="$$missing openssh-client"; \
	if [ -n "$$missing" ] && { $(is_root_on_linux); } && command -v apt-get >/dev/null; then \
	    export DEBIAN_FRONTEND=noninteractive; \
	    apt-get -qq -o DPkg::Lock::Timeout=600 update </dev/null; \
	    for package in $$missing; do \
	        echo "test: installing the package $$package with apt"; \
	        apt-get -qq -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 install --no-install-recommends $$package </dev/null >/dev/null || true; \
	    done; \
	fi; \
	if ! $(has_chromium); then \
	    suites="$${suites/tests\/browser /}"; \
	    echo "test: tests/browser is left out: Chromium is not installed, and apt has none (Ubuntu has only a snap); install google-chrome to run them"; \
	fi; \
	echo "test: pytest $$suites"; \
	PATH="$(CURDIR)/$(venv)/bin:$$PATH" $(python) -m pytest --durations=25 --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $$suites

# Left out of the search for secrets: recorded logs and runs, which are full of digests; the test that
# plants a token of every kind; what is generated. A planted one elsewhere has a pragma above it. Digests
# and commits are hexadecimal, and `password=` is code: their detectors would name hundreds.
searched := . ':!tests/unit/fixtures' ':!tests/unit/diagnosis/test_redaction.py' \
    ':!*.html' ':!*.schema.json' ':!*.safetensors'
secrets := $(venv)/bin/detect-secrets-hook --no-verify \
    --disable-plugin HexHighEntropyString --disable-plugin KeywordDetector

lint: $(venv)/.installed-test
	@set -o pipefail; failed=0; \
	check() { echo "lint: $$*"; $(venv)/bin/"$$@" || failed=1; }; \
	check ruff check .; \
	check ruff format --check .; \
	check mypy; \
	check lint-imports --no-cache; \
	check bandit --quiet --configfile pyproject.toml --recursive onecard roles tasks.py; \
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then \
	    echo "lint: detect-secrets"; git ls-files -z -- $(searched) | xargs -0 $(secrets) || failed=1; \
	else \
	    echo "lint: detect-secrets is left out: this is not a git clone"; \
	fi; \
	exit $$failed

# The generated files first, so that the site matches the code.
docs: $(venv)/.installed-docs
	@set -euo pipefail; \
	$(python) -m onecard.reference; \
	NO_MKDOCS_2_WARNING=1 $(venv)/bin/mkdocs build --strict; \
	echo "docs: open site/index.html"

# The page, its Markdown and its pictures, as the tool writes them.
report: $(venv)/.installed-test
	@$(python) -m tests.support.sandbox_report

# Seven rounds, in turn; REPEATS=1 is the short form.
bench: $(venv)/.installed-test
	@$(python) bench/run.py --repeats $(or $(REPEATS),7) --growth 1 4 16 64 --first-runs 3 \
	    --plots docs/assets --results bench/RESULTS.md

# A whole run writes the page anew; one with ONLY adds its tries to it.
faults: $(venv)/.installed-test
	@$(python) -m tests.faults --seed $(or $(SEED),1) --tries $(or $(TRIES),0) --only '$(ONLY)' \
	    --page docs/reliability.md

# Copies of the box of `make demo`, which has to serve; docs/many-hosts.md holds the table.
rolling: $(venv)/.installed-test
	@$(python) -m tests.rolling --boxes $(or $(BOXES),3)

cluster: $(venv)/.installed-test
	@$(python) -m pytest tests/box/test_cluster.py -m long -v

fuzz: $(venv)/.installed-test
	@$(python) -m pytest tests/unit/fuzz --hypothesis-profile fuzz --numprocesses auto --maxprocesses 4 -q

# Not in `lint`: it needs PyPI's service. --strict: a package that it does not know is a failure.
audit: $(venv)/.installed-audit
	@$(venv)/bin/pip-audit --strict --requirement constraints.txt --disable-pip --no-deps || \
	    { echo "audit: known vulnerabilities above, or no answer of PyPI's service" >&2; exit 1; }

clean:
	@set -e; \
	if [ -x $(invoke) ] && [ -d .onecard/sandbox ]; then $(invoke) sandbox.down --caches; fi; \
	rm -rf $(venv) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache; \
	find onecard roles tests bench tasks.py __pycache__ -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# A working environment is reused; one whose Python is gone is created again.
$(venv)/.made:
	@set -euo pipefail; \
	if ! $(python) -c '$(new_enough)' 2>/dev/null || ! $(python) -m pip --version >/dev/null 2>&1; then \
	    interpreter=; \
	    for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python3.10); do \
	        if "$$candidate" -c '$(new_enough)' 2>/dev/null; then interpreter=$$candidate; break; fi; \
	    done; \
	    if [ -z "$$interpreter" ]; then \
	        echo "venv: no Python 3.10 or newer is found$(if $(PYTHON), as $(PYTHON)); install one, or run make PYTHON=/path/to/python" >&2; \
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
	            echo "venv: $$interpreter still has no venv module; run make PYTHON=/usr/bin/python3" >&2; \
	            exit 2; \
	        fi; \
	    fi; \
	    echo "venv: creating $(venv) with $$("$$interpreter" --version)"; \
	    "$$interpreter" -m venv --clear $(venv); \
	fi; \
	touch $@

# $(call install,what,words): the tested versions, else whatever the ranges of pyproject.toml allow.
# editable_mode=compat: a line with the folder, where setuptools would load a finder at each start.
define install
	@set -euo pipefail; \
	started=$$SECONDS; \
	pip() { $(python) -m pip install -qq --no-input --disable-pip-version-check --config-settings editable_mode=compat "$$@"; }; \
	echo "venv: installing $(2)"; \
	if ! pip -c constraints.txt -e '$(1)'; then \
	    echo "venv: the versions of constraints.txt do not install on $$($(python) --version); taking the newest that pyproject.toml allows"; \
	    pip -e '$(1)'; \
	fi; \
	$(python) -m onecard.byte_code; \
	echo "venv: installed in $$((SECONDS - started)) s"
endef

$(venv)/.installed: $(venv)/.made pyproject.toml constraints.txt
	$(call install,.,onecard and what it needs)
	@touch $@

$(venv)/.installed-test: $(venv)/.made pyproject.toml constraints.txt
	$(call install,.[test],onecard and what its tests need)
	@touch $(venv)/.installed $@

$(venv)/.installed-docs: $(venv)/.made pyproject.toml constraints.txt
	$(call install,.[docs],onecard and what its documentation needs)
	@touch $(venv)/.installed $@

$(venv)/.installed-audit: $(venv)/.made pyproject.toml constraints.txt
	$(call install,.[audit],onecard and what audits its dependencies)
	@touch $(venv)/.installed $@
