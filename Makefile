# The whole life of the code: `make run` to try it, `make test` while working,
# `make check` before it goes anywhere. Only Go is needed for the first two; the
# last needs Node.js too, for the linters of the contract.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
MODULES := schemas pkg services examples
STORIES := github.com/verdict-stream/verdict/services/verdict
LINTER  := tools/bin/golangci-lint
CONTRACT_LINTERS := tools/node_modules/.package-lock.json

# With these tags the tests start a PostgreSQL of their own, kill processes at
# named points, and add a fifth provider to a copy of the repository.
CHECK_TAGS := postgres failpoint fifth

.PHONY: run test check bench bench-quick profile generate lint lint-contract build vet tidy-check generated-check race stories crash crash-short

build: ## Build bin/verdict.
	go build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/ work

run: build ## Run everything in one process, in development mode.
	bin/verdict up --dev

test: ## Run the tests that need nothing but Go.
	go test work

check: lint lint-contract vet tidy-check generated-check race stories ## Run every check there is.

bench: build ## Measure the binary against its baselines, then run the Go benchmarks.
	bin/verdict bench --json bin/bench.json $(BENCH)
	go test -run '^$$' -bench . -benchmem work

bench-quick: build ## See within a minute that `make bench` works.
	bin/verdict bench --quick $(BENCH)

profile: build ## Show where the time goes under load.
	bin/verdict bench --profile bin/profile --seconds 20
	go tool pprof -top -nodecount 40 bin/profile/cpu.pprof
	go tool pprof -top -nodecount 15 -sample_index inuse_space bin/profile/heap.pprof

generate: ## Write every generated file again.
	for module in $(MODULES); do (cd $$module && go generate ./...); done

lint: $(LINTER)
	$(LINTER) run $(MODULES:%=./%/...)

# Nothing is reported to anybody, and no newer version is looked for.
lint-contract: $(CONTRACT_LINTERS) ## Check the descriptions of the API and of the streams.
	cd tools && REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true node_modules/.bin/redocly lint ../schemas/openapi.yaml
	cd tools && node asyncapi.mjs ../schemas/asyncapi.yaml

vet:
	go vet -tags '$(CHECK_TAGS) crash' work

# The linter's own module is left out: all that its tests need would be fetched.
tidy-check:
	for module in $(MODULES); do (cd $$module && GOWORK=off go mod tidy -diff); done

generated-check:
	.ci/generated

# The stories start many processes, each of them the test binary: under the race
# detector only those of the all-in-one form, where all services share one.
race:
	go test -race -tags '$(CHECK_TAGS)' $$(go list work | grep -v '$(STORIES)$$')
	go test -race -run '^TestStories$$/^up$$' $(STORIES)

stories:
	go test -timeout 15m -tags '$(CHECK_TAGS)' $(STORIES)

# What is broken, and for how long, can be given: make crash SEED=7 FORM=split
# FAULTS=kill,cut SPOOL=off DATABASE=postgres FOR=1m. See docs/crash.md.
crash: FOR ?= 10m
crash: build ## Break the binary again and again, and hold it to its promises.
	VERDICT='$(CURDIR)/bin/verdict' FOR='$(FOR)' SEED='$(SEED)' FORM='$(FORM)' FAULTS='$(FAULTS)' SPOOL='$(SPOOL)' \
		go test -tags 'crash $(DATABASE)' -count=1 -timeout 0 -v -run '^TestCrash$$' ./services/crash

crash-short: ## The same within a minute.
	$(MAKE) --no-print-directory crash FOR=36s


$(LINTER): tools/go.mod tools/go.sum
	cd tools && GOWORK=off go build -o bin/ tool

# No package runs a script of its own when it is installed.
$(CONTRACT_LINTERS): tools/package.json tools/package-lock.json
	cd tools && npm ci --ignore-scripts --no-audit --no-fund
