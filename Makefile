# Needs Python 3.11 or newer, git, make and a package index; everything else is set up here.
#   make demo         a geospatial job, run from a DAG on a real Airflow (KEEP=1 leaves it running)
#   make test         the tests on Airflow 2.11 and 3.3, end to end on 3.3, and those of the local server, four jobs
#                     side by side (JOBS=2 on a machine that is busy with more); ends with a table and a verdict
#   make test-second  the other share of the tests: on 3.0 to 3.2, end to end on 2.11 and 3.0, on Python 3.13, and with
#                     older dependencies; installs beside each Airflow; "make matrix" runs both shares
#   make test-unit    the provider's unit tests, in an environment without Airflow: about a minute
#   make test-fast    the provider's tests, without the slow ones and those that start an Airflow, on 3.3, with coverage:
#                     about six minutes
#   make test-server  the tests of the local server, in an environment without Airflow: about six minutes
#   make test-at-size 500 runs at once on PostgreSQL, Redis and Celery, with kills, a soak, and logs in S3: hours, and not
#                     part of "make test" (AT_SIZE_ARGS="--runs 20" is smaller; CONTRIBUTING.md has more)
#   make bench        what the provider costs, beside bare limits and the official provider: forty minutes, and writes the
#                     page "Performance"; BENCH_ARGS=--quick takes two to three minutes and writes nothing
#   make venv         .venv, where both packages are those of this checkout, for development
#   make lint         ruff and mypy
#   make docs         the documentation as HTML, in docs/_build/html; a warning is an error
#   make dist         wheels and source distributions of both packages, built and checked, in dist; TAG=v0.1.0 must agree
#                     with the version
#   make lock         recompile the locked environments after a change to requirements/*.in or a pyproject.toml
# The commands that run tests install built wheels, and run in build/tree, a copy of the checkout without the two packages.

SHELL := /bin/bash
comma := ,

# The first Python of these names, anywhere on the PATH, that starts and whose version lies in a range:
# $(call find_python,names,lowest,highest)
find_python = $(shell for p in $$(type -ap $(1)); do \
  "$$p" -c 'import sys; sys.exit(not ($(2) <= sys.version_info[:2] <= $(3)))' 2>/dev/null && { echo "$$p"; break; }; done)

ifeq ($(origin PYTHON),undefined)
PYTHON := $(call find_python,python3.11 python3 python3.12 python3.13 python3.14,(3$(comma)11),(3$(comma)14))
endif
# Airflow 2.11 and 3.0 end at Python 3.12, 3.1 at 3.13.
ifeq ($(origin PYTHON_2_11),undefined)
PYTHON_2_11 := $(call find_python,$(PYTHON) python3.11 python3.12,(3$(comma)11),(3$(comma)12))
endif
ifeq ($(origin PYTHON_3_13),undefined)
PYTHON_3_13 := $(call find_python,python3.13 python3,(3$(comma)13),(3$(comma)13))
endif
PYTHON_3_0 ?= $(PYTHON_2_11)
PYTHON_3_1 ?= $(or $(PYTHON_2_11),$(PYTHON_3_13))
PYTHON_3_2 ?= $(PYTHON)
LEFT_OUT_BEFORE_3_13 := it needs Python 3.11 or 3.12, and there is none here
LEFT_OUT_3_13 := there is no Python 3.13 here
LEFT_OUT := no Python from 3.11 to 3.14 found

# The lines whose Airflow the end-to-end tests start; dev/environments.py names them too.
E2E_LINES := 3.3 3.0 2.11
FIRST :=
SECOND :=
PYTEST_ARGS ?=
KEEP ?=

.PHONY: help demo bench test test-second test-unit test-fast test-server test-at-size environments environments-second matrix test-e2e \
  tree lint docs dist format venv lock lock-unit clean

help:
	@sed -n 's/^#   //p' Makefile

# A virtualenv with a lock: $(call environment,name,lock,python,why it may be left out,share)
define environment
.PHONY: venv-$(1)
venv-$(1): .venv-$(1)/.installed
.venv-$(1)/.locked: requirements/$(2).txt dev/venv.sh
	@[ -n "$(3)" ] || { echo "$(1): $(4)."; exit 1; }
	@dev/venv.sh "$(3)" .venv-$(1) $$< && touch $$@
