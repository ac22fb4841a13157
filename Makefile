# The front door: every target installs what it needs, says so, and only calls CMake and scripts.
# Nothing else is decided here; a second run of anything is quick.

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 30
MODELS ?=

.DEFAULT_GOAL := release
.PHONY: release debug run test asan tsan fuzz bench docs install check format tidy clean help

release debug: ## build the program (build/release/ingot)
	@scripts/build $@

run: release ## build, fetch a small real model (253 MB, once), generate text; INGOT_MODEL=file uses another
	@scripts/run_model

test: ## what CI runs: every test, checks of the source, address, undefined and thread sanitizers
	@scripts/test

asan tsan: ## build with sanitizers and run the tests there
	@scripts/build $@
	ctest --preset $@

fuzz: ## run every fuzz target for FUZZ_SECONDS (30)
	@scripts/build fuzz
	@scripts/fuzz build/fuzz $(FUZZ_SECONDS)

bench: release ## speed beside llama.cpp; MODELS="file.gguf …"; see bench/README.md
	@scripts/setup bench
	@scripts/bench_compare $(MODELS)

docs: ## man pages and completion in build/release/docs, from the option table; checks the documents' links
	@scripts/build release docs
	@scripts/check --only documents

install: ## PREFIX=/usr/local; DESTDIR is honoured
	@scripts/build release
	cmake --install build/release --prefix $(PREFIX)

check: release ## rules of STYLE on every file
	@scripts/setup check
	@scripts/check

format: ## clang-format on every C file
	@scripts/setup format
	@scripts/format

tidy: release ## clang-tidy on src (minutes)
	@scripts/tidy

clean: ## remove build folders; models and downloads in .cache stay
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z][a-z ]*\):.*## \(.*\)/\1 - \2/p' $(MAKEFILE_LIST)
