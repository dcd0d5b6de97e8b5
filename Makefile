# Every target sets up what it needs in .venv; ARGS="..." is passed on where it makes sense.
PYTHON := .venv/bin/python
# Most tests wait for a process, a browser or a timer: three at a time keep two cores busy. ARGS="-n 0": one.
PYTEST := -m pytest -n 3 --dist worksteal
LOCK := $(PYTHON) -m uv --quiet pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header

.DEFAULT_GOAL := help
.PHONY: help run generate test coverage test-pymongo chaos test-compose lint bench package lock

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

run: ## MongoDB, every function, the schedules and the generator; WORKERS=4 for more processes
	@scripts/setup run
	@exec env $(if $(WORKERS),FOOTFALL_WORKERS=$(WORKERS)) $(PYTHON) -m functions

generate: ## send mock events to a running service; ARGS="--rate 100"
	@scripts/setup run
	@exec $(PYTHON) -m generator $(ARGS)

test: ## the whole suite; ARGS="tests/metrics -k windows"
	@scripts/setup dev
	$(PYTHON) $(PYTEST) $(ARGS)

coverage: ## the same, and a table of the lines and branches that no process of the suite took
	@scripts/setup dev
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run $(PYTEST) $(ARGS); status=$$?; \
	$(PYTHON) -m coverage combine --quiet && $(PYTHON) -m coverage report; exit $$status

# PyMongo 4.20 leaves a socket behind when its monitor is cancelled, and the collector says so later.
test-pymongo: ## what reads and writes MongoDB, on PyMongo's own asyncio client in Motor's place
	@scripts/setup dev
	FOOTFALL_TEST_DRIVER=pymongo $(PYTHON) $(PYTEST) -W ignore::pytest.PytestUnraisableExceptionWarning \
		tests/storage tests/ingest tests/metrics tests/http tests/functions -k "not whatever_became and not goes_on_in_the_middle" $(ARGS)

chaos: ## the long half of the reliability tests: kills, freezes, full disks; prints a table
	@scripts/setup dev
	@exec $(PYTHON) -m tests.reliability $(ARGS)

test-compose: ## docker compose up, tried for real; needs a Docker daemon
	@scripts/setup dev
	$(PYTHON) -m pytest tests/deploy/compose_up.py $(ARGS)

lint: ## style, types, who imports what, dependencies, dead code, security, spelling, Dockerfile
	@scripts/setup dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	cd scripts && ../$(PYTHON) -m mypy --config-file ../pyproject.toml --cache-dir ../.mypy_cache .
	.venv/bin/lint-imports
	$(PYTHON) -m deptry .
	! $(PYTHON) -m vulture | grep -vE "unused (variable|attribute)"
	$(PYTHON) -m bandit --quiet --configfile pyproject.toml --recursive functions shared generator
	.venv/bin/codespell
	.venv/bin/hadolint Dockerfile

bench: ## measure throughput and latency on this machine
	@scripts/setup dev
	@exec $(PYTHON) -m bench $(ARGS)

package: ## dist/footfall.zip for AWS Lambda, checked with serverless.yml, sizes and cold starts
	@scripts/setup package
	@$(PYTHON) scripts/package.py

lock: ## pin the requirements again; ARGS=--upgrade for newer versions
	@scripts/setup dev
	$(LOCK) $(ARGS) requirements.in -o requirements.txt
	$(LOCK) $(ARGS) -c requirements.txt requirements-dev.in -o requirements-dev.txt
	$(LOCK) $(ARGS) -c requirements-dev.txt requirements-package.in -o requirements-package.txt
	$(LOCK) $(ARGS) requirements-node.in -o requirements-node.txt
