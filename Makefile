# Everything here needs Go, gcc, make and git; what `make test` needs beside them is
# listed, and installed where that is possible, by test/prerequisites.

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Watch it work on real components; ONCE=1 ends by itself
	@go build -o bin/test/demo ./test/demo # not "go run": it calls a demo that was ended by Ctrl-C a failure
	@bin/test/demo $(if $(ONCE),-once)

.PHONY: test
test: ## Run every check: linters, tests, end-to-end tests, demo
	@test/prerequisites # before the first line of Go is compiled
	go run ./test/run test

.PHONY: test-matrix
test-matrix: ## Run the end-to-end tests with other versions of etcd and kube-apiserver
	go run ./test/run matrix

.PHONY: verdicts
verdicts: ## Compare our rules and a plain flag check with the labelled configurations
	@go run ./test/corpus/verdicts

.PHONY: chaos
chaos: ## Random faults under write load: STEPS of them (100), the same ones for a SEED
	go test -race -count=1 -v -timeout=0 ./test/chaos -seed=$(or $(SEED),0) -steps=$(or $(STEPS),100)

.PHONY: bench
bench: ## Run the benchmarks, compare with the last; DOC=1 writes docs/performance.md
	go run ./test/run bench

.PHONY: transcript
transcript: ## Renew the demo's transcript in the README
	go run ./test/demo -once -transcript=write

.PHONY: page
page: ## Renew the pictures of the auditor's page in docs/images; needs root
	@# In a process namespace of its own: the page is to show what the test starts, and nothing else of this machine.
	unshare --pid --fork --mount-proc go test -count=1 -run TestThePageOfARealRun ./cmd/etcdaudit -images=$(CURDIR)/docs/images

.PHONY: lint
lint: ## Run gofmt, go mod tidy, go vet and golangci-lint
	go run ./test/run lint

.PHONY: build
build: ## Build bin/kmsplugin and bin/etcdaudit, static and with their version
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags='-s -w' -o bin/ ./cmd/...

.PHONY: fuzz
fuzz: ## Run every fuzz test for FUZZTIME (1m)
	go run ./test/run fuzz

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities; fails as well if the database cannot be reached
	go run ./test/run vulncheck

.PHONY: release
release: ## Make a release in dist/, signed with the SSH key that SIGNING_KEY names
	go run ./test/run release

.PHONY: release-check
release-check: ## Make a release twice, in two places, and compare them
	go run ./test/run release-check

.PHONY: clean
clean: ## Remove bin, with the components built for tests, bench and dist
	rm -rf bin bench dist
	@# Earlier versions kept components in the user's cache directory, marked as theirs.
	@dir="$${SEALPROOF_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/sealproof}"; \
	! grep -qs Sealproof "$$dir/CACHEDIR.TAG" || rm -rf "$$dir"
