# Needs Python 3.11 to 3.14, git, make and a package index; everything else is set up here.
#   make demo       a geospatial job, run from a DAG on a real Airflow (KEEP=1 leaves it running)
#   make test-unit  pure decisions, without Airflow
#   make test       the tests that each change must pass, end to end on Airflow 3.3 included
#   make matrix     all other tests: other versions of Airflow and Python, Spark, browsers, installs
#   make lint       ruff, mypy and zizmor; "make format" fixes what ruff can
#   make docs       the documentation as HTML, in docs/_build/html
#   make dist       wheels, source distributions and SBOMs, checked (TAG=v0.1.0 must agree with the version)
#   make bench      what the provider costs, compared with the official provider, in forty minutes
#   make mutants    changes to decisions that no test notices, in hours
#   make test-at-size  500 runs at once on PostgreSQL, Redis and Celery, with kills: hours
#   make venv       .venv for development, with both packages editable
#   make lock       pin again, after a change to the dependencies in a pyproject.toml
#   make clean      remove all generated files
# ARGS are for pytest; ENVIRONMENTS are names of tox.ini, for "make matrix".

SHELL := /bin/bash
# The caller may have set these for another uv.
unexport UV_PYTHON UV_SYSTEM_PYTHON
# Pythons of pyenv and uv that are not on the path are found too.
space := $() $()
FOLDERS := $(wildcard $(HOME)/.pyenv/versions/3.1[1-4].*/bin $(HOME)/.local/share/uv/python/cpython-3.1[1-4].*/bin)
SEARCHED := $(PATH)$(subst $(space),,$(FOLDERS:%=:%))
export PATH := $(CURDIR)/build/tox/bin:$(SEARCHED)
# The first that works and makes environments: there are stubs that fail, and Debian has ensurepip in a package of its own.
first = $(shell PATH="$(SEARCHED)"; for each in $$(type -Pa $(1)); do "$$each" -c 'import ensurepip' 2>/dev/null && echo "$$each" && break; done)
ifndef PYTHON
PYTHON := $(call first,python3.11 python3.12 python3.13 python3.14)
$(if $(PYTHON),,$(error No Python 3.11 to 3.14 can be used: install one, with its module ensurepip))
endif
export PYTHON
# Airflow 2.11 and 3.0 and the official provider do not install on Python 3.13.
OLDER_PYTHON := $(or $(shell "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info >= (3, 13))' && echo "$(PYTHON)"),$(call first,python3.11 python3.12))
ifeq ($(OLDER_PYTHON),)
LEFT_OUT := @echo "Airflow 2.11 and 3.0 are left out: they need Python 3.11 or 3.12, and there is none."
else
export OLDER_PYTHON
endif
# Packages come from pip's index, certificates and Pythons from this machine.
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := true
INDEX := $(or $(PIP_INDEX_URL),$(shell "$(PYTHON)" -m pip config get global.index-url 2>/dev/null))
ifneq ($(INDEX),)
export UV_DEFAULT_INDEX ?= $(INDEX)
endif
TOX := tox run -q
ARGS ?=
KEEP ?=
# How many environments run at the same time: on two cores three, as half of the time is waiting.
JOBS ?= 3
# In CI no environment is left out.
ifdef CI
PARALLEL := tox run-parallel --skip-missing-interpreters=false --parallel $(JOBS) --parallel-no-spinner
else
PARALLEL := tox run-parallel --parallel $(JOBS)
endif

.PHONY: help demo test-unit test matrix lint docs format dist bench mutants test-at-size venv lock clean tree
help:
	@sed -n 's/^#   //p' Makefile

build/tox/.installed: requirements/tox.txt
	@"$(PYTHON)" -m venv --clear build/tox
	@build/tox/bin/python -m pip install --quiet --disable-pip-version-check -r $< && touch $@

# Folders too, because a deleted file changes only its folder.
SOURCES := $(shell find airflow_provider_wherobots local_server/wherobots_local -not -path '*__pycache__*') \
  $(wildcard pyproject.toml README.md LICENSE local_server/pyproject.toml local_server/*.md local_server/LICENSE)
build/wheels/.built: $(SOURCES) build/tox/.installed
	@rm -rf build/wheels
	@for project in . local_server; do uv build --quiet --wheel --build-constraint requirements/tools.txt --out-dir build/wheels $$project || exit 1; done
	@touch $@

# tox does not notice changes in the files that pin.
.tox/.pinned: $(wildcard requirements/*.txt requirements/constraints/*.txt)
	@rm -rf .tox && mkdir .tox && touch $@

tree: build/wheels/.built .tox/.pinned
	@build/tox/bin/python -m dev.tree

demo: tree
	@$(TOX) -e wherobots-local,demo-airflow3.3 -- $(if $(filter-out 0,$(KEEP)),--keep)

test-unit: tree
	@$(TOX) -e unit -- $(ARGS)

test: tree
	$(LEFT_OUT)
	@$(PARALLEL) -m test -- $(ARGS)

# Two environments are only used by others.
matrix: tree
	$(LEFT_OUT)
	@$(TOX) -e wherobots-local,official-airflow3.3
	@$(PARALLEL) $(if $(ENVIRONMENTS),-e $(ENVIRONMENTS),-m matrix) -- $(ARGS)

lint: tree
	@$(TOX) -e lint-airflow3.3,types-server

docs: tree
	@$(TOX) -e docs-airflow3.3

format: tree
	@tox exec -q -e lint-airflow3.3 -- ruff format .
	@tox exec -q -e lint-airflow3.3 -- ruff check --fix .

bench: tree
	@$(TOX) -e wherobots-local,official-airflow3.3,bench-airflow3.3 -- $(or $(ARGS),--docs)

mutants: tree
	@$(TOX) -e mutants,mutants-airflow3.3 -- $(ARGS)

test-at-size: tree
	@dev/debian_services.sh
	@$(TOX) -e wherobots-local,size-airflow3.3 -- $(ARGS)

dist: build/tox/.installed
	@dev/dist.sh $(TAG)

venv: build/tox/.installed
	@uv venv --quiet --clear --python "$(PYTHON)" .venv
	@uv pip install --quiet --python .venv -c requirements/constraints/airflow-3.3.1.txt -c requirements/tools.txt \
	  --group dev apache-airflow==3.3.1 -e '.[sql]' -e local_server

# Airflow's constraint file pins the packages that it names. tools.txt pins the others next to Airflow, and DuckDB as
# server.txt does, because an environment has both files. The server stays with DuckDB 1: 2 has no spatial extension yet.
LOCK := uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate
lock: build/tox/.installed
	@$(LOCK) --all-extras --group pyproject.toml:server --group pyproject.toml:server-slow local_server/pyproject.toml -o requirements/server.txt
	@grep '^duckdb==' requirements/server.txt > build/duckdb.txt
	@set -o pipefail; $(LOCK) --all-extras --group dev --group at-size --group packaging --group browser --group official --group mutants pyproject.toml \
	  -c requirements/constraints/airflow-3.3.1.txt -c build/duckdb.txt | grep -v '^apache-airflow' | awk -F'[=; ]' \
	  '{name = tolower($$1); gsub(/[_.]/, "-", name)} NR == FNR {pinned[name]; next} !(name in pinned)' \
	  requirements/constraints/airflow-3.3.1.txt - > build/tools.txt && mv build/tools.txt requirements/tools.txt

clean:
	rm -rf .coverage* .demo .hypothesis .mypy_cache .pytest_cache .ruff_cache .tox .venv build dist docs/_build
