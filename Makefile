# Each target is one or two commands; CI calls the same ones.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: start test test-scale lint docs capstone notebooks lock help

start: ## Set up, show the course, check the first unfinished lesson
	@$(PYTHON) tools/setup_env.py
	@$(BIN)/coach start

test: ## Set up, then prove the course: every solution, stub, wrong and right answer, the engine, the pages
	@$(PYTHON) tools/setup_env.py --dev
	$(BIN)/pytest -n auto --dist worksteal

test-scale: ## Set up, then try the capstone on several instances, slow faults too, and write down what came of it
	@$(PYTHON) tools/setup_env.py --dev
	$(BIN)/python tools/try_scale.py

lint: ## Set up, then ruff, pyright and the course's own check
	@$(PYTHON) tools/setup_env.py --dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright && $(BIN)/coach check

docs: ## Set up, then serve the pages on 127.0.0.1:8080
	@$(PYTHON) tools/setup_env.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --dev-addr 127.0.0.1:8080

capstone: ## Set up, then serve the capstone on 127.0.0.1:8000
	@$(PYTHON) tools/setup_env.py
	$(BIN)/uvicorn capstone.main:app

notebooks: ## Set up, then open the notebooks
	@$(PYTHON) tools/setup_env.py
	$(BIN)/jupyter lab notebooks

lock: ## For maintainers: resolve pyproject.toml anew into the lock files
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --no-header --no-annotate \
		pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate \
		--extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile -q --python-platform linux --python-version 3.11 --no-header --no-annotate --generate-hashes \
		--group service -c requirements-dev.lock -o requirements-service.lock

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12
