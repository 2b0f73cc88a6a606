# All set-up is done here: `make demo` and `make test` work on a fresh Debian 12 or 13 machine.
# The lab needs root: as another user, sudo is used for it.

SHELL := /bin/bash
SUDO := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env=CHOM_LAB_CACHE,CHOM_LAB_DEBS)
PYTHON := .venv/bin/python
LAB_TOOLS := debootstrap systemd-nspawn nft ip ssh-keygen gpg gpgconf pebble git
LAB_PACKAGES := debootstrap systemd-container nftables iproute2 openssh-client ca-certificates gnupg \
	pebble git
# The tests of a file share the machines of a lab.
TWO_LABS := -n 2 --dist loadfile --no-loadscope-reorder
# CI makes no secrets for servers that outlive it; the demo's do not.
DEMO := CI= CHOM_INVENTORY=.lab/demo/inventory.yaml

.PHONY: venv demo test unit e2e drills lint bench lab-up lab-down setup

demo: lab-up
	$(SUDO) env $(DEMO) .venv/bin/pyinfra inventory.py deploy.py -y

test: unit e2e

venv: .venv/ready

unit: .venv/ready
	$(PYTHON) -m pytest tests/unit -n auto

e2e: setup
	$(SUDO) $(PYTHON) -m pytest tests/e2e -m "not drill" --durations=12 $(TWO_LABS)

drills: setup
	$(SUDO) $(PYTHON) -m pytest tests/drills
	$(SUDO) $(PYTHON) -m pytest tests/e2e -m drill $(TWO_LABS)

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: setup
	$(SUDO) $(PYTHON) -m tests.bench

lab-up: setup
	$(SUDO) $(PYTHON) -m tests.lab up --name demo

lab-down: .venv/ready
	$(SUDO) $(PYTHON) -m tests.lab down --name demo

setup: .venv/ready
	@for tool in $(LAB_TOOLS); do \
	  PATH=$$PATH:/usr/sbin:/sbin command -v $$tool >/dev/null || missing=1; \
	done; \
	if [ -n "$$missing" ]; then \
	  $(SUDO) apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq $(LAB_PACKAGES); \
	fi

.venv/ready: requirements.lock
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; Debian 12 and 13 have it: apt-get install python3"; exit 1; }
	@python3 -c 'import ensurepip' 2>/dev/null || \
	  { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv; }
	rm -rf .venv
	python3 -m venv .venv
	.venv/bin/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	touch $@
