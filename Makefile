# Two commands do all the set-up: `make demo` and `make test`. Each makes its own virtual environment and installs into
# it; the plain pip lines are in the README.

PYTHON ?= python3
SOURCES := pyproject.toml $(shell find src -name '*.py' -o -name '*.cpp' -o -name '*.hpp' -o -name CMakeLists.txt)
SOURCES := $(filter-out %/__pycache__/%,$(SOURCES))

# Each process of the tests has a core; BLAS would start threads for all cores in each of them.
test test-fast test-data: export OPENBLAS_NUM_THREADS = 1

.PHONY: demo test test-fast test-data sanitize fuzz lint bench evidence docs wheel clean

demo: .venv/demo.done
	.venv/demo/bin/nearfield demo

test: .venv/test.done
	.venv/test/bin/python -m pytest tests -n auto --dist worksteal

test-fast: .venv/test.done
	.venv/test/bin/python -m pytest tests -n auto --dist worksteal -m "not slow"

# Other projects' own code on our classes: MTEB, UMAP, sentence-transformers and its exports. Installs torch.
test-data: .venv/test-data.done
	.venv/test-data/bin/python -m pytest tests/integrate tests/encode tests/store/test_frames.py

# The core under the address and undefined-behaviour sanitisers, then under the thread sanitiser; some ten minutes.
sanitize: .venv/test.done
	.venv/test/bin/python -m pip install --quiet cmake "nanobind>=2.4"
	PYTHON=.venv/test/bin/python tests/sanitize.sh address
	PYTHON=.venv/test/bin/python tests/sanitize.sh thread

# Hostile input, and sequences of operations, for as long as one likes: SECONDS for each test.
fuzz: .venv/test.done
	NEARFIELD_FUZZ=$(or $(SECONDS),60) .venv/test/bin/python -m pytest tests/fuzz
	NEARFIELD_STATES=$(or $(EXAMPLES),300) .venv/test/bin/python -m pytest tests/store/test_state_machine.py

lint: .venv/test.done
	.venv/test/bin/ruff check src tests examples
	.venv/test/bin/ruff format --check src tests examples
	.venv/test/bin/mypy

bench: .venv/bench.done
	.venv/bench/bin/nearfield bench peers --out bench/results
	.venv/bench/bin/nearfield bench store --out bench/results

evidence: .venv/bench.done
	.venv/bench/bin/nearfield evidence --write docs/evidence.md

# The source archive and, built from it, the wheel for other Linux machines, in dist/; then both are tried as strangers
# would: in clean environments, and the wheel on an emulated old processor where qemu-user is installed.
wheel:
	PYTHON=$(PYTHON) tests/wheel.sh

docs: .venv/test.done
	.venv/test/bin/mkdocs build --strict

# One environment for each purpose, made anew when a source file changed, all with the package that is built once.
.venv/demo.done: EXTRAS = text
.venv/test.done: EXTRAS = test-integrations,lint,docs
.venv/test-data.done: EXTRAS = test-data
.venv/bench.done: EXTRAS = bench,text

build/wheel.done: $(SOURCES)
	$(PYTHON) -m venv .venv/build
	rm -rf build/wheel
	.venv/build/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheel .
	touch $@

# The second line installs what changed under an unchanged version, which the first takes for installed.
.venv/%.done: build/wheel.done
	$(PYTHON) -m venv .venv/$*
	.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check "$$(ls build/wheel/*.whl)[$(EXTRAS)]"
	.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall build/wheel/*.whl
	touch $@

clean:
	rm -rf .venv build dist site nearfield-demo.nf
