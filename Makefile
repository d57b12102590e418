# Needs Python 3.11 or newer, git, make and a package index; everything else is set up here.
#   make demo         a geospatial job, run from a DAG on a real Airflow (KEEP=1 leaves it running)
#   make test         the tests on Airflow 2.11, 3.0 and 3.3, end to end on 3.3, four jobs side by side (JOBS=2 on a
#                     machine that is busy with more); ends with a table and a verdict: about 40 minutes
#   make test-second  the other share of the tests: on 3.1 and 3.2, end to end on 2.11 and 3.0, on Python 3.13, and with
#                     older dependencies; "make matrix" runs both shares
#   make test-unit    the unit tests, in an environment without Airflow: about a minute
#   make test-fast    all tests that need no running Airflow, on 3.3, with coverage: about six minutes
#   make test-at-size 500 runs at once on PostgreSQL, Redis and Celery, with kills, a soak, and logs in S3: hours, and not
#                     part of "make test" (AT_SIZE_ARGS="--runs 20" is smaller; CONTRIBUTING.md has more)
#   make bench        what the provider costs, beside bare limits and the official provider: forty minutes, and writes the
#                     page "Performance"; BENCH_ARGS=--quick takes two to three minutes and writes nothing
#   make lint         ruff and mypy
#   make docs         the documentation as HTML, in docs/_build/html; a warning is an error
#   make dist         wheel and source distribution, built and checked, in dist; TAG=v0.1.0 must agree with the version
#   make lock         recompile the locked environments after a change to requirements/*.in or pyproject.toml

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

AIRFLOW_3_3 := .venv
AIRFLOW_2_11 := .venv-2.11
# The lines whose Airflow the end-to-end tests start; dev/environments.py names them too.
E2E_LINES := 3.3 3.0 2.11
ENVIRONMENTS = $(AIRFLOW_3_3)/.installed $(if $(PYTHON_2_11),$(AIRFLOW_2_11)/.installed) $(if $(PYTHON_3_0),.venv-3.0/.installed)
MATRIX :=
PYTEST_ARGS ?=
KEEP ?=

.PHONY: help demo bench test test-second test-unit test-fast test-at-size environments matrix test-e2e lint docs dist format venv lock lock-unit clean

help:
	@sed -n 's/^#   //p' Makefile

venv: $(AIRFLOW_3_3)/.installed

# A virtualenv per Airflow line and Python: $(call environment,name,folder,line,python,why it may be left out)
define environment
.PHONY: venv-$(1)
venv-$(1): $(2)/.installed
$(2)/.locked: requirements/airflow-$(3).txt dev/venv.sh
	@[ -n "$(4)" ] || { echo "Airflow $(1): $(5)."; exit 1; }
	@dev/venv.sh "$(4)" $(2) $$< && touch $$@
ifneq ($(4),)
MATRIX += $(2)/.installed
else
export AIRFLOW_$(subst -,_,$(subst .,_,$(subst py,PY,$(1))))_LEFT_OUT := Airflow $(1): $(5)
endif
endef

$(eval $(call environment,3.3,$(AIRFLOW_3_3),3.3,$(PYTHON),no Python from 3.11 to 3.14 found))
$(eval $(call environment,2.11,$(AIRFLOW_2_11),2.11,$(PYTHON_2_11),$(LEFT_OUT_BEFORE_3_13)))
$(eval $(call environment,3.0,.venv-3.0,3.0,$(PYTHON_3_0),$(LEFT_OUT_BEFORE_3_13)))
$(eval $(call environment,3.1,.venv-3.1,3.1,$(PYTHON_3_1),there is no Python from 3.11 to 3.13 here))
$(eval $(call environment,3.2,.venv-3.2,3.2,$(PYTHON_3_2),no Python from 3.11 to 3.14 found))
$(eval $(call environment,3.1-py3.13,.venv-3.1-py3.13,3.1,$(PYTHON_3_13),$(LEFT_OUT_3_13)))
$(eval $(call environment,3.2-py3.13,.venv-3.2-py3.13,3.2,$(PYTHON_3_13),$(LEFT_OUT_3_13)))
$(eval $(call environment,3.3-py3.13,.venv-3.3-py3.13,3.3,$(PYTHON_3_13),$(LEFT_OUT_3_13)))

# The lock contains the build backend, so installing the package needs no index.
%/.installed: %/.locked pyproject.toml
	@$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(AIRFLOW_3_3)/.installed
	@exec $(AIRFLOW_3_3)/bin/python -m dev.demo $(if $(filter-out 0,$(KEEP)),--keep)

environments: $(MATRIX)

# JOBS jobs side by side: on two cores four, as half of the time is waiting. The end-to-end tests run at the same
# time, all lines at once, as they mostly wait. Ends with a table and one sentence. In two shares, because together they
# take longer than a change should wait for.
JOBS ?= 4
test: SHARE := first
test-second: SHARE := second
matrix: SHARE := both
test test-second matrix: environments
	$(AIRFLOW_3_3)/bin/python -m dev.matrix --jobs $(JOBS) --end-to-end --share $(SHARE) -- $(PYTEST_ARGS)

