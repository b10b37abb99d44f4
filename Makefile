# Targets for people; .ci/run calls the same ones. Everything needs only Go,
# git and a shell; the race detector also needs a C compiler.

PREFIX  ?= /usr/local
DESTDIR ?=
GO      ?= go
BINARY  := kvsh

# Not every shell expands the tilde of PREFIX=~/.local.
override PREFIX := $(patsubst ~/%,$(HOME)/%,$(PREFIX))

# The version is the tag, or the commit it was built from.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# cgo costs 0.85 ms at every start, so it is off in what ships.
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X kvsh/cmd.Version=$(VERSION)'

# The race detector needs cgo; without a C compiler the tests run without it,
# and say so.
RACE := $(shell command -v "$$($(GO) env CC)" >/dev/null 2>&1 && echo -race)

# These do one thing after the other, hundreds of thousands of times, or start a
# process for each step: the race detector finds nothing there and takes minutes.
# They run without it, as the black-box tests do, which test other processes.
SEQUENTIAL := ^(TestLawFlippedBitRead|TestLawFaults|TestLawBlocks|TestLawTornTail|TestTableForged|TestTableFlips|TestLawRepair|TestLawRepairFaults|TestLawSalvage|TestScripts|TestBigLines|TestReadingAsAnotherUser|TestHostileHandlers|TestEndlessRecord|TestLargestValue|TestLongestEscapes)$$

TOOL := $(GO) tool -modfile=scripts/tools.mod

# SOAK_ROUNDS and SOAK_TIME bound the long variants of the black-box tests.
SOAK_ROUNDS ?= 2500
SOAK_TIME   ?= 4h

# FUZZTIME is how long each fuzz test runs.
FUZZTIME ?= 30s

# MUTANTFLAGS are flags of scripts/mutants, such as -quick.
MUTANTFLAGS ?=

# TESTFLAGS are further flags of go test, such as -v or -short.
TESTFLAGS ?=

.DEFAULT_GOAL := build
.PHONY: build test check fmt vet lint tools arch generate install uninstall release targets demo crash soak fuzz mutants clean help

build: ## build ./kvsh
	$(BUILD) -o $(BINARY) .

test: ## run every test
	@test -n "$(RACE)" || echo "SKIP race detector: no C compiler ($$($(GO) env CC))"
	$(GO) test $(RACE) -timeout 12m -skip '$(SEQUENTIAL)' $(TESTFLAGS) $$($(GO) list ./... | grep -Ev "/scripts/(blackbox|release)$$")
	$(GO) test -timeout 12m -run '$(SEQUENTIAL)' $(TESTFLAGS) ./engine/ ./engine/handler/ ./cmd/ ./format/
	$(GO) test -count=1 -timeout 12m $(TESTFLAGS) ./scripts/blackbox/

check: fmt vet lint arch test ## everything a change must pass

fmt: ## list files that gofumpt would change, and fail if there are any
	@bad=$$($(TOOL) gofumpt -l .) || exit 1; \
	if [ -n "$$bad" ]; then echo "not gofumpt-clean:"; echo "$$bad"; exit 1; fi

vet: ## go vet
	$(GO) vet ./...
	$(GO) vet -tags crash ./engine/

lint: ## staticcheck
	$(TOOL) staticcheck ./...
	$(TOOL) staticcheck -tags crash ./engine/

tools: ## fetch and build the pinned tools
	$(TOOL) gofumpt --version
	$(TOOL) staticcheck -version

arch: ## the import arrows
	$(GO) test -count=1 ./scripts/arch/

generate: build ## rewrite the man pages
	scripts/generate.sh ./$(BINARY)

install: build ## install the program, man pages and completions below PREFIX
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 $(BINARY) "$(DESTDIR)$(PREFIX)/bin/$(BINARY)"
	scripts/install-docs.sh install "$(DESTDIR)$(PREFIX)"

uninstall: ## remove what install put there
	rm -f "$(DESTDIR)$(PREFIX)/bin/$(BINARY)"
	scripts/install-docs.sh uninstall "$(DESTDIR)$(PREFIX)"

release: ## archives of the program for each system, in dist, the same bytes every time
	$(GO) run ./scripts/release

targets: ## build for every system, pack, install and uninstall
	$(GO) test -count=1 -timeout 30m $(TESTFLAGS) ./scripts/release/

demo: build ## the main job on real data: the package list of this machine
	scripts/demo.sh

crash: ## crash the engine behind each of its calls, in every way, and in the recovery too
	$(GO) run ./scripts/crash $(TESTFLAGS)

soak: build fuzz ## hours of crashes, kill -9, full disks and flipped bits
	KVSH_SOAK=1 $(GO) run ./scripts/crash -timeout $(SOAK_TIME)
	$(GO) test -count=1 -timeout $(SOAK_TIME) -v ./scripts/blackbox/ -soak -rounds $(SOAK_ROUNDS)

fuzz: ## every fuzz test, FUZZTIME each
	scripts/fuzz.sh $(FUZZTIME)

mutants: ## switch off what guards the data, one guard at a time: a test has to notice
	$(GO) run ./scripts/mutants $(MUTANTFLAGS)

clean: ## remove what was built
	rm -rf $(BINARY) dist

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "%-10s %s\n", $$1, $$2}' Makefile
