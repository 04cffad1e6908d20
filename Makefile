# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test lint types servers proof bench bench-full bench-quality wheel lock clean

setup: $(STAMP)

$(STAMP): .lock/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "triage needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "Installing the locked requirements (once, about a minute) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r .lock/requirements.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -c 'import triage.cli, prefect, sklearn, pymap'
	@touch $@

demo: setup
	@$(BIN)/triage demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

servers:
	@sh .ci/servers

test: setup servers lint types
	$(BIN)/pytest -m "not proof" -rs

# Three minutes of each engine, or `make soak HOURS=2`; a row each in docs/reliability.md.
SECONDS_OF_SOAK := $(if $(HOURS),$(HOURS) * 3600,180)
soak: setup servers
	$(BIN)/python -m tests.soak $$(( $(SECONDS_OF_SOAK) )) --engine plain --note docs/reliability.md
	$(BIN)/python -m tests.soak $$(( $(SECONDS_OF_SOAK) )) --engine serve --note docs/reliability.md

proof: setup servers
	$(BIN)/python -m tests.proof

bench: setup servers
	$(BIN)/python -m benchmarks short

bench-full: setup servers
	$(BIN)/python -m benchmarks full

# The trainer on public sets, which are no part of the project: DATA names their folder; without it this is skipped and says so.
# OPEN=RELEASE opens the test parts, once a release.
bench-quality: setup
	$(BIN)/python -m benchmarks.quality $(if $(DATA),--data "$(DATA)") $(if $(OPEN),--open-test "$(OPEN)")

wheel: setup
	$(BIN)/python -m build --no-isolation --outdir dist

# Needs uv; hashes, no addresses. Prefect's own upper bounds are in pyproject.toml.
lock:
	uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header \
	  --no-annotate --no-strip-extras --group dev --extra demo --extra channels --extra semantic pyproject.toml -o .lock/requirements.txt

clean:
	rm -rf .venv dist build demo-data .pytest_cache .mypy_cache .ruff_cache .hypothesis
