# One target a job. `make run` and `make test` do all the set-up on a fresh machine with Python 3.11 or newer.
# The first that runs, the best tested first: a name on PATH may be a shim of a version manager that has no such version.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV ?= .venv
PY := $(VENV)/bin/python
# An extra package index for torch, for machines whose default index would bring the CUDA build: see README.md.
TORCH_INDEX ?=
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: run setup setup-dev test coverage soak check format openapi bench demo-model clean

run: setup  ## Serve the demo shop on http://127.0.0.1:7860
	$(PY) launch.py serve --demo

setup: $(VENV)/installed  ## Install what serving and fine-tuning need

setup-dev: $(VENV)/installed-dev  ## Install what tests, checks and benchmarks need too

$(VENV)/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || \
		{ echo "Aisle needs Python 3.11 or newer. Install it and try again (Debian: apt install python3 python3-venv)."; exit 1; }
	@test -x $(PY) || "$(PYTHON)" -m venv $(VENV) || \
		{ echo "Python cannot make a virtual environment. Install it (Debian: apt install python3-venv) and try again."; exit 1; }
	@echo "Installing into $(VENV); this takes two to four minutes and 2 GB."
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "Installing what the tests need."
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

test: setup-dev  ## The whole test suite, in two processes of one thread each: more would wait for each other
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile $(TESTS)

coverage: setup-dev  ## The same with the lines and branches that it reaches, which takes a quarter longer
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile --cov --cov-branch --cov-report=term:skip-covered $(TESTS)

soak: setup-dev  ## The trials at full length: kills, promotions under load, all journeys, simulated shoppers, a real language model
	AISLE_SOAK=1 HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(PY) -m pytest tests/finetune/test_resume.py tests/bot/test_promotion_under_load.py \
		tests/bot/test_kill_under_load.py tests/index/test_reliability.py tests/storage/test_event_durability.py \
		tests/storage/test_retention_durability.py tests/test_deploy.py tests/bot/attack tests/test_foreign_input.py
	$(PY) launch.py demo --shop var/dialogue-shop --products 1500 --shoppers 10
	$(PY) launch.py index var/dialogue-shop/catalog.jsonl --documents var/dialogue-shop/documents --shop var/dialogue-shop
	$(PY) launch.py evaluate dialogue --shop var/dialogue-shop --shoppers 200 --output var/dialogue-shop/report
	test ! -x ../shared/tools/local-llm || $(PY) -m benchmarks.llm --shop var/dialogue-shop --local-llm ../shared/tools/local-llm
	test ! -x ../shared/tools/local-llm || test ! -d ../shared/data/tau2_retail || \
		$(PY) -m benchmarks.tau2_llm --shop var/dialogue-shop --local-llm ../shared/tools/local-llm

check: setup-dev  ## Format, lint, types, direction of imports
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy .
	$(PY) -m pytest -q tests/test_imports.py

openapi: setup-dev  ## Write docs/openapi.json anew
	WRITE_OPENAPI=1 $(PY) -m pytest -q tests/bot/test_api.py -k openapi

format: setup-dev  ## Format and mend what lint can mend
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

demo-model: setup  ## Train the intent model that ships with Aisle (about half an hour on 2 cores)
	rm -rf var/demo-model demo/model/intent
	$(PY) launch.py demo --shop var/demo-model --products 200 --shoppers 10
	$(PY) launch.py finetune intent --logs var/demo-model/dialogues.jsonl --method lora --epochs 3 --output var/demo-model/run
	$(PY) -c "from pathlib import Path; from finetune.export import compact; compact(Path('var/demo-model/run'), Path('demo/model/intent'))"

bench: setup-dev  ## Measure a turn, indexing and search beside their peers (needs the demo shop: make run)
	$(PY) -m benchmarks.turn --shop var
	$(PY) -m benchmarks.indexing
	$(PY) -m benchmarks.retrieval --shop var
	$(PY) -m benchmarks.conditions --shop var
	$(PY) -m benchmarks.policy
	$(PY) -m benchmarks.rhythm --shoppers 2000
	$(PY) -m benchmarks.events --shop var
	$(PY) -m benchmarks.event_weights --shop var
	$(PY) -m benchmarks.personalization --parts stage slates --shop var
	$(PY) -m benchmarks.growth --sizes 10000 30000 100000
	test ! -d ../shared/data/abt_buy || { \
		$(PY) launch.py index ../shared/data/abt_buy/catalog.jsonl.gz --shop var/bench-abt && \
		$(PY) -m benchmarks.retrieval --data ../shared/data/abt_buy --data-shop var/bench-abt; }
	test ! -d ../shared/data/simmc2 || $(PY) -m benchmarks.intent --data ../shared/data --sets simmc2 --seeds 1
	test ! -d ../shared/data/s3rec_beauty || $(PY) -m benchmarks.personalization --parts sequence cold --seeds 0
	test ! -d ../shared/data/banking77 || $(PY) -m benchmarks.training --data ../shared/data
	test ! -d ../shared/data/cdnow_sample || { \
		$(PY) -m benchmarks.retention --data ../shared/data/cdnow_sample && \
		$(PY) -m benchmarks.rhythm --data ../shared/data/cdnow_sample; }

# Only what the demo's marker names as its own: another shop's database may lie beside it. The marker goes last.
DEMO_PARTS := catalog.jsonl documents media events.jsonl orders.jsonl customers.jsonl reviews.jsonl dialogues.jsonl shop.toml index models rejected secret \
	aisle.db aisle.db-wal aisle.db-shm erasures.jsonl events-waiting demo-shop

clean:  ## Remove the environment, the caches and the demo shop
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov .coverage var/test-cache
	find . -type d -name __pycache__ -prune -exec rm -rf {} +
	test ! -f var/demo-model/demo-shop || rm -rf var/demo-model
	test ! -f var/demo-shop || { cd var && rm -rf $(DEMO_PARTS); }
	rmdir var 2>/dev/null || true
