# Nothing but the Go toolchain is needed to build and to run the demonstration.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Tools at the versions of packaging/tools/go.mod, built once.
TOOLS := bin/tools
GOFUMPT := $(TOOLS)/gofumpt
STATICCHECK := $(TOOLS)/staticcheck
PACKAGERS := $(TOOLS)/nfpm $(TOOLS)/cyclonedx-gomod $(TOOLS)/ociimage

FUZZTIME ?= 30s
SOAK ?= 100000
RECONNECTS ?= 10000
VERSION ?= 0.1.0
COMMIT ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/gbgate, static, for this machine
	CGO_ENABLED=0 go build -trimpath -o bin/gbgate ./cmd/gbgate

.PHONY: demo
demo: build ## two simulated cameras, a superior platform and the gateway between them
	bin/gbgate demo

.PHONY: test
test: test-tools ## all tests, which mostly wait and so run 8 at a time, under the race detector
	go test -race -count=1 -parallel 8 -timeout 20m ./...

.PHONY: test-tools
test-tools: ## see that the programs the tests call are there, install them if allowed
	@packaging/tools/test-tools

.PHONY: test-32
test-32: ## the packages' tests as 32-bit programs, as on armv7 and mipsle
	GOARCH=386 CGO_ENABLED=0 go test -count=1 $$(go list ./... | grep -vx gbgate/cmd/gbgate)

.PHONY: lint
lint: check-fmt vet staticcheck arrows ## format, vet, staticcheck and the import arrows

.PHONY: check
check: lint test ## what CI runs: lint and test

.PHONY: fmt
fmt: $(GOFUMPT) ## format the code
	$(GOFUMPT) -w .

.PHONY: check-fmt
check-fmt: $(GOFUMPT)
	@if ! diff=$$($(GOFUMPT) -d .) || [[ -n $$diff ]]; then echo "$$diff"; echo "run: make fmt" >&2; exit 1; fi

.PHONY: vet
vet:
	go vet ./...

.PHONY: staticcheck
staticcheck: $(STATICCHECK)
	$(STATICCHECK) ./...

.PHONY: arrows
arrows:
	go test -count=1 -run 'Arrows|TopLevel' ./cmd/gbgate

.PHONY: bench
bench: build ## the table of docs/performance.md, 12 minutes on a quiet machine
	@bin/gbgate bench --table --seconds 10 --scale 60

.PHONY: reconnects
reconnects: ## a camera lost RECONNECTS (10000) times, after which nothing may be left of it
	RECONNECTS=$(RECONNECTS) go test -count=1 -v -timeout 1h -run 'TestReconnectsLeaveNothing' ./rtsp

.PHONY: soak
soak: build ## SOAK (100000) calls, after which the gateway must have what it had before
	bin/gbgate bench --soak $(SOAK)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s) each
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort | while IFS=: read -r file target; do \
		target=$${target#func }; \
		echo "$$target in $$(dirname "$$file")"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null; \
	done

.PHONY: cross
cross: ## static release binaries for every target in dist/bin, with their sizes
	packaging/cross "$(VERSION)" "$(COMMIT)"

.PHONY: package
package: cross $(PACKAGERS) ## deb, rpm, apk, ipk, container images, bill of materials and checksums in dist
	packaging/package "$(VERSION)"

.PHONY: release
release: ## everything in dist, from a clean slate
	rm -rf dist
	$(MAKE) package

.PHONY: test-packages
test-packages: package ## start every foreign binary under qemu, live a deb's life, look into the rest
	packaging/test-packages "$(VERSION)"

$(GOFUMPT) $(STATICCHECK): packaging/tools/go.mod packaging/tools/go.sum
	@mkdir -p $(TOOLS)
	go -C packaging/tools build -o $(CURDIR)/$(TOOLS)/ honnef.co/go/tools/cmd/staticcheck mvdan.cc/gofumpt
	@touch $(GOFUMPT) $(STATICCHECK)

$(PACKAGERS): packaging/tools/go.mod packaging/tools/go.sum packaging/tools/ociimage/main.go
	@mkdir -p $(TOOLS)
	go -C packaging/tools build -o $(CURDIR)/$(TOOLS)/ ./ociimage \
		github.com/goreleaser/nfpm/v2/cmd/nfpm github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
	@touch $(PACKAGERS)
