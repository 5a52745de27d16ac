# The whole life of the code: `make run` to try it, `make test` while working,
# `make check` before it goes anywhere. Only Go is needed for the first two.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
MODULES := schemas pkg services
LINTER  := tools/bin/golangci-lint

# With these tags the tests start a PostgreSQL of their own, and kill processes
# at named points.
CHECK_TAGS := postgres failpoint

.PHONY: run test check bench generate lint build vet tidy-check generated-check race

build: ## Build bin/verdict.
	go build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/ work

run: build ## Run everything in one process, in development mode.
	bin/verdict up --dev

test: ## Run the tests that need nothing but Go.
	go test work

check: lint vet tidy-check generated-check race ## Run every check there is.

bench: ## Run all benchmarks.
	go test -run '^$$' -bench . -benchmem work

generate: ## Write every generated file again.
	for module in $(MODULES); do (cd $$module && go generate ./...); done

lint: $(LINTER)
	$(LINTER) run $(MODULES:%=./%/...)

vet:
	go vet -tags '$(CHECK_TAGS)' work

# The linter's own module is left out: all that its tests need would be fetched.
tidy-check:
	for module in $(MODULES); do (cd $$module && GOWORK=off go mod tidy -diff); done

generated-check:
	.ci/generated

race:
	go test -race -tags '$(CHECK_TAGS)' work

$(LINTER): tools/go.mod tools/go.sum
	cd tools && GOWORK=off go build -o bin/ tool
