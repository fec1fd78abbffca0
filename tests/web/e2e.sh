#!/usr/bin/env bash
# The chat page in a headless Chromium against the mock server. CHROMIUM names another browser.
set -u
cd "$(dirname "$0")/../.."
export CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser)}
[ -n "$CHROMIUM" ] || { echo "skipped: chromium is not installed"; exit 77; }
tools/build-web || exit $?
# Node 18 has no limit for a single test; tools/run-tests has one for all.
limit=--test-timeout=240000
node $limit --version >/dev/null 2>&1 || limit=
# shellcheck disable=SC2086
cd web && exec node --test --test-concurrency=1 $limit test/e2e/*.test.mjs
