# The only entry: `make` lists what there is.

# What `make demo` does; `make demo DEMO_STEPS=100` is quicker and shows less.
DEMO_STEPS      ?= 800
DEMO_BATCH      ?= 16
DEMO_DIFFICULTY ?= 0.1
DEMO_CLIPS      ?= 768
DEMO_SEEDS      ?= 3
DEMO_DEVICE     ?= auto
DEMO_OUT        ?= runs/demo

# How long each parser is fuzzed, and which tests `make torture` runs at length.
FUZZ_TIME ?= 60s
TORTURE   ?= Kill|Hostile|Damage|Signal|Pipe|Memory|Strace

# What `make ablation` does; finished runs in its folder are kept, and another setting needs another folder.
ABLATION_STEPS  ?= 800
ABLATION_SEEDS  ?= 3
ABLATION_FLAGS  ?=
ABLATION_OUT    ?= runs/ablation

# Go's usual place, for shells that have not been told of it.
export PATH := $(PATH):/usr/local/go/bin
# Mesa complains where the session has no runtime folder, as in containers.
export XDG_RUNTIME_DIR ?= /tmp

# Go stamps the revision, but fails where git will not answer, as in a folder of another user.
STAMP = $(shell git rev-parse HEAD >/dev/null 2>&1 || echo -buildvcs=false)

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build dist demo ablation pictures test test-quick test-all fuzz torture static lint bench check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Looks for each thing that is needed and installs what is missing where apt can; elsewhere it says what to install.
define SETUP
set -euo pipefail
missing=() packages=()
lacks() { missing+=("$$1"); packages+=("$${@:2}"); }
command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || lacks "ffmpeg" ffmpeg
command -v gcc >/dev/null || command -v clang >/dev/null || lacks "a C compiler" gcc
if [ "$$(uname -s)" = Linux ]; then
	compiler=$$(command -v gcc || command -v clang || true)
	{ [ -n "$$compiler" ] && echo '#include <stdlib.h>' | "$$compiler" -fsyntax-only -xc - 2>/dev/null; } || lacks "the C library's headers" libc6-dev
	drivers() { ls /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json 2>/dev/null || true; }
	[ -n "$$(drivers)" ] || lacks "a Vulkan driver" mesa-vulkan-drivers
	case $$(PATH=$$PATH:/sbin:/usr/sbin ldconfig -p) in *libvulkan.so.1*) ;; *) lacks "the Vulkan loader" libvulkan1 ;; esac
	if [ -n "$${XKD_BROWSER:-}" ]; then
		command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || lacks "Chromium" chromium
	fi
	if [ -n "$${XKD_MINGW:-}" ]; then
		command -v x86_64-w64-mingw32-gcc >/dev/null || lacks "a C compiler for Windows" gcc-mingw-w64-x86-64
	fi
	if [ -n "$${XKD_HEADERS:-}" ]; then
		[ -e /usr/include/vulkan/vk_layer.h ] || lacks "the headers of Vulkan" libvulkan-dev
		[ -e /usr/include/libdrm/i915_drm.h ] || lacks "the headers of libdrm" libdrm-dev
	fi
