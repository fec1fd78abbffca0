#!/usr/bin/env bash
# Runs tests/http/pgsql.mjs against the database that TARN_TEST_PGSQL names (a libpq connection
# string); needs a build with PGSQL=1. Exit status 77 means skipped.
set -u
[ -n "${TARN_TEST_PGSQL:-}" ] || { echo "skipped: TARN_TEST_PGSQL names no database"; exit 77; }
command -v node >/dev/null || { echo "skipped: node is not here"; exit 77; }
exec node "$(dirname "$0")/pgsql.mjs"
