#!/usr/bin/env bash
# Runs tests/http/harness.mjs: scoring as evaluation harnesses do it; 77 means skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v node >/dev/null || { echo "skipped: node is not here"; exit 77; }
exec node tests/http/harness.mjs
