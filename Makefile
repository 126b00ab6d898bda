# Every target sets the machine up first: it needs Python 3.11 or newer and nothing else.
# `.venv/.ready` says that the set-up is whole; it is as new as pyproject.toml and constraints.txt, or it is done again.

READY := .venv/.ready
DOCS_READY := .venv/.docs-ready
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Two pytest workers of one thread each use two cores fully; more threads per worker would fight for them.
WORKERS := 2

.DELETE_ON_ERROR:
.PHONY: menu setup study results docs test check bench

menu:
	@echo "make study   train a small network on the digits, measure and cut it, write the page out/digits"
	@echo "make results write docs/results: what was computed beside what was printed"
	@echo "make docs    write the documentation as a site, out/docs/html"
	@echo "make test    run every test and every example in the docstrings"
	@echo "make check   lint, formatting, static types, who may import whom"
	@echo "make bench   run the benchmarks; results in benchmarks/results"
	@echo "make setup   only the set-up, which the others do by themselves: .venv, pinned by constraints.txt"

setup: $(READY)
	@echo ".venv is ready"

study: $(READY)
	@$(BIN)/corank study --out out/digits

results: $(READY)
	@$(BIN)/corank reproduce pages --store results --out docs/results

docs: $(DOCS_READY)
	@$(BIN)/python docs/_site/assemble.py out/docs/source
	@$(BIN)/sphinx-build --quiet --fresh-env --jobs auto --nitpicky --fail-on-warning --keep-going \
		-d out/docs/doctrees -c docs/_site out/docs/source out/docs/html
	@echo "The site: out/docs/html/index.html"

test: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(READY)
	@mkdir -p benchmarks/results
	@set -e; for script in benchmarks/[!_]*.py; do echo "$$script"; $(BIN)/python "$$script"; done

# A .venv without its stamp is the rest of an interrupted set-up: it is emptied. Torch comes first and by itself, under
# the constraint, so that nothing can ask for another build of it; the build backend is pinned like everything else.
$(READY): pyproject.toml constraints.txt
	@set -e; \
	for name in python3.11 python3.12 python3.13 python3 python; do \
		if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$${python-}" ]; then \
		echo "corank needs Python 3.11 or newer; found: $$(python3 --version 2>/dev/null || echo none)." \
			"Install one as python3 or python3.11." >&2; \
		exit 1; \
	fi; \
	if [ -f $@ ]; then rm -f $@; clear=; else clear=--clear; fi; \
	echo "Setting up .venv with $$("$$python" --version): some minutes the first time"; \
	"$$python" -m venv $$clear .venv || { \
		echo "$$python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
		exit 1; \
	}; \
	echo "Installing torch"; \
	$(PIP) torch hatchling; \
	echo "Installing corank and its tools"; \
	$(PIP) --no-build-isolation --editable '.[dev]'; \
	touch $@

# What only the site needs; a new .venv has it to install again.
$(DOCS_READY): $(READY)
	@echo "Installing what the documentation needs"
	@$(PIP) --no-build-isolation --editable '.[docs]'
	@touch $@
