# The front door: sets a clone up, builds image sets, runs checks and tests. `make help` lists the targets.
# What builds the images is another Makefile, the plan's: `buildsys plan` writes it to build/SET/Makefile.

ifneq ($(filter 3.% 4.0 4.1,$(MAKE_VERSION)),)
$(error buildsys needs GNU make 4.2 or newer; this is $(MAKE_VERSION))
endif

SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c
MAKEFLAGS     += --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# What is set here on the command line is meant for this Makefile, not for the plan's.
MAKEOVERRIDES :=
unexport SITE JOBS ONLY OVERLAY TO PUBLISH

BIN      := .venv/bin
BUILDSYS := $(BIN)/buildsys
SETS     := $(patsubst recipes/%/set.yaml,%,$(wildcard recipes/*/set.yaml))

.PHONY: help
help: ## what can be made, in one line each
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@$(if $(SETS),printf '  %-20s the image set of that name\n' $(SETS))
	@$(if $(SETS),printf '  %-20s its plan only (written to build/)\n' $(SETS:%=plan-%))
	@$(if $(SETS),printf '  %-20s the set built and its tests and scenarios run\n' $(SETS:%=test-%))
	@$(if $(SETS),printf '  %-20s the set published to TO="docker://HOST oci:DIR"\n' $(SETS:%=publish-%))
	@$(if $(SETS),printf '  %-20s the set brought up to date with a report (for timers)\n' $(SETS:%=periodic-%))
	@echo '  An image set takes SITE=rdo JOBS=4 ONLY="nova-api '\''neutron-*'\''" OVERLAY=file.yaml'

# ── set-up: once; afterwards make compares times and starts no process ──────────────────────────────────────────

MARKERS        := .venv/set-up-for-build .venv/set-up-for-test
READY_TO_BUILD := $(word 1,$(MARKERS))
READY_TO_TEST  := $(word 2,$(MARKERS))

.PHONY: setup
setup: $(READY_TO_TEST) ## the packages and the virtual environment that building and testing need

$(MARKERS): .venv/set-up-for-%: requirements.lock pyproject.toml tools/setup.sh
	@tools/setup.sh $*

# A marker names the folder it was made in: a clone that was moved, or whose Python is gone, is set up again.
is_whole = $(and $(realpath $(BIN)/python),$(findstring |$(CURDIR)|,|$(file <$(1))|))
$(foreach marker,$(MARKERS),$(if $(call is_whole,$(marker)),,$(eval $(marker): again)))
.PHONY: again
again:

# ── image sets: each folder of recipes/ with a set.yaml is a target ─────────────────────────────────────────────

CHOICES = $(if $(SITE),--site '$(SITE)') $(if $(OVERLAY),--overlay '$(OVERLAY)')

# `+` hands make's job server on. `set -f` leaves globs in ONLY to buildsys; quotes work as in a shell.
BUILD = +@set -f; exec $(BUILDSYS) build $@ $(CHOICES) $(if $(JOBS),--jobs '$(JOBS)') $(ONLY)

.PHONY: $(SETS) $(SETS:%=plan-%)
$(SETS): $(READY_TO_BUILD)
	$(BUILD)

$(SETS:%=plan-%): plan-%: $(READY_TO_BUILD)
	@$(BUILDSYS) plan $* -o build/$* $(CHOICES)

.PHONY: $(SETS:%=test-%)
$(SETS:%=test-%): test-%: $(READY_TO_BUILD)
	+@set -f; exec $(BUILDSYS) test $* $(CHOICES) $(if $(JOBS),--jobs '$(JOBS)') $(ONLY)

# Status 10 says that something was built. make has no word for that: for it, done is done.
.PHONY: $(SETS:%=periodic-%)
$(SETS:%=periodic-%): periodic-%: $(READY_TO_BUILD)
	+@$(BUILDSYS) periodic $* $(CHOICES) $(if $(JOBS),--jobs '$(JOBS)') || test $$? -eq 10

.PHONY: $(SETS:%=publish-%)
$(SETS:%=publish-%): publish-%: $(READY_TO_BUILD)
	$(if $(TO),,$(error say where to publish $*: make $@ TO=docker://HOST/NAMESPACE))
	@set -f; exec $(BUILDSYS) publish $* $(TO:%=--to '%') $(PUBLISH)

# A stable set that does not exist: buildsys says which ones do.
stable-%: $(READY_TO_BUILD)
	$(BUILD)

# ── checks and tests ────────────────────────────────────────────────────────────────────────────────────────────

CHECKS := check-lint check-types check-layers check-shell check-spelling check-english
.PHONY: check $(CHECKS)
check: $(CHECKS) ## lint, format, types, layers, shell, spelling and style; -k shows all there is to mend
$(CHECKS): $(READY_TO_TEST)

check-lint:
	$(BIN)/ruff check
	$(BIN)/ruff format --check

check-types:
	$(BIN)/mypy

check-layers:
	$(BIN)/lint-imports --no-logo

# Of sets that bring packages along: a plan of others begins with fetching. Their like is read in tests/apt.
CARRIED := $(patsubst recipes/%/standins/,%,$(wildcard recipes/*/standins/))