fi
if [ $${#missing[@]} -gt 0 ]; then
	list=$$(printf ', %s' "$${missing[@]}"); list=$${list:2}
	root=
	if [ "$$(id -u)" != 0 ]; then root=sudo; fi
	if ! command -v apt-get >/dev/null || { [ -n "$$root" ] && ! command -v sudo >/dev/null; }; then
		echo "setup: missing: $$list. Install them by your system's package manager and run make again." >&2
		exit 1
	fi
	echo "setup: installing $${packages[*]} for want of $$list"
	export DEBIAN_FRONTEND=noninteractive
	$$root apt-get update -qq </dev/null
	$$root apt-get install -y -qq --no-install-recommends "$${packages[@]}" </dev/null >/dev/null
fi
need=$$(awk '$$1 == "go" { print $$2 }' go.mod)
if ! command -v go >/dev/null; then
	echo "setup: Go is missing: install Go $$need or later from https://go.dev/dl/" >&2
	exit 1
fi
have=$$(cd / && GOTOOLCHAIN=local go env GOVERSION)
have=$${have#go}
have=$${have%% *}
if [ "$$(printf '%s\n' "$$need" "$$have" | sort -V | head -n 1)" != "$$need" ]; then
	echo "setup: Go $$have is too old: install Go $$need or later from https://go.dev/dl/" >&2
	exit 1
fi
endef
export SETUP

setup: ## install what is missing (Debian, Ubuntu), or say what to install
	@bash -c "$$SETUP"

build: setup ## build bin/xkd
	@go build $(STAMP) -o bin/xkd ./cmd/xkd

dist: export XKD_MINGW = 1
dist: setup ## build the release archives for Linux and Windows into dist/, the same bytes from the same revision
	go run $(STAMP) ./cmd/dist

demo: build ## train on generated clips and probe what was learnt, about 3 minutes on two cores
	@rm -rf $(DEMO_OUT)
	bin/xkd train --data synthetic --preset nano --steps $(DEMO_STEPS) --batch $(DEMO_BATCH) --difficulty $(DEMO_DIFFICULTY) --device $(DEMO_DEVICE) --out $(DEMO_OUT)
	bin/xkd probe $(DEMO_OUT)/checkpoint.safetensors --clips $(DEMO_CLIPS) --seeds $(DEMO_SEEDS) --device $(DEMO_DEVICE)

ablation: build ## train with parts of the loss left out, three seeds each, and compare; goes on where it was stopped
	bin/xkd ablate --steps $(ABLATION_STEPS) --batch $(DEMO_BATCH) --difficulty $(DEMO_DIFFICULTY) --seeds $(ABLATION_SEEDS) --device $(DEMO_DEVICE) --out $(ABLATION_OUT) $(ABLATION_FLAGS)

pictures: build ## redraw the pictures of the documents; the curves are those of the last demo
	bin/xkd views synthetic:5 --short --out docs/pictures/views.png
	bin/xkd plot $(DEMO_OUT) --out docs/pictures/curves.png

test-quick: ## an answer in seconds: what needs neither a GPU nor files, without what takes long
	go test -short $$(go list ./... | grep -vE '/(gpu|tests)$$')

# The package that takes longest is named first, so that the others run beside it.
test: setup lint ## all checks and tests, as continuous integration runs them
	go test -timeout 14m ./tests ./...

test-all: export XKD_BROWSER = 1
test-all: setup lint ## these and the long ones: all kernels for all classes of adapters, in Chromium too, by the compilers of other GPUs, under validation; fuzzing
	XKD_TESTS=all go test -count=1 -timeout 120m ./...
	$(MAKE) fuzz

# Every FuzzX of the project is found by its name.
fuzz: setup ## each parser with inputs at random, for a minute each
	@grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file _ name; do \
		echo "$${file%/*} $${name#func } $(FUZZ_TIME)"; \
		go test -run '^$$' -fuzz "^$${name#func }\$$" -fuzztime $(FUZZ_TIME) "$${file%/*}" </dev/null || exit 1; \
	done

torture: setup ## long runs of faults: kills at random moments, odd files, hostile and damaged checkpoints, memory over epochs
	XKD_TESTS=all go test -count=1 -timeout 240m -v -run '$(TORTURE)' ./tests ./media/views

static: export XKD_HEADERS = 1
static: setup ## compile every kernel for six GPUs of AMD and Intel, without one, and hold it to budgets
	XKD_TESTS=all go test -count=1 -timeout 30m -v ./tests/static

lint: setup ## formatting, vet and staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w $$unformatted" >&2; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

bench: build ## seconds per training step, on the CPU path and on the best adapter
	@bin/xkd bench --device cpu
	@bin/xkd bench --device gpu

check: build ## compare the best adapter with the reference: operations, a step, recorded cases
	bin/xkd check
	bin/xkd check step
	bin/xkd check golden tests/testdata/mini_*.safetensors

clean: ## remove what make has built, and the demo's run
	rm -rf bin dist $(DEMO_OUT)
