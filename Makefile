# Two commands on a fresh machine, no other step: `make demo` and `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
CODE := function_app.py functions shared local benchmarks tests
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help setup browser check format test test-long race demo scan pictures bench performance states scale bicep requirements

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## .venv with Python 3.13 and the pinned packages, node_modules with Azurite
	@./local/setup.sh

browser:
	@./local/chromium.sh > /dev/null

check: setup ## format, lint, types, import contracts
	@$(BIN)/ruff format --check --quiet $(CODE)
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: setup ## format the code, and mend what the linter can
	@$(BIN)/ruff format --quiet $(CODE)
	@$(BIN)/ruff check --quiet --fix $(CODE)

test: setup browser ## every test, on real parts (WORKERS=4: so many files at once)
	@$(BIN)/python -m pytest -n $(or $(WORKERS),4) --dist loadfile --privileges

test-long: setup ## 20,000 lives of a VM and of its deallocations, other ones each time (some minutes)
	@$(BIN)/python -m pytest tests/domain/test_true_life.py tests/domain/test_true_deallocations.py \
		tests/domain/test_decision_properties.py \
		--hypothesis-profile=long --timeout=0

race: setup ## 1,000 starts race 1,000 deallocations (two minutes; RACES=...)
	@$(BIN)/python -m pytest tests/e2e/test_race.py --races=$(or $(RACES),1000) --timeout=0

demo: setup ## the story of a fleet on real parts (ONCE=1: end with it, HOST=func: with Core Tools, PORT=7071)
	@$(BIN)/python -m local demo $(if $(ONCE),--once) $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT))

scan: setup ## find VMs left Stopped, read-only, by your az login (SUBSCRIPTION=id, SIMULATED=1: a simulated Azure)
	@$(BIN)/python -m local scan $(if $(SUBSCRIPTION),--subscription $(SUBSCRIPTION)) $(if $(SIMULATED),--simulated) || [ $$? = 1 ]

pictures: setup browser ## make the README's pictures anew, in docs/pictures (ONLY=dashboard, dashboard-dark, vm or demo)
	@$(BIN)/python -m local pictures $(if $(ONLY),--only $(ONLY))

bench: setup ## what Stopgap costs, against the least it could (ONLY=events, sweeps, burst, cold or detection)
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

performance: setup ## make the tables of docs/performance.md (REPORT=build/bench.json: of that run, from now on)
	@$(BIN)/python -m benchmarks.page $(if $(REPORT),--keep $(REPORT))

states: setup ## make docs/states.md from the tables of the documents and of the domain
	@$(BIN)/python -m local states

scale: setup ## make docs/scale.md, and the costs in docs/operations.md, from inputs and their arithmetic
	@$(BIN)/python -m local scale --write

bicep: ## compile and lint infra/ with Microsoft's own compiler (needs the Azure CLI)
	@for file in infra/*.bicep; do \
		az bicep build --file $$file --stdout > /dev/null && az bicep lint --file $$file || exit 1; \
	done
	@for file in infra/*.bicepparam; do \
		AZURE_ENV_NAME=ci AZURE_LOCATION=westeurope AZURE_SUBSCRIPTION_ID=00000000-0000-4000-8000-000000000001 \
			az bicep build-params --file $$file --stdout > /dev/null || exit 1; \
	done

requirements: setup ## compile requirements*.in into pinned, hashed requirements*.txt (UPGRADE=1: newest)
	@for name in requirements requirements-dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version "$$(cat .python-version)" --generate-hashes \
			--no-header --no-emit-index-url $(if $(UPGRADE),--upgrade) \
			$$([ $$name = requirements-dev ] && echo --constraint requirements.txt) --output-file $$name.txt $$name.in; \
	done
