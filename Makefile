# How to set up, try and test octo-ssh. `make help` lists the targets.
# GNU make 3.81 (macOS) must be able to read this file; whatever needs thought is in tools/*.sh.

PYTEST_ARGS ?=
WORKERS ?= -n auto --maxprocesses=4 --dist loadgroup
BIN := .venv/bin

.PHONY: help setup demo test unit check format reference fleet faults packages clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo     set up, then the tour: targets on this machine, a release, a second one, a return'
	@echo 'make test     set up, then every test that can run here (as root on Debian it installs what they need)'
	@echo 'make check    formatting, lint, types, layers, shell'
	@echo 'make unit     only the tests that need no server'
	@echo 'make fleet    only the tests on booted Debian hosts (root on Debian)'
	@echo 'make faults   the tests of faults at length: hours of cuts, kills and full disks (root on Debian)'
	@echo 'make format   put the code into its form'
	@echo 'make reference  write docs/reference.md anew from the definitions of the keys'
	@echo 'make setup    only make .venv ready'
	@echo 'make clean    remove .venv and caches'
	@echo 'PYTHON=/path/to/python3 chooses the interpreter; PYTEST_ARGS="-k journal -x" goes to pytest.'

setup: .venv/.ready-to-work

.venv/.ready-to-run: pyproject.toml tools/setup.sh
	@sh tools/setup.sh run
	@touch $@

.venv/.ready-to-work: pyproject.toml tools/setup.sh
	@sh tools/setup.sh work
	@touch .venv/.ready-to-run $@

demo: .venv/.ready-to-run
	@$(BIN)/octo-ssh demo

packages:
	@sh tools/packages.sh

test: packages .venv/.ready-to-work
	@$(BIN)/pytest -rs $(WORKERS) $(PYTEST_ARGS)

unit: .venv/.ready-to-work
	@$(BIN)/pytest tests/unit $(PYTEST_ARGS)

fleet: packages .venv/.ready-to-work
	@$(BIN)/pytest -rs tests/fleet $(PYTEST_ARGS)

faults: packages .venv/.ready-to-work
	@OCTO_FAULTS=long $(BIN)/pytest -rs tests/faults $(PYTEST_ARGS)

check: .venv/.ready-to-work
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	find octo_ssh tests tools .ci -type f \( -name '*.sh' -o -path .ci/run \) -exec $(BIN)/shellcheck {} +

format: .venv/.ready-to-work
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: .venv/.ready-to-work
	@$(BIN)/python -c 'from octo_ssh.config import reference; reference.write("docs/reference.md")'

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