# The pure part of the package needs no Airflow, so these need neither its lock nor the package's installation.
.venv-unit/.locked: requirements/unit.txt dev/venv.sh
	@[ -n "$(PYTHON)" ] || { echo "no Python from 3.11 to 3.14 found"; exit 1; }
	@dev/venv.sh "$(PYTHON)" .venv-unit $< && touch $@

test-unit: .venv-unit/.locked
	HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-quick} .venv-unit/bin/python -m pytest tests/unit $(PYTEST_ARGS)

# Sets up everything itself: Debian's PostgreSQL and Redis if they are missing, and an environment of its own.
.venv-at-size/.locked: requirements/at-size.txt dev/venv.sh
	@[ -n "$(PYTHON)" ] || { echo "no Python from 3.11 to 3.14 found"; exit 1; }
	@dev/venv.sh "$(PYTHON)" .venv-at-size $< && touch $@

AT_SIZE_ARGS ?=
AT_SIZE_TESTS ?= tests/at_size
test-at-size: .venv-at-size/.installed
	@dev/debian_services.sh
	.venv-at-size/bin/python -m pytest --capture=no $(AT_SIZE_TESTS) $(AT_SIZE_ARGS)

test-fast: $(AIRFLOW_3_3)/.installed
	$(AIRFLOW_3_3)/bin/python -m pytest -m "not e2e and not slow" --cov --cov-report=term $(PYTEST_ARGS)

# All lines side by side: an end-to-end test mostly waits, so two cores are enough.
test-e2e: $(ENVIRONMENTS)
	@$(MAKE) --no-print-directory --jobs=$(words $(E2E_LINES)) --output-sync=target $(E2E_LINES:%=e2e-%)

$(E2E_LINES:%=e2e-%): e2e-%: $(AIRFLOW_3_3)/.installed
	$(AIRFLOW_3_3)/bin/python -m pytest -m e2e --airflow $* $(PYTEST_ARGS)

# The official provider, this one and an Airflow in one environment, for what is measured of both.
.PHONY: venv-official
venv-official: .venv-official/.installed
.venv-official/.locked: requirements/official.txt dev/venv.sh
	@[ -n "$(PYTHON_2_11)" ] || { echo "the official provider: $(LEFT_OUT_BEFORE_3_13)."; exit 1; }
	@dev/venv.sh "$(PYTHON_2_11)" .venv-official $< && touch $@

# On a machine that has nothing else to do.
BENCH_ARGS ?= --docs
bench: $(AIRFLOW_3_3)/.installed .venv-official/.installed
	@exec $(AIRFLOW_3_3)/bin/python -m benchmarks $(BENCH_ARGS)

lint: $(AIRFLOW_3_3)/.installed
	$(AIRFLOW_3_3)/bin/ruff check .
	$(AIRFLOW_3_3)/bin/ruff format --check .
	$(AIRFLOW_3_3)/bin/mypy

docs: $(AIRFLOW_3_3)/.installed
	$(AIRFLOW_3_3)/bin/python -m sphinx -b html -E -n -W --keep-going -q docs docs/_build/html
	@echo "The site: file://$(CURDIR)/docs/_build/html/index.html"

dist: .venv-unit/.locked
	@dev/dist.sh .venv-unit $(TAG)

format: $(AIRFLOW_3_3)/.installed
	$(AIRFLOW_3_3)/bin/ruff check --fix .
	$(AIRFLOW_3_3)/bin/ruff format .

# Airflow publishes constraint files with every release; requirements/constraints has copies. LIMIT_* is a path, an
# address, or a date: then the lock uses nothing uploaded later. For 3.1 it is the day after the release of 3.1.8.
LIMIT_2_11 ?= requirements/constraints/airflow-2.11.2.txt
LIMIT_3_0 ?= requirements/constraints/airflow-3.0.6.txt
LIMIT_3_1 ?= 2026-03-12
LIMIT_3_2 ?= requirements/constraints/airflow-3.2.1.txt
LIMIT_3_3 ?= requirements/constraints/airflow-3.3.1.txt
LIMIT_at-size ?= $(LIMIT_3_3)
LIMIT_official ?= $(LIMIT_3_3)

lock: lock-2.11 lock-3.0 lock-3.1 lock-3.2 lock-3.3 lock-unit lock-official lock-at-size

# The unit tests take the versions of the newest Airflow's lock.
lock-unit: $(AIRFLOW_3_3)/.installed
	@dev/lock.sh $(AIRFLOW_3_3) unit requirements/airflow-3.3.txt

lock-%: $(AIRFLOW_3_3)/.installed
	@dev/lock.sh $(AIRFLOW_3_3) $* $(LIMIT_$(subst .,_,$*))

clean:
	rm -rf .venv .venv-* .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist docs/_build
