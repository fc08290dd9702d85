# make help prints what there is. Everything runs in environments of the checkout's own.

PYTHON ?= python3
TORCH ?=
VENV ?= .venv
VENV_OPENMMLAB ?= .venv-openmmlab
VENV_DOCS ?= .venv-docs
DEMO_ARGS ?=
PYTEST_ARGS ?=

export TORCH
# One process per core with one thread each; more threads only wait for each other.
TEST_ENV = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
PYTEST = -m pytest -ra --durations=5 -p no:cacheprovider
PARALLEL = -n logical

.DEFAULT_GOAL := help
.PHONY: help env env-openmmlab env-docs demo test test-slow test-openmmlab docs lint format clean

help:
	@echo 'make demo            make the environment, train on a generated set, evaluate, draw pictures'
	@echo 'make test            make the environment, run the quick tests'
	@echo 'make test-slow       the slow tests (mim on a built wheel, longer trainings)'
	@echo 'make test-openmmlab  the quick tests with upstream mmdet, in an environment of its own'
	@echo 'make docs            build the documentation into build/site, strictly, in a small environment'
	@echo 'make lint            ruff check and ruff format --check'
	@echo 'make format          let ruff put the files right'
	@echo 'make env             make the environment only'
	@echo 'make clean           remove the environments, build products and caches'
	@echo
	@echo 'Variables: PYTHON=$(PYTHON) (3.10 to 3.12)  VENV=$(VENV)  VENV_OPENMMLAB=$(VENV_OPENMMLAB)'
	@echo '           VENV_DOCS=$(VENV_DOCS)'
	@echo '           TORCH= (a requirement such as torch==2.9.1, or the path of a wheel)'
	@echo '           DEMO_ARGS= PYTEST_ARGS= (handed on)'

env:
	@$(PYTHON) tools/setup_env.py onedl '$(VENV)'

env-openmmlab:
	@$(PYTHON) tools/setup_env.py openmmlab '$(VENV_OPENMMLAB)'

env-docs:
	@$(PYTHON) tools/setup_env.py docs '$(VENV_DOCS)'

demo: env
	@'$(VENV)/bin/python' tools/demo.py $(DEMO_ARGS)

test: env
	@$(TEST_ENV) '$(VENV)/bin/python' $(PYTEST) $(PARALLEL) $(PYTEST_ARGS)

test-slow: env
	@$(TEST_ENV) '$(VENV)/bin/python' $(PYTEST) -m slow $(PYTEST_ARGS)

test-openmmlab: env-openmmlab
	@$(TEST_ENV) '$(VENV_OPENMMLAB)/bin/python' $(PYTEST) $(PARALLEL) $(PYTEST_ARGS)

# Not --quiet: that would drop the warnings before --strict counts them.
docs: env-docs
	@'$(VENV_DOCS)/bin/mkdocs' build --strict --clean
	@echo 'The documentation is in build/site/index.html.'

lint: env
	@'$(VENV)/bin/ruff' check .
	@'$(VENV)/bin/ruff' format --check .

format: env
	@'$(VENV)/bin/ruff' check --fix .
	@'$(VENV)/bin/ruff' format .

clean:
	rm -rf '$(VENV)' '$(VENV_OPENMMLAB)' '$(VENV_DOCS)' build dist *.egg-info centernet_plugin/.mim
	rm -rf .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
