# Two commands on a fresh machine: `make demo`, `make test`. Everything else needs no more than they do.

VENV := .venv
BIN := $(VENV)/bin
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
INSTALL = $(UV) pip install --quiet --python $(VENV) -c constraints.txt --override overrides.txt
PYTEST = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
FAST := tests/contracts src/pellucid
WORKERS := auto

.PHONY: help setup demo test check bench matrix docs parity studies picture
.DELETE_ON_ERROR:

help:  ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(VENV)/.dev  ## the environment for development, in .venv

demo: $(VENV)/.demo  ## CE, CGC and LICO trained, measured and compared on a page, into demo/; it goes on where it was
	$(BIN)/pellucid demo --out demo

test: $(VENV)/.dev  ## all tests but the slow ones; CHECKED=1 leaves out those that `make check` runs
	$(PYTEST) -n $(WORKERS) --dist worksteal $(if $(CHECKED),--ignore=tests/contracts tests)

check: $(VENV)/.dev  ## ruff, types, import layers, fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python stubs.py
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(PYTEST) -n $(WORKERS) --dist worksteal $(FAST)

bench: $(VENV)/.dev  ## the table of measured speed; ROW=name for one row, which leaves RESULTS.md as it is
	$(BIN)/python -m benchmarks $(or $(ROW),--write)

matrix: $(UV)  ## the core and the contracts on every Python that is here
	@for version in 3.11 3.12 3.13; do \
	    python=$$($(UV) python find --no-python-downloads $$version 2>/dev/null || \
	        ls $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python 2>/dev/null | tail -n 1); \
	    if [ -z "$$python" ]; then echo "Python $$version is not on this machine: left out"; continue; fi; \
	    echo "Python $$version"; \
	    $(UV) venv --quiet --clear --python "$$python" .venv-$$version && \
	    $(UV) pip install --quiet --python .venv-$$version -c constraints.txt -e '.[segments,captum]' \
	        pytest pytest-xdist hypothesis beartype && \
	    OMP_NUM_THREADS=1 .venv-$$version/bin/python -m pytest -n $(WORKERS) tests/contracts || exit 1; \
	    rm -rf .venv-$$version; \
	done

docs: $(VENV)/.dev  ## the documentation, into docs/_build/html; a warning is an error, and nothing is fetched
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

parity: $(VENV)/.dev  ## what other libraries say of the same pictures, measured anew, into docs/parity.json
	OMP_NUM_THREADS=1 $(BIN)/python docs/parity.py

studies: $(VENV)/.dev  ## all studies at tiny scale, into runs/studies and docs/studies.json; some hours, and it goes on
	$(BIN)/pellucid study run all --workers 2 -o runs/studies
	$(BIN)/python docs/studies.py runs/studies

picture: $(VENV)/.dev  ## the pictures of the README and of the documentation; a few minutes
	$(BIN)/pellucid demo --out demo
	$(BIN)/python -c "from PIL import Image; Image.open('demo/sheet.png').save('docs/demo.jpg', quality=85, subsampling=0)"
	$(BIN)/python docs/gallery.py

$(VENV)/bin/python: | $(UV)
	$(UV) venv --quiet --python '>=3.11' $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt overrides.txt | $(VENV)/bin/python $(UV)
	$(INSTALL) -e '.[text,offline]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt overrides.txt | $(VENV)/bin/python $(UV)
	$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.demo

.tools/bin/uv:
	python3 -m pip install --quiet --target .tools uv
