#!/usr/bin/env bash
# Runs tests/http/golden.mjs: streams byte for byte; 77 means skipped.
set -u
command -v node >/dev/null || { echo "skipped: node is not here"; exit 77; }
exec node "$(dirname "$0")/golden.mjs"
