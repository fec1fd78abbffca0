#!/usr/bin/env bash
# Runs tests/http/random.mjs: 1,500 random requests, 10,000 in a build with asan and ubsan (REQUESTS and
# SEED say otherwise); exit status 77 means skipped.
set -u
command -v node >/dev/null || { echo "skipped: node is not here"; exit 77; }
case ${TARN_TEST_BUILD:-} in *asan*) n=10000 ;; *) n=1500 ;; esac
exec node "$(dirname "$0")/random.mjs" "${REQUESTS:-$n}" "${SEED:-1}"
