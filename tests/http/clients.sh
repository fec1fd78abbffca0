#!/usr/bin/env bash
# Real client libraries (tests/http/clients), installed from the npm registry when it can be
# reached; exit status 77 means skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v npm >/dev/null || { echo "skipped: npm is not here"; exit 77; }
if [ ! -d tests/http/clients/node_modules ]; then
    (cd tests/http/clients && timeout 200 npm ci --no-audit --no-fund --ignore-scripts --silent >/dev/null 2>&1) ||
        { rm -rf tests/http/clients/node_modules; echo "skipped: the npm registry cannot be reached"; exit 77; }
fi
exec node tests/http/clients/run.mjs
