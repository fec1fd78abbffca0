#!/usr/bin/env bash
# Runs tests/http/real.mjs: `tarn serve` itself over a small random model; exit status 77 means skipped.
set -u
command -v node >/dev/null || { echo "skipped: node is not here"; exit 77; }
exec node "$(dirname "$0")/real.mjs"