ifneq ($(3),)
$(5) += .venv-$(1)/.installed
else
export ENVIRONMENT_$(subst -,_,$(subst .,_,$(subst py,PY,$(1))))_LEFT_OUT := $(4)
endif
endef

$(eval $(call environment,unit,unit,$(PYTHON),$(LEFT_OUT),FIRST))
$(eval $(call environment,local,local,$(PYTHON),$(LEFT_OUT),FIRST))
$(eval $(call environment,3.3,airflow-3.3,$(PYTHON),$(LEFT_OUT),FIRST))
$(eval $(call environment,2.11,airflow-2.11,$(PYTHON_2_11),$(LEFT_OUT_BEFORE_3_13),FIRST))
$(eval $(call environment,3.0,airflow-3.0,$(PYTHON_3_0),$(LEFT_OUT_BEFORE_3_13),SECOND))
$(eval $(call environment,3.1,airflow-3.1,$(PYTHON_3_1),there is no Python from 3.11 to 3.13 here,SECOND))
$(eval $(call environment,3.2,airflow-3.2,$(PYTHON_3_2),$(LEFT_OUT),SECOND))
$(eval $(call environment,3.1-py3.13,airflow-3.1,$(PYTHON_3_13),$(LEFT_OUT_3_13),SECOND))
$(eval $(call environment,3.2-py3.13,airflow-3.2,$(PYTHON_3_13),$(LEFT_OUT_3_13),SECOND))
$(eval $(call environment,3.3-py3.13,airflow-3.3,$(PYTHON_3_13),$(LEFT_OUT_3_13),SECOND))
$(eval $(call environment,local-py3.13,local,$(PYTHON_3_13),$(LEFT_OUT_3_13),SECOND))
$(eval $(call environment,local-lowest,local-lowest,$(PYTHON),$(LEFT_OUT),SECOND))
# Set up by itself: Debian's PostgreSQL and Redis if they are missing, and an environment of its own.
$(eval $(call environment,at-size,at-size,$(PYTHON),$(LEFT_OUT),ALONE))
# The official provider, this one and an Airflow in one environment, for what is measured of both.
$(eval $(call environment,official,official,$(PYTHON_2_11),$(LEFT_OUT_BEFORE_3_13),ALONE))

# The wheels of both packages, built once. Every lock has the build backend.
WHEELS := build/wheels/.built
SOURCES := $(shell find airflow_provider_wherobots local_server/wherobots_local -type f -not -path '*/__pycache__/*') \
  $(addprefix local_server/,pyproject.toml README.md CHANGELOG.md) pyproject.toml README.md
$(WHEELS): $(SOURCES) dev/wheels.sh | .venv-unit/.locked
	@dev/wheels.sh .venv-unit build/wheels && touch $@

# What each environment gets: both packages, or only the one that it is for.
packages = $(if $(findstring local,$*),wherobots_local,$(if $(filter .venv-unit,$*),airflow_provider_wherobots,*))
%/.installed: %/.locked $(WHEELS)
	@$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall \
	  $(foreach package,$(packages),build/wheels/$(package)-*.whl)
	@touch $@

# The editable environment.
.venv/.locked: requirements/airflow-3.3.txt dev/venv.sh
	@[ -n "$(PYTHON)" ] || { echo "$(LEFT_OUT)."; exit 1; }
	@dev/venv.sh "$(PYTHON)" .venv $< && touch $@
venv: .venv/.locked
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e local_server

tree: .venv-unit/.locked
	@.venv-unit/bin/python -m dev.tree

IN_TREE := cd build/tree && WHEELS_ONLY=1

demo: .venv-3.3/.installed .venv-local/.installed tree
	@$(IN_TREE) exec $(CURDIR)/.venv-3.3/bin/python -m dev.demo $(if $(filter-out 0,$(KEEP)),--keep)

environments: $(FIRST)
environments-second: $(SECOND)

# JOBS jobs side by side: on two cores four, as half of the time is waiting. The end-to-end tests run at the same
# time, all lines at once, as they mostly wait. Ends with a table and one sentence. In two shares, because together they
# take longer than a change should wait for.
JOBS ?= 4
test: SHARE := first
test: $(FIRST)
test-second: SHARE := second
test-second: $(FIRST) $(SECOND)
matrix: SHARE := both
matrix: $(FIRST) $(SECOND)
test test-second matrix: tree
	@$(IN_TREE) $(CURDIR)/.venv-3.3/bin/python -m dev.matrix --jobs $(JOBS) --end-to-end --share $(SHARE) -- $(PYTEST_ARGS)

