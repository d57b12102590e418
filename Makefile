# Needs Python 3.11 or newer, git, make and a package index; everything else is set up here.
#   make demo         a geospatial job run from a DAG on a real Airflow (KEEP=1 leaves it running)
#   make test         all tests, on Airflow 3.3 and on 2.11 where this machine's Python can run it
#   make lint         ruff and mypy
#   make lock         recompile the locked environments after a change to requirements/*.in or pyproject.toml

SHELL := /bin/bash
comma := ,

# The first of the named Pythons that starts and whose version lies in a range: $(call find_python,names,lowest,highest)
find_python = $(shell for p in $(1); do \
  "$$p" -c 'import sys; sys.exit(not ($(2) <= sys.version_info[:2] <= $(3)))' 2>/dev/null && { echo "$$p"; break; }; done)

ifeq ($(origin PYTHON),undefined)
PYTHON := $(call find_python,python3.11 python3 python3.12 python3.13 python3.14,(3$(comma)11),(3$(comma)14))
endif
# Airflow 2.11 ends at Python 3.12.
ifeq ($(origin PYTHON_2_11),undefined)
PYTHON_2_11 := $(call find_python,$(PYTHON) python3.11 python3.12,(3$(comma)11),(3$(comma)12))
endif
ifeq ($(PYTHON_2_11),)
export AIRFLOW_2_11_LEFT_OUT := Airflow 2.11 needs Python 3.11 or 3.12, and there is none here
endif

AIRFLOW_3_3 := .venv
AIRFLOW_2_11 := .venv-2.11
ENVIRONMENTS := $(AIRFLOW_3_3)/.installed $(if $(PYTHON_2_11),$(AIRFLOW_2_11)/.installed)
PYTEST_ARGS ?=
KEEP ?=

CONSTRAINTS_3_3 ?= https://raw.githubusercontent.com/apache/airflow/constraints-3.3.1/constraints-3.12.txt
CONSTRAINTS_2_11 ?= https://raw.githubusercontent.com/apache/airflow/constraints-2.11.2/constraints-3.12.txt

.PHONY: help demo test test-fast test-e2e e2e-3.3 e2e-2.11 lint format venv venv-2.11 lock clean

help:
	@sed -n 's/^#   //p' Makefile

venv: $(AIRFLOW_3_3)/.installed

venv-2.11: $(AIRFLOW_2_11)/.installed

$(AIRFLOW_3_3)/.locked: requirements/airflow-3.3.txt dev/venv.sh
	@[ -n "$(PYTHON)" ] || { echo "No Python from 3.11 to 3.14 found; name one: make PYTHON=/path/to/python3"; exit 1; }
	@dev/venv.sh "$(PYTHON)" $(AIRFLOW_3_3) $< && touch $@

$(AIRFLOW_2_11)/.locked: requirements/airflow-2.11.txt dev/venv.sh
	@[ -n "$(PYTHON_2_11)" ] || { echo "Airflow 2.11 needs Python 3.11 or 3.12; name one: make PYTHON_2_11=/path/to/python3"; exit 1; }
	@dev/venv.sh "$(PYTHON_2_11)" $(AIRFLOW_2_11) $< && touch $@

# The lock holds the build backend, so the package itself is installed without asking an index for anything.
%/.installed: %/.locked pyproject.toml
	@$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(AIRFLOW_3_3)/.installed
	@exec $(AIRFLOW_3_3)/bin/python -m dev.demo $(if $(filter-out 0,$(KEEP)),--keep)

test: $(ENVIRONMENTS)
	$(AIRFLOW_3_3)/bin/python -m pytest -m "not e2e" $(PYTEST_ARGS)
	$(if $(PYTHON_2_11),$(AIRFLOW_2_11)/bin/python -m pytest -m "not e2e" $(PYTEST_ARGS),@echo "$(AIRFLOW_2_11_LEFT_OUT)")
	@$(MAKE) --no-print-directory test-e2e

test-fast: $(AIRFLOW_3_3)/.installed
	$(AIRFLOW_3_3)/bin/python -m pytest -m "not e2e and not slow" $(PYTEST_ARGS)

# The two Airflows side by side: most of an end-to-end test is waiting, and two cores bear it.
test-e2e: $(ENVIRONMENTS)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target e2e-3.3 e2e-2.11

e2e-3.3:
	$(AIRFLOW_3_3)/bin/python -m pytest -m e2e -k "not 2.11" $(PYTEST_ARGS)

e2e-2.11:
	$(AIRFLOW_3_3)/bin/python -m pytest -m e2e -k "2.11" $(PYTEST_ARGS)

lint: $(AIRFLOW_3_3)/.installed
	$(AIRFLOW_3_3)/bin/ruff check .
	$(AIRFLOW_3_3)/bin/ruff format --check .
	$(AIRFLOW_3_3)/bin/mypy

format: $(AIRFLOW_3_3)/.installed
	$(AIRFLOW_3_3)/bin/ruff check --fix .
	$(AIRFLOW_3_3)/bin/ruff format .

# Airflow publishes its constraint files with every release; CONSTRAINTS_* take a path or an address.
LOCK := uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --no-emit-find-links --extra local pyproject.toml
lock: $(AIRFLOW_3_3)/.installed
	PATH="$(CURDIR)/$(AIRFLOW_3_3)/bin:$$PATH" $(LOCK) requirements/airflow-3.3.in -c $(CONSTRAINTS_3_3) -o requirements/airflow-3.3.txt
	PATH="$(CURDIR)/$(AIRFLOW_3_3)/bin:$$PATH" $(LOCK) requirements/airflow-2.11.in -c $(CONSTRAINTS_2_11) -o requirements/airflow-2.11.txt

clean:
	rm -rf .venv .venv-2.11 .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
