#!/usr/bin/env bash
# Nothing leaves the machine: the server is used in a network namespace whose only way out must stay
# silent (tests/http/quiet.c, quiet.mjs). Exit status 77 means skipped.
set -u
build=${TARN_TEST_BUILD:-build/latest}
command -v node >/dev/null || { echo "skipped: node is not here"; exit 77; }
exec "$build/tests/http/quiet" node "$(dirname "$0")/quiet.mjs"
