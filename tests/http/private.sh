#!/usr/bin/env bash
# Runs tests/http/private.mjs over the fake server; exit status 77 means skipped.
set -u
command -v node >/dev/null || { echo "skipped: node is not here"; exit 77; }
exec node "$(dirname "$0")/private.mjs"
