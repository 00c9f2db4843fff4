# The two commands of a newcomer are `make run` and `make test`; CONTRIBUTING.md
# has the others.
SHELL := /bin/bash
DATA  ?= .paddock
LISTEN ?= 127.0.0.1:4566
GOLANGCI := .deps/bin/golangci-lint

.PHONY: run build test unit lint generate check coverage bench soak fuzz deps clean cross

## run: build Paddock, start it, deploy examples/hello through the AWS APIs, show the logs
run: build
	@scripts/deps.sh run
	@scripts/run-hello.sh "$(DATA)" "$(LISTEN)"

## build: bin/paddock
build:
	@go build -trimpath -o bin/paddock ./cmd/paddock

## test: everything that must pass, with what it needs installed first
test: deps lint check cross build
	@go test -timeout 15m ./...

## unit: the tests without installing anything; what a missing component needs is skipped
unit:
	@go test ./...

## lint: gofmt, go vet and golangci-lint, import rules among them
lint: $(GOLANGCI)
	@test -z "$$(gofmt -l cmd internal test examples bench)" || { gofmt -l cmd internal test examples bench; echo "gofmt would change these files: run gofmt -w on them"; exit 1; }
	@$(GOLANGCI) run ./...

$(GOLANGCI): scripts/deps.sh
	@scripts/deps.sh lint

## generate: internal/api from botocore's models, docs/coverage.md from the code
generate:
	@scripts/fetch-models.sh
	@go run ./cmd/awsgen -models .deps/models -out internal/api
	@go run ./cmd/coverage -out docs/coverage.md

## check: that what is generated is what the generators write
check:
	@go run ./cmd/awsgen -models .deps/models -out internal/api -check
	@go run ./cmd/coverage -out docs/coverage.md -check

## cross: that the tree compiles for the other systems we serve
cross:
	@GOOS=darwin GOARCH=arm64 go build -o /dev/null ./cmd/paddock
	@GOOS=linux GOARCH=arm64 go build -o /dev/null ./cmd/paddock

## bench: the benchmarks, side by side with what else is installed
bench: build
	@go run ./bench -paddock bin/paddock

## soak: functions that crash, hang, fill their memory and change, for DURATION
DURATION ?= 10m
soak:
	@go test -count=1 -timeout 0 -v ./test/soak -length $(DURATION)

## fuzz: every fuzz target for FUZZTIME each
FUZZTIME ?= 20s
fuzz:
	@scripts/fuzz.sh $(FUZZTIME)

## deps: what the tests need: clients, models, protocol vectors, the linter
deps:
	@scripts/deps.sh test

clean:
	@rm -rf bin
