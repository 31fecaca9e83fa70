# Each target does its own set-up. A new clone needs python3 (3.11 or newer), git and make, and
# a package index that pip can reach.

PYTHON ?= python3
PYTHONS ?= 3.11 3.12 3.13
WORKERS ?= 2
PYTEST_ARGS ?=
ROUNDS ?= 5
BENCHMARKS ?= $(wildcard benchmarks/*.py)
BENCH_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
ACTIVATED := PATH="$(CURDIR)/$(BIN):$$PATH"
PYTEST := $(ACTIVATED) python -m pytest -p malagate -n $(WORKERS) --timeout=300

# What has to work on every Python: all that reads or writes evidence. Without the tests that
# play whole stories or start hundreds of processes.
SHORT_TESTS ?= tests/gate tests/collect tests/policy tests/queue tests/report tests/repository \
	tests/plugin/test_endings.py tests/github tests/action/test_gate.py tests/action/test_history.py \
	tests/cli/test_queue.py tests/cli/test_post_deploy.py

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test check lint format types workflows gate others wheel story simulation torture bench docs lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /\1	/p' $(firstword $(MAKEFILE_LIST)) | awk -F '\t' '{ printf "%-8s  %s\n", $$1, $$2 }'

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "malagate needs Python 3.11 or newer: make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.package: $(VENV)/pyvenv.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# The group `dev` of pyproject.toml as a list: pip learned to read groups in 25.1 only.
$(VENV)/.dev: $(VENV)/.package .ci/dev_requirements.py
	$(BIN)/python .ci/dev_requirements.py > $(VENV)/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/dev.txt
	@touch $@

demo: $(VENV)/.package ## play an agent's story in a temporary repository (under a minute)
	@$(ACTIVATED) malagate demo

test: $(VENV)/.dev ## the whole test suite, recorded as evidence; PYTEST_ARGS=tests/gate for a part
	$(PYTEST) --malagate-collect $(PYTEST_ARGS)

check: lint format types workflows gate others wheel ## all that CI runs, but for `make test` before it

lint: $(VENV)/.dev ## ruff check, with a receipt
	$(ACTIVATED) malagate run lint

format: $(VENV)/.dev ## ruff format --check, with a receipt
	$(ACTIVATED) malagate run format

types: $(VENV)/.dev ## mypy --strict, with a receipt
	$(ACTIVATED) malagate run types

workflows: $(VENV)/.dev ## GitHub's own validators over action.yml and every workflow file
	$(BIN)/python .ci/validators/validate.py

# The evidence of `make test` is used if it is of these files; otherwise the tests run now.
gate: $(VENV)/.dev ## malagate judges this tree by malagate.yaml: tests, coverage, lint, types
	@$(ACTIVATED) malagate check --dry-run >/dev/null || $(PYTEST)
	$(ACTIVATED) malagate check

others: $(VENV)/.dev ## the short test run on every other Python of PYTHONS that is here
	@for version in $(PYTHONS); do \
		sh .ci/on_python "$$version" $(BIN)/python -n $(WORKERS) --timeout=300 -q $(SHORT_TESTS) || exit 1; \
	done

wheel: $(VENV)/.dev ## build the wheel, install it alone, run the demo from it
	rm -rf dist .venv-wheel
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	$(BIN)/python -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	.venv-wheel/bin/python -m pip check
	cd .venv-wheel && PATH="$(CURDIR)/.venv-wheel/bin:$$PATH" malagate --version
	cd .venv-wheel && PATH="$(CURDIR)/.venv-wheel/bin:$$PATH" malagate demo

story: $(VENV)/.dev ## a fork's pull request from its first failure to its acceptance, on a GitHub of our own
	$(ACTIVATED) python -m tests.action.story

simulation: $(VENV)/.dev ## a thousand tasks while events are lost, runs die and GitHub is down for an hour
	$(ACTIVATED) python -m tests.simulation --tasks 1000

torture: $(VENV)/.dev ## hours: the queue under kill -9, every fault of GitHub's, the suite ROUNDS times
	$(ACTIVATED) MALAGATE_TORTURE=1 python -m pytest -q -s tests/queue/test_interleavings.py
	$(ACTIVATED) python -m tests.queue.torture --seconds 60
	$(ACTIVATED) python -m tests.admission.schedules --schedules 5000 --processes $(WORKERS)
	$(ACTIVATED) python -m tests.action.faults
	@for round in $$(seq 1 $(ROUNDS)); do \
		echo "round $$round of $(ROUNDS)"; \
		$(ACTIVATED) python -m pytest -q -n $$((round % 4 + 1)) -p randomly \
			--hypothesis-seed=$$round $(PYTEST_ARGS) || exit 1; \
	done

bench: $(VENV)/.dev ## print the benchmarks; BENCHMARKS=FILE and BENCH_ARGS=… for one of them
	@for script in $(BENCHMARKS); do \
		echo "== $$script $(BENCH_ARGS)"; \
		$(ACTIVATED) python "$$script" $(BENCH_ARGS) || exit 1; \
	done

docs: $(VENV)/.package ## write docs/reference.md and the JSON Schemas anew
	$(BIN)/python docs/generate.py
	$(BIN)/python -m pytest_malagate.schemas

lock: $(VENV)/.dev ## lock the packages that the action installs, with their hashes
	$(ACTIVATED) bash .action/lock.sh

clean: ## remove everything that the other targets made
	rm -rf $(VENV) .venv-* .ci/validators/node_modules build dist *.egg-info malagate-out .bench .coverage .coverage.*
	rm -rf examples/*/malagate-out .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