# The pure part of the provider needs no Airflow.
test-unit: .venv-unit/.installed tree
	@$(IN_TREE) HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-quick} $(CURDIR)/.venv-unit/bin/python -m pytest tests/unit $(PYTEST_ARGS)

test-server: .venv-local/.installed tree
	@$(IN_TREE) $(CURDIR)/.venv-local/bin/python -m pytest local_server/tests $(PYTEST_ARGS)

AT_SIZE_ARGS ?=
AT_SIZE_TESTS ?= tests/at_size
test-at-size: .venv-at-size/.installed .venv-local/.installed tree
	@dev/debian_services.sh
	@$(IN_TREE) $(CURDIR)/.venv-at-size/bin/python -m pytest --capture=no $(AT_SIZE_TESTS) $(AT_SIZE_ARGS)

test-fast: .venv-3.3/.installed tree
	@$(IN_TREE) $(CURDIR)/.venv-3.3/bin/python -m pytest tests -m "not e2e and not slow" --cov --cov-report=term $(PYTEST_ARGS)

# All lines side by side: an end-to-end test mostly waits, so two cores are enough.
test-e2e: $(E2E_LINES:%=.venv-%/.installed) .venv-local/.installed tree
	@$(MAKE) --no-print-directory --jobs=$(words $(E2E_LINES)) --output-sync=target $(E2E_LINES:%=e2e-%)

$(E2E_LINES:%=e2e-%): e2e-%: .venv-3.3/.installed
	@$(IN_TREE) $(CURDIR)/.venv-3.3/bin/python -m pytest tests -m e2e --airflow $* $(PYTEST_ARGS)

# On a machine that has nothing else to do. Writes the figures of this checkout's documentation.
BENCH_ARGS ?= --docs
bench: .venv-3.3/.installed .venv-official/.installed .venv-local/.installed tree
	@$(IN_TREE) exec $(CURDIR)/.venv-3.3/bin/python -m benchmarks $(BENCH_ARGS)

lint: .venv-3.3/.installed
	.venv-3.3/bin/ruff check .
	.venv-3.3/bin/ruff format --check .
	.venv-3.3/bin/mypy
	.venv-3.3/bin/mypy --config-file local_server/pyproject.toml

docs: .venv-3.3/.installed
	.venv-3.3/bin/python -P -m sphinx -b html -E -n -W --keep-going -q docs docs/_build/html
	@echo "The site: file://$(CURDIR)/docs/_build/html/index.html"

dist: .venv-unit/.locked
	@dev/dist.sh .venv-unit $(TAG)

format: .venv/.locked
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# Airflow publishes constraint files with every release; requirements/constraints has copies. LIMIT_* is a path, an
# address, or a date: then the lock uses nothing uploaded later. For 3.1 it is the day after the release of 3.1.8.
LIMIT_2_11 ?= requirements/constraints/airflow-2.11.2.txt
LIMIT_3_0 ?= requirements/constraints/airflow-3.0.6.txt
LIMIT_3_1 ?= 2026-03-12
LIMIT_3_2 ?= requirements/constraints/airflow-3.2.1.txt
LIMIT_3_3 ?= requirements/constraints/airflow-3.3.1.txt
LIMIT_at-size ?= $(LIMIT_3_3)
LIMIT_official ?= $(LIMIT_3_3)
# The server's own dependencies follow no Airflow.
LIMIT_local ?= none
LIMIT_local-lowest ?= none

lock: lock-2.11 lock-3.0 lock-3.1 lock-3.2 lock-3.3 lock-unit lock-official lock-at-size lock-local lock-local-lowest

# The unit tests take the versions of the newest Airflow's lock.
lock-unit: .venv-3.3/.locked
	@dev/lock.sh .venv-3.3 unit requirements/airflow-3.3.txt

lock-%: .venv-3.3/.locked
	@dev/lock.sh .venv-3.3 $* $(LIMIT_$(subst .,_,$*))

clean:
	rm -rf .venv .venv-* .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist docs/_build
