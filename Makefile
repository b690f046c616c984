# Portico: what a developer or administrator types. `make help` lists it.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help run test test-all bench lab fmt build web openapi

help: ## This list
	@echo "Portico: a remote desktop and application broker"
	@echo
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo
	@echo "Settings, as in 'make run PORT=9443':"
	@echo "  PORT=8443            port of 'make run'"
	@echo "  LAB_NET=10.91.0      first three parts of the lab's network"

run: ## Build, start Portico with real session hosts on this machine, print address and demo sign-ins; Ctrl-C stops all
	@PORT=$(or $(PORT),8443) scripts/run

test: ## All checks and tests, in a real browser against real servers too; what CI runs
	@scripts/test

test-all: ## make test, then what takes longer (long fuzzing, many crashes, 1 GB floods); writes docs/test-all.md
	@scripts/test --all

bench: ## Side by side with HAProxy, websockify, ssh, nmap and the npm client: ratios and budgets; PARTS="rdp-client" for some
	@PARTS="$(PARTS)" scripts/bench

lab: ## Start the real servers alone (lab/lab help tells more)
	@lab/lab up

build: web ## The program, for development
	@cargo build --package portico

web: ## The web pages into web/dist, with the RDP client in WebAssembly
	@scripts/prepare rdp-client web
	@cargo xtask rdp-client
	@cd web && npm run --silent build

openapi: ## Write openapi/portico.json from the code, and the TypeScript types from it
	@cargo build --workspace --all-targets
	@target/debug/portico openapi > openapi/portico.json.new && mv openapi/portico.json.new openapi/portico.json
	@cd web && npm run --silent gen:api

fmt: ## Format everything
	@cargo fmt --all
	@if [ -d web/node_modules ]; then cd web && npm run --silent fmt --if-present; fi
