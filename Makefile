# Every target sets itself up in .venv; all it needs is Python 3.11+ and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# No model hub is asked for anything: the model comes with a package.
export HF_HUB_OFFLINE := 1

.PHONY: install demo test check bench soak clean

install: $(READY)

# torch first and by itself: sentence-transformers would otherwise pull a CUDA build.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"turnfold needs Python 3.11 or newer, {sys.executable} is {v.major}.{v.minor}; try: make $(or $(MAKECMDGOALS),install) PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install -q --disable-pip-version-check 'torch==2.13.0'
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[all,fast,minilm,milvus,postgres]' --group dev
	@touch $@

demo: install
	@$(BIN)/turnfold demo

test: install
	$(BIN)/pytest -n 2 -q

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typing/api.py
	$(BIN)/lint-imports

soak: install
	TURNFOLD_SOAK=1 $(BIN)/pytest -n 2 -m soak -q

bench: install
	$(BIN)/python benchmarks/bench_savings.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
