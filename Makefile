# What people and CI run. `make` alone prints the list.

CARGO ?= cargo
# Each integration test has a machine of its own; more at a time than this only slows all down.
RUST_TEST_THREADS ?= 4
export RUST_TEST_THREADS

HOST := $(shell rustc -vV | sed -n 's/^host: //p')

.DEFAULT_GOAL := help
.PHONY: help build release demo test bench lint audit deny packages clean

help: ## Print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do \
		printf '  make %-10s %s\n' "$$name" "$$text"; done

build: ## Build the three programs and the test agent (debug)
	$(CARGO) build --workspace --locked

# The helper is linked statically: no loader, no library that could be replaced, a third of the
# memory. Only with --target does the flag spare the compiler's own plug-ins.
release: ## Build optimised programs into target/release, the helper statically linked
	$(CARGO) build --workspace --exclude netevd-priv --locked --release
	RUSTFLAGS="$(RUSTFLAGS) -C target-feature=+crt-static" \
		$(CARGO) build -p netevd-priv --locked --release --target $(HOST)
	install -m 755 target/$(HOST)/release/netevd-priv target/release/netevd-priv

demo: build ## Show the main job in a private network namespace, as root or not, in half a minute
	@tests/support/packages.sh ip:iproute2 unshare:util-linux
	@examples/demo/run.sh target/debug

test: packages build ## Install what the tests need, then run all of them
	$(CARGO) test --workspace --locked --no-fail-fast

packages: ## Install the Debian packages that the tests need and that are missing (root)
	@tests/support/packages.sh ip:iproute2 unshare:util-linux ping:iputils-ping sysctl:procps cc:gcc \
		dbus-daemon:dbus-daemon networkctl:systemd resolvectl:systemd-resolved pkcheck:polkitd \
		NetworkManager:network-manager dhclient:isc-dhcp-client dnsmasq:dnsmasq-base

bench: release ## Measure against the floor of this machine; needs root or user namespaces
	@tests/support/packages.sh ip:iproute2 unshare:util-linux cc:gcc
	NETEVD_TEST_BINARIES=$(CURDIR)/target/release $(CARGO) bench --locked --profile dev --bench netevd

lint: ## Formatting and lints, as CI demands them
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

audit: ## The helper's budget: lines of code, and the crates that are linked into it
	@tests/support/audit.sh

deny: ## Licences, advisories and sources of all dependencies (needs cargo-deny)
	$(CARGO) deny check

clean: ## Remove everything that was built
	$(CARGO) clean