check-shell: $(CARRIED:%=check-steps-of-%)
	shellcheck .ci/run tools/*.sh tools/clean-root tools/compare-commits
	shellcheck --shell=bash --external-sources --source-path=SCRIPTDIR buildsys/plan/runtime/*.sh
	shellcheck --external-sources --source-path=SCRIPTDIR buildsys/image/shell/*.sh buildsys/exporters/containerfiles/*.sh

# The steps of a plan are generated, and are read by shellcheck like everything else that runs: except that what they
# set is read by the runtime, which is checked on its own, and that a `$` or a comma in their data is meant as it stands.
.PHONY: $(CARRIED:%=check-steps-of-%)
$(CARRIED:%=check-steps-of-%): check-steps-of-%: $(READY_TO_TEST)
	$(BUILDSYS) plan $* -o build/check/$*
	shellcheck --exclude=SC1003,SC1091,SC2016,SC2034,SC2054 build/check/$*/steps/*.sh

check-spelling:
	$(BIN)/codespell

# Words that docs/explanation/style.md retires. Recipes are left out: their files become part of images.
check-english:
	! git grep --line-number --perl-regexp -f tools/retired-words -- buildsys docs tools Makefile README.md \
	    ':!tools/retired-words' ':!docs/explanation/style.md'

# Workers take whole groups of tests, as tests/conftest.py forms and orders them.
PYTEST := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

.PHONY: quick
quick: $(READY_TO_TEST) ## ruff, and the tests that need no container and little time: two minutes
	$(BIN)/ruff check --quiet
	$(PYTEST) --quiet -m "not real and not slow" --costs=build/costs-quick.tsv --limit=5

.PHONY: test
test: check ## the checks, then every test; build/costs.tsv has the CPU seconds of each
	$(PYTEST) --costs=build/costs.tsv --limit=180

.PHONY: bench
bench: $(READY_TO_TEST) ## measure, and write docs/benchmarks.md
	$(BIN)/python -m tests.bench

.PHONY: bench-zed
bench-zed: $(READY_TO_TEST) ## measure stable-zed against plain Containerfiles, and write its part of docs/benchmarks.md
	$(BIN)/python -m tests.bench.zed

.PHONY: acceptance
acceptance: $(READY_TO_TEST) ## both sets built, tried, held against the facts; and on three releases of Debian
	$(BIN)/python -m tests.acceptance

# Debian packages want Debian 13's tools, so they are built in a clean root of it. Debian has no dockerfile-parse; its
# sources are fetched, of the version in requirements.lock.
DIST    := build/dist
VERSION  = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' buildsys/__init__.py)

.PHONY: dist
dist: $(READY_TO_TEST) ## sdist, wheel, RPMs and Debian packages, in build/dist
	rm -rf $(DIST)
	mkdir -p $(DIST)
	$(BIN)/python -m build --no-isolation --outdir $(DIST)
	rpmbuild -ta --quiet --nodeps --define '_topdir $(abspath $(DIST))/rpm' --define '__python3 $(abspath $(BIN))/python' \
	    $(DIST)/buildsys-$(VERSION).tar.gz
	mv $(DIST)/rpm/RPMS/noarch/*.rpm $(DIST)/rpm/SRPMS/*.rpm $(DIST)
	rm -rf $(DIST)/rpm
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
	    --constraint requirements.lock --dest $(DIST) dockerfile-parse
	tools/clean-root --share $(abspath $(DIST)):/dist trixie \
	    /project/tools/build-debs /dist/buildsys-$(VERSION).tar.gz /dist

.PHONY: clean
clean: ## remove build/ and the caches; images and .venv stay
	below="$$PWD/build/" awk '{ gsub(/\\040/, " ", $$2); gsub(/\\134/, "\\", $$2) } index($$2, ENVIRON["below"]) == 1 { print $$2 }' \
	    /proc/mounts | sort -r | xargs -r -d '\n' umount
	rm -rf build .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
